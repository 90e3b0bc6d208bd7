"""Faces of photos as generators of faces know them: upright, and as large in every picture (FFHQ's alignment).

for face in find_faces(photo):
    piece = face.frame().cut(photo, (256, 256))
    photo = face.frame().paste(photo, piece, match=True)
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images.frames import Frame
from graftlab.perception.mtcnn import MTCNN

WHICH = ("largest", "all")
SIDE = 640  # pixels of the longer side, at which faces are looked for
TURNS = (0, 60, -60, 120, -120, 180)  # degrees by which a picture is turned: faces are seen up to 40 from upright
APART = 0.5  # of a face's side: middles that are closer belong to one face
SURE = 0.95  # score of a face looked at upright, below which it is none


class NoFaceError(GraftError):
    """A photo in which no face was found."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a picture, in its pixels."""

    points: Tensor  # (5, 2): x, y of its right eye (on the left of an upright face), left eye, nose, corners of mouth
    side: float  # of the square around it
    score: float  # in [0, 1]

    @property
    def middle(self) -> Tensor:
        """x, y (2,)."""
        return self.points.mean(0)

    @property
    def angle(self) -> float:
        """By which it is turned clockwise, in radians (Karras et al. 2018, appendix C: across eyes and down to the
        mouth count alike)."""
        (across, rise), (lean, down) = self._eye_to_eye.tolist(), self._eyes_to_mouth.tolist()
        return math.atan2(rise - lean, across + down)

    def frame(self, aspect: float = 1.0) -> Frame:
        """What FFHQ's pictures show of it (Karras et al. 2018, appendix C): a square, or of that height per width."""
        side = max(4.0 * self._eye_to_eye.norm().item(), 3.6 * self._eyes_to_mouth.norm().item())
        x, y = (self.points[:2].mean(0) + 0.1 * self._eyes_to_mouth).tolist()
        return Frame(x, y, side / min(1, aspect), side * max(1, aspect), self.angle)

    @property
    def _eye_to_eye(self) -> Tensor:
        return self.points[1] - self.points[0]

    @property
    def _eyes_to_mouth(self) -> Tensor:
        return self.points[3:].mean(0) - self.points[:2].mean(0)


@cache
def detector() -> MTCNN:
    """Kept, as it takes a moment to open."""
    return MTCNN()


def find_faces(picture: Tensor) -> list[Face]:
    """All faces of (1, 3, H, W) in [-1, 1], however they are turned, the largest first.

    Faces are seen from the front to half from the side, from 1/32 of the picture's longer side on, twenty as well as
    one, and with up to 3/10 beyond the border. GraftError if the extra `faces` is not installed."""
    scale = min(1.0, SIDE / max(picture.shape[2:]))
    if scale < 1:
        small = [max(1, round(side * scale)) for side in picture.shape[2:]]
        picture = F.interpolate(picture, size=small, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
    height, width = picture.shape[2:]
    found: list[Face] = []
    for turn in TURNS:
        angle = math.radians(turn)
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        around = Frame(width / 2, height / 2, cos * width + sin * height, cos * height + sin * width, angle)
        size = round(around.height), round(around.width)
        turned = picture if not turn else around.cut(picture, size, "zeros")
        seen = detector().detect(turned)
        for box, points in zip(seen.boxes, seen.points, strict=True):
            face = Face(_back(points, around, size), (box[2:] - box[:2]).max().item(), 0.0)
            found += _upright(picture, face)
    found.sort(key=lambda face: face.score, reverse=True)
    kept: list[Face] = []
    for face in found:
        if all((face.middle - other.middle).norm() > APART * max(face.side, other.side) for other in kept):
            kept.append(face)
    kept.sort(key=lambda face: face.side, reverse=True)
    return [Face(face.points / scale, face.side / scale, face.score) for face in kept]


def frame_faces(picture: Tensor, which: str, name: str, aspect: float = 1.0) -> list[Frame]:
    """Frames of the "largest" face of a picture, or of "all". NoFaceError without one; GraftError for another word."""
    if which not in WHICH:
        raise GraftError(f"Faces are {' or '.join(WHICH)}, not '{which}'.")
    if not (found := find_faces(picture)):
        raise NoFaceError(f"{name} shows no face that was found; give another photo, or leave out --faces.")
    return [face.frame(aspect) for face in (found if which == "all" else found[:1])]


def _upright(picture: Tensor, face: Face) -> list[Face]:
    """The face looked at once more, turned upright, where its points are surest; none if it is no face then."""
    height, width = picture.shape[2:]
    x, y = face.middle.tolist()
    if not (0 <= x < width and 0 <= y < height):  # in the mirror beyond the border
        return []
    frame = Frame(x, y, face.side, face.side, face.angle)
    points, score = detector().look(frame.cut(picture, (48, 48)))
    face = Face(_back(points[0] * 48, frame, (48, 48)), face.side, score.item())
    return [face] if face.score > SURE else []


def _back(points: Tensor, frame: Frame, size: tuple[int, int]) -> Tensor:
    """Points (N, 2) of what a frame shows at a size, in the picture."""
    x = points[:, 0] * frame.width / size[1] - frame.width / 2
    y = points[:, 1] * frame.height / size[0] - frame.height / 2
    cos, sin = math.cos(frame.angle), math.sin(frame.angle)
    return torch.stack([frame.x + cos * x - sin * y, frame.y + sin * x + cos * y], 1)
