"""MTCNN: faces and five of their points in pictures (Zhang et al. 2016, "Joint Face Detection and Alignment").

Three small networks, each of which sees more and lets less through: P-Net all of a pyramid, in windows of 12 pixels,
R-Net what that proposes, at 24, and O-Net what is left, at 48. Their weights are part of the Python package `mtcnn`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.errors import GraftError

WINDOW = 12  # pixels that P-Net sees
STRIDE = 2  # of its windows
STEP = 0.709  # from one picture of the pyramid to the next: half the area
SMALLEST = 20  # pixels of a face, below which there is nothing to see
# Of each network: channels, kernel and pooling of its layers, and the outputs of its heads, in the order of the file.
LAYERS = {
    "pnet": (((10, 3, 2), (16, 3, 0), (32, 3, 0)), (4, 2)),
    "rnet": (((28, 3, 3), (48, 3, 3), (64, 2, 0), (128, 3, 0)), (4, 2)),
    "onet": (((32, 3, 3), (64, 3, 3), (64, 3, 2), (128, 2, 0), (256, 3, 0)), (4, 10, 2)),
}


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in a picture, best first."""

    boxes: Tensor  # (N, 4): left, top, right, bottom in pixels
    scores: Tensor  # (N,) in [0, 1]
    points: Tensor  # (N, 5, 2): x, y in pixels of the eye on the left, on the right, the nose, the mouth's corners

    def keep(self, which: Tensor) -> "Detections":
        return Detections(self.boxes[which], self.scores[which], self.points[which])


