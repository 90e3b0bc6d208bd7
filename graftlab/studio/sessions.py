"""What each visitor has brought: photos and masks, in a folder of their own that is removed at the end.

Photos go by an id, the beginning of the SHA-256 of their bytes. The names they had are shown and never used as paths.
"""

import hashlib
import json
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from pydantic_core import to_json

from graftlab import images
from graftlab.codes import Codes, StyleCodes, SwapCodes
from graftlab.errors import GraftError
from graftlab.images.plugins import CAMERAS
from graftlab.video.recipes import read_recipe as film_recipe
from graftlab.work.examples import FOLDER, example
from graftlab.work.files import atomic_write

ID = re.compile(r"[0-9a-f]{16}")
LARGEST_FILE = 64 << 20  # bytes of a picture
LARGEST_PICTURE = 50_000_000  # pixels
MOST_PHOTOS = 300  # of a visitor
MOST_BYTES = 1 << 30  # of them together
MOST_MASKS = 1000  # of a visitor; the first goes when one more comes
LARGEST_CODES = 16 << 20  # bytes of a texture that was found
MOST_CODES = 300  # of a visitor; the first goes when one more comes
MOST_VISITORS = 64  # whose folders are kept; the one who was seen last longest ago loses theirs
LONGEST_NAME = 200  # characters
SHOWN = 2048  # short side up to which a photo is shown, pixels
MOVING = (b"GIF8", b"\x89PNG")  # beginnings of pictures that may be films
ENOUGH = 320  # short side at which a photo is looked at to see whether it can be read, pixels
AnyPhoto = TypeVar("AnyPhoto", bound="Photo")
few = threading.Semaphore(2)  # photos that are decoded at once, each of which may take 200 MB


class MissingError(GraftError):
    """What was asked for is not there."""


@dataclass(frozen=True)
class Photo:
    """A picture that a visitor has."""

    id: str
    name: str  # as it is shown
    path: Path
    source: str  # as a command names it: a file name, a path, or @peaks
    width: int
    height: int
    bytes: int
    recipe: dict[str, Any] | None = None  # how it was made, if graftlab made it

    @property
    def told(self) -> dict[str, Any]:
        """As JSON for the page."""
        return {name: value for name, value in asdict(self).items() if name not in ("path", "source")}


@dataclass(frozen=True)
class Clip(Photo):
    """A video that a visitor has."""

    seconds: float = 0
    fps: float = 25  # its own frames per second


@dataclass
class Visitor:
    """One browser, its photos by id in the order in which they came, its videos and masks, and textures that words led
    to."""

    id: str
    folder: Path
    photos: dict[str, Photo] = field(default_factory=dict)
    masks: dict[str, Photo] = field(default_factory=dict)
    codes: dict[str, Path] = field(default_factory=dict)
    videos: dict[str, Clip] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # uploads are read by several threads

    def photo(self, id: str) -> Photo:
        return self._find(self.photos, id, "photo", "drop it on the page again")

    def video(self, id: str) -> Clip:
        return self._find(self.videos, id, "video", "drop it on the page again")

    def mask(self, id: str) -> Photo:
        return self._find(self.masks, id, "mask", "paint it again")

    def add(self, data: bytes, name: str) -> Photo:
        """Keep the bytes of a photo. GraftError if they are none, or too large, or the visitor has too much."""
        name, id = shown(name), digest(data)
        if id not in self.photos:
            self.check_room(len(data), name)
            ending = Path(name).suffix.lower()  # a camera's raw file is known by it; no other is kept
            self._keep(self.photos, data, name, ending if CAMERAS.fullmatch(ending) else "")
        return self.photo(id)

    def check_room(self, size: int, name: str) -> None:
        """GraftError if the visitor has too much for so many bytes more."""
        with self._lock:
            have = [*self.photos.values(), *self.videos.values()]
        if len(have) >= MOST_PHOTOS or sum(one.bytes for one in have) + size > MOST_BYTES:
            raise GraftError(f"There is no room for {name} beside what is on the shelves: remove some of it.")

    def add_mask(self, data: bytes) -> Photo:
        """Keep the bytes of a grey picture that says where something applies."""
        if (id := digest(data)) not in self.masks:
            self._keep(self.masks, data, "mask", ".mask")
            with self._lock:
                for old in list(self.masks.values())[:-MOST_MASKS]:
                    self._drop(self.masks, old)
        return self.mask(id)

    def add_codes(self, data: bytes, name: str = "codes") -> str:
        """Keep the file of one picture's codes. Returns its id; GraftError if it is none."""
        if (id := digest(data)) not in self.codes:
            if len(data) > LARGEST_CODES:
                raise GraftError(f"These codes have more than {LARGEST_CODES >> 20} MiB: take those of one picture.")
            atomic_write(path := self.folder / f"{id}.safetensors", lambda file: file.write(data))
            try:
                codes = Codes.load(path)
                if len(codes) != 1 or not isinstance(codes, SwapCodes | StyleCodes):
                    raise GraftError("These codes are not those of one picture: choose others.")
            except GraftError as error:
                path.unlink()
                raise GraftError(str(error).replace(str(path), name)) from None
            with self._lock:
                self.codes[id] = path
                for old in list(self.codes)[:-MOST_CODES]:
                    self.codes.pop(old).unlink(missing_ok=True)
        return id

    def found(self, id: str) -> Path:
        """The file of such codes."""
        try:
            return self.codes[id]
        except KeyError:
            raise MissingError(
                "These codes are not here (any more): guide the picture again, or look for them again."
            ) from None

    def forget(self, ids: set[str]) -> None:
        """Remove such codes."""
        with self._lock:
            for path in [self.codes.pop(id) for id in ids if id in self.codes]:
                path.unlink(missing_ok=True)

    def put(self, photo: Photo) -> Photo:
        """A photo that stays where it is."""
        with self._lock:
            return self.photos.setdefault(photo.id, photo)

    def restore(self, name: str, data: bytes | None) -> Photo:
        """A photo of a saved session, or, without bytes, one that comes with graftlab."""
        return self.put(bundled(name.removeprefix("@"))) if data is None else self.add(data, name)

    def remove(self, id: str) -> None:
        self._remove(self.photos, self.photo(id))

    def remove_video(self, id: str) -> None:
        self._remove(self.videos, self.video(id))

    def _remove(self, shelf: dict[str, AnyPhoto], photo: AnyPhoto) -> None:
        with self._lock:
            self._drop(shelf, photo)

    def _drop(self, shelf: dict[str, AnyPhoto], photo: AnyPhoto) -> None:
        shelf.pop(photo.id, None)
        if photo.path.is_relative_to(self.folder):
            with suppress(OSError):
                photo.path.unlink()

    def _find(self, shelf: dict[str, AnyPhoto], id: str, what: str, remedy: str) -> AnyPhoto:
        try:
            return shelf[id]
        except KeyError:
            raise MissingError(f"There is no {what} '{id[:16]}' here (any more): {remedy}.") from None

    def _keep(self, shelf: dict[str, Photo], data: bytes, name: str, ending: str) -> None:
        if len(data) > LARGEST_FILE:
            raise GraftError(f"{name} is larger than {LARGEST_FILE >> 20} MiB: make it smaller in another program.")
        path = self.folder / f"{digest(data)}{ending}"
        photo = inspect(path, data, name, f"./{name}" if name[0] in "-@" else name)
        atomic_write(path, lambda file: file.write(data))
        with self._lock:
            shelf[photo.id] = photo