class MTCNN:
    """The three networks with their weights. GraftError if the extra `faces` is not installed."""

    def __init__(self, device: torch.device | None = None) -> None:
        found = find_spec("mtcnn")
        if not found or not found.origin:
            raise GraftError(
                "Finding faces needs the package mtcnn: pip install 'graftlab[faces]', or give a box by hand."
            )
        import joblib

        folder = Path(found.origin).parent / "assets" / "weights"
        self.propose, self.refine, self.conclude = (
            network(name, joblib.load(folder / f"{name}.lz4")).to(device or "cpu").eval() for name in LAYERS
        )
        self.device = device or torch.device("cpu")

    @torch.no_grad()
    def detect(self, picture: Tensor, bounds: Sequence[float] = (0.6, 0.7, 0.9)) -> Detections:
        """Faces of (1, 3, H, W) in [-1, 1] that stand upright, within about 40 degrees. `bounds` are the networks'."""
        picture = picture.to(self.device)
        boxes, scores = self._proposals(picture, bounds[0])
        boxes, scores = _merge(_squares(boxes), scores, 0.7)
        for stage, side, bound in ((self.refine, 24, bounds[1]), (self.conclude, 48, bounds[2])):
            out, boxes, scores = self._look(stage, picture, boxes, side, bound)
            points = _points(out, boxes) if stage is self.conclude else None
            boxes = boxes + out[:, :4] * (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
            kept = _suppress(boxes, scores, 0.7)
            boxes, scores = boxes[kept], scores[kept]
            if points is None:
                boxes = _squares(boxes)
        return Detections(boxes, scores, points[kept] if points is not None else torch.zeros(0, 5, 2))

    @torch.no_grad()
    def look(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """Five points (N, 5, 2), as shares of width and height, and scores (N,), of pieces (N, 3, 48, 48) that each
        hold a face."""
        out = self.conclude(pieces.to(self.device)).flatten(1)
        whole = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(len(out), 4)
        return _points(out, whole), out[:, -2:].softmax(1)[:, 1]

    def _proposals(self, picture: Tensor, bound: float) -> tuple[Tensor, Tensor]:
        scale, found = WINDOW / SMALLEST, [(torch.zeros(0, 4), torch.zeros(0))]
        shorter, small = min(picture.shape[2:]), picture
        while shorter * scale >= WINDOW:
            size = [round(side * scale) for side in picture.shape[2:]]
            small = F.interpolate(small, size=size, mode="bilinear", antialias=True, align_corners=False)
            out = self.propose(small)[0]
            scores = out[-2:].softmax(0)[1]
            rows, columns = (scores > bound).nonzero(as_tuple=True)
            corners = torch.stack([columns, rows], 1) * STRIDE
            boxes = (torch.cat([corners, corners + WINDOW], 1) + out[:4, rows, columns].T * WINDOW) / scale
            found.append(_merge(boxes, scores[rows, columns], 0.5))
            scale *= STEP
        return torch.cat([boxes for boxes, _ in found]), torch.cat([scores for _, scores in found])

    def _look(
        self, stage: nn.Module, picture: Tensor, boxes: Tensor, side: int, bound: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        out = stage(_pieces(picture, boxes, side)).flatten(1)
        scores = out[:, -2:].softmax(1)[:, 1]
        return out[scores > bound], boxes[scores > bound], scores[scores > bound]


def network(name: str, arrays: Sequence[Any]) -> nn.Sequential:
    """One of LAYERS, all of convolutions, with weights as TensorFlow keeps them: (h, w, in, out), or of a layer that
    sees the whole map (w * h * in, out)."""
    layers, heads = LAYERS[name]
    tensors, before, steps = iter([torch.from_numpy(each).float() for each in arrays]), 3, list[nn.Module]()
    for channels, kernel, pool in layers:
        weight = next(tensors)
        if weight.ndim == 2:
            weight = weight.reshape(kernel, kernel, before, channels).transpose(0, 1)
        steps += [_convolution(weight.permute(3, 2, 0, 1), next(tensors)), nn.PReLU(channels)]
        steps[-1].weight.data = next(tensors).flatten()
        steps += [nn.MaxPool2d(pool, 2, ceil_mode=True)] if pool else []
        before = channels
    weights, biases = zip(*((next(tensors).reshape(before, n).T, next(tensors)) for n in heads), strict=True)
    return nn.Sequential(*steps, _convolution(torch.cat(weights)[..., None, None], torch.cat(biases)))


def _convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    layer.weight.data, layer.bias.data = weight.contiguous(), bias  # type: ignore[union-attr]
    return layer


def _pieces(picture: Tensor, boxes: Tensor, side: int) -> Tensor:
    """What boxes (N, 4) show of (1, 3, H, W): (N, 3, side, side), gray beyond it. Large ones are seen in a picture made
    smaller by halves, so that no pixel is left out."""
    pieces, places = picture.new_zeros(len(boxes), 3, side, side), (torch.arange(side) + 0.5) / side
    levels = ((boxes[:, 2:] - boxes[:, :2]).amax(1) / side).log2().round().clamp(0, 6)
    for level in range(int(levels.max()) + 1 if len(boxes) else 0):
        which = (levels == level).nonzero().flatten()
        height, width = (max(1, n) for n in picture.shape[2:])
        lines = boxes[which, None, :2] + places[:, None] * (boxes[which, None, 2:] - boxes[which, None, :2])
        x, y = lines[..., 0] * 2 / (width * 2**level) - 1, lines[..., 1] * 2 / (height * 2**level) - 1
        grid = torch.stack([x[:, None].expand(-1, side, -1), y[..., None].expand(-1, -1, side)], -1).to(picture)
        shown = picture.expand(len(which), -1, -1, -1)
        pieces[which] = F.grid_sample(shown, grid, padding_mode="zeros", align_corners=False)
        if min(height, width) > 1:
            picture = F.interpolate(picture, scale_factor=0.5, mode="bilinear", antialias=True, align_corners=False)
    return pieces


def _points(out: Tensor, boxes: Tensor) -> Tensor:
    shares = torch.stack([out[:, 4:9], out[:, 9:14]], 2)
    return boxes[:, None, :2] + shares * (boxes[:, None, 2:] - boxes[:, None, :2])


def _squares(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) as squares around the same middle."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([middle - half, middle + half], 1)


def _merge(boxes: Tensor, scores: Tensor, overlap: float) -> tuple[Tensor, Tensor]:
    kept = _suppress(boxes, scores, overlap)
    return boxes[kept], scores[kept]


def _suppress(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """Numbers of the boxes that share at most `overlap` (of the union) with any better one that is kept."""
    order, kept = scores.argsort(descending=True), list[int]()
    corner = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    common = (torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner).clamp(min=0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    shared = (common / (areas[:, None] + areas - common).clamp(min=1e-6) > overlap)[order][:, order]
    alive = torch.ones(len(order), dtype=torch.bool)
    for i in range(len(order)):
        if alive[i]:
            kept.append(int(order[i]))
            alive &= ~shared[i]
    return torch.tensor(kept, dtype=torch.long)