def inspect(path: Path, data: bytes, name: str, source: str) -> Photo:
    """What a picture is, once all of it could be read. GraftError if not, or if it has too many pixels."""
    width, height = images.dimensions(data, name)
    if width * height > LARGEST_PICTURE:
        raise GraftError(
            f"{name} has {width} × {height} pixels, more than the {LARGEST_PICTURE // 10**6} million taken here: make "
            "it smaller in another program."
        )
    with few:
        images.open_rgb(data, name, shrink_to=ENOUGH)
    recipe = images.read_recipe(data, name)
    if recipe is None and data[:4] in MOVING:
        with suppress(GraftError):  # films cannot be read here
            recipe = film_recipe(data)
    return Photo(digest(data), name, path, source, width, height, len(data), recipe if is_json(recipe) else None)


def is_json(recipe: object) -> bool:
    """Whether something that a file told can be told in turn: no NaN, no half of a letter, no depth without end."""
    try:
        json.dumps(recipe, allow_nan=False)
        to_json(recipe)
    except (ValueError, RecursionError):
        return False
    return True


def opened(path: Path) -> Photo:
    """A photo that stays where it is. GraftError if it is none."""
    if not path.is_file():
        raise GraftError(f"{path} is no file: name a picture.")
    if path.parent == FOLDER:
        return bundled(path.stem)
    return inspect(path, path.read_bytes(), shown(path.name), str(path))


def bundled(name: str) -> Photo:
    """A photograph that comes with graftlab."""
    path = example(name)
    return inspect(path, path.read_bytes(), f"@{name}", f"@{name}")


def view(photo: Photo, side: int) -> Image.Image:
    """The photo as a picture, upright and in sRGB, its short side `side` pixels or what it is, if that is less."""
    with few:
        picture = images.open_rgb(photo.path, photo.name, shrink_to=2 * side)
        return picture if min(picture.size) <= side else images.resize(picture, side)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def shown(name: str) -> str:
    """A file's name without folders, and what cannot be printed."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[-LONGEST_NAME:].strip() or "picture"


class Visitors:
    """All visitors, each in a folder of their own below a temporary one."""

    def __init__(
        self,
        photos: Sequence[Path] = (),  # on all shelves at first; none: STARTERS
        tell: Callable[[str], object] = lambda sentence: None,  # of photos that are left out
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="graftlab-studio-"))
        self._starters = [] if photos else [bundled(name) for name in STARTERS]
        for path in photos:
            try:
                self._starters.append(opened(path))
            except GraftError as error:
                tell(f"Left out: {error}")
        self._known: OrderedDict[str, Visitor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, id: str) -> Visitor:
        """The visitor of this id; at the first time with the photos to begin with."""
        with self._lock:
            if id not in self._known:
                folder = self.folder / hashlib.sha256(id.encode()).hexdigest()[:16]
                folder.mkdir()
                visitor = self._known[id] = Visitor(id, folder)
                for photo in self._starters:
                    visitor.put(photo)
                while len(self._known) > MOST_VISITORS:
                    shutil.rmtree(self._known.popitem(last=False)[1].folder, ignore_errors=True)
            self._known.move_to_end(id)
            return self._known[id]

    def close(self) -> None:
        """Remove all that they brought."""
        shutil.rmtree(self.folder, ignore_errors=True)


STARTERS = ("peaks", "hilltop-sunset", "render-winter")
