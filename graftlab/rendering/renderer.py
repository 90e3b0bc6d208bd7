"""A model, how pictures are read for it, and how it draws codes: what pictures, sheets and films have in common.

    renderer = Renderer(graftlab.load("landscapes-128"), seed=7)
    picture = renderer.read("@peaks")
    network = renderer.network(picture)  # tile by tile if that is large, with refined codes if that was asked for
    again = network.decode(network.encode(picture), **renderer.rendering)

A film's frame is a function of its number. Decoding several at once is faster, so batches begin at multiples of their
size wherever a film is started, and a film that is continued has the same pixels as one that never stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor

from graftlab.checkpoints.load import load
from graftlab.codes import Autoencoder, Codes, SwapCodes
from graftlab.editing.tiles import tiled_if_large
from graftlab.editing.upscaling import Upscaling, check
from graftlab.errors import GraftError
from graftlab.figures.sheets import fit_scale
from graftlab.hardware import exact_convolutions
from graftlab.images import LOG, dimensions, read, write
from graftlab.inversion.refine import Refined, Refining
from graftlab.networks.model import Network
from graftlab.networks.noise import noise_source
from graftlab.networks.swapping import SwappingModel
from graftlab.networks.upscalers import Upscaler
from graftlab.work.parallel import ordered_map
from graftlab.work.progress import Watch, unwatched

NetworkT = TypeVar("NetworkT", bound=Network)
OWN_PICTURE, OWN_FILM = 1024, 720  # pixels of a short side, up to which pictures and videos keep their size by default
AT_ONCE = (16, 8, 4, 2, 1)  # frames; each divides the largest, so that all batches begin at multiples of that
CELLS_AT_ONCE = 2**14  # of structure; more would cost memory and gain nothing
SIDE_BY_SIDE = 2  # batches
DEFAULT_UPSCALER = "upscale-4"


@dataclass(frozen=True)
class Renderer(Generic[NetworkT]):
    """A model, and how pictures are read for it and drawn by it."""

    model: NetworkT
    noise: str | None = None  # None: as is usual for the model; "random": another in each frame, the same in each film
    seed: int = 0  # of the noise
    batch: int | None = None  # frames decoded at once; None: by their size
    size: int | None = None  # short side of pictures that are read, pixels; None: their own up to `own`, or the model's
    own: int | None = None  # largest short side that a picture keeps; None: none keeps its own
    square: bool = False  # pictures are cropped to their central square
    refine: int = 0  # steps by which codes of pictures are brought nearer to them
    larger: Upscaling | None = None  # what makes pictures larger before they are written
    watch: Watch = unwatched  # what shows how far refining and upscaling are
    about: Mapping[str, object] = field(default_factory=dict)  # what recipes tell first, as JSON: command, version
    shapes: set[float] = field(default_factory=set, compare=False)  # width by height, of pictures that became squares
    tell: Callable[[object], object] = lambda path: None  # told of every file that is written

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise GraftError(f"Frames are decoded one or more at once, not {self.batch}.")

    @classmethod
    def open(
        cls,
        model: str,  # a file, or a name
        kind: type[NetworkT],
        noise: str | None = None,
        seed: int = 0,
        device: str | None = None,
        precision: str = "float32",
        **options: Any,  # the other fields
    ) -> Self:
        """With the model of a file or of a name; random noise is then that of the seed.

        GraftError for a model of another kind, and for an unknown noise."""
        if issubclass(kind, SwappingModel):
            noise_source(noise or kind.usual_noise, seed)  # type: ignore[arg-type]  # refuses before any work is done
        opened = load(model, kind, device=device, precision=precision)
        torch.manual_seed(seed)
        return cls(opened, noise, seed, **options)

    @property
    def rendering(self) -> dict[str, Any]:
        """`decode`'s options."""
        return {"noise": self.noise or self.model.usual_noise, "seed": self.seed}

    @property
    def recipe(self) -> dict[str, object]:
        """How what this renderer makes is made again, for the files of it."""
        larger = {} if self.larger is None else {"upscaler": self.larger.model.fingerprint}
        return {**self.about, "model": self.model.fingerprint, **self.rendering, **larger}

    def drawing(self, w: str | None) -> Self:
        """The same, whose recipes tell whose codes are drawn, if they are another model's."""
        return self if w in (None, self.model.fingerprint) else replace(self, about={**self.about, "w": w})

    def title(self, what: str = "") -> str | None:
        """What stands above a sheet: the model's name, and what is to be seen."""
        return ": ".join(filter(None, (self.model.name, what))) or None

    # -- pictures -----------------------------------------------------------------------------------------------------

    def read(self, path: Path) -> Tensor:
        """A picture (1, 3, H, W) in [-1, 1]."""
        return self.read_bytes(path, str(path), self.side(path))

    def read_bytes(self, picture: Path | bytes, name: str, side: int) -> Tensor:
        """The same of any source, at this short side. The log is told if pictures of unlike shapes become squares."""
        if self.square:
            width, height = dimensions(picture, name)
            self.shapes.add(round(width / height, 1))
            if len(self.shapes) > 1:
                LOG.warning("The pictures have unlike shapes; of each the central square is used.")
        return read(picture, side, self.square, name)

    def read_all(self, paths: Iterable[Path]) -> list[Tensor]:
        """Several, each by itself."""
        return [self.read(path) for path in paths]

    @torch.no_grad()
    def encode(self: "Renderer[Any]", *paths: Path) -> SwapCodes:
        """Codes of pictures, in one batch. GraftError if they differ in size."""
        network = self.network()
        return Codes.cat([network.encode(self.read(path)) for path in paths])

    @torch.no_grad()
    def decode(self: "Renderer[Any]", codes: Codes) -> Tensor:
        """Pictures (N, 3, H, W) of codes, all at once."""
        return self.model.decode(codes, **self.rendering)

    def side(self, *paths: Path) -> int:
        """Short side at which pictures are read that go together, pixels: the smallest one's, if they keep theirs."""
        if self.size is not None:
            return self.size
        if self.own is None or not paths:
            return self.model.config.size
        smallest = self.model.config.smallest_grid * self.model.config.stride
        return max(smallest, min(self.own, *(min(dimensions(path)) for path in paths)))

    def together(self, paths: Iterable[Path]) -> Self:
        """The same, by which all pictures are read at one short side: that of the smallest of these."""
        return replace(self, size=self.side(*paths))

    def network(self: "Renderer[Any]", *pictures: Tensor, tile: int | None = None) -> Autoencoder:
        """What encodes and decodes these pictures: the model, with refined codes if that was asked for.

        It works tile by tile if they are large together, or if `tile` (pixels) is given. GraftError if what is drawn
        would be too large to be enlarged: it is no smaller than the first."""
        if self.larger is not None and pictures:
            self.larger.check(pictures[0].shape[3], pictures[0].shape[2])
        network = tiled_if_large(self.model, *pictures, tile=tile)
        if not self.refine:
            return network
        return Refined(self.model, network, Refining(steps=self.refine), self.rendering, self.watch)

    def scale(self, down: int, across: int, pictures: Iterable[Tensor] = ()) -> int:
        """Whole pixels by which a sheet of so many pictures enlarges them, so that one can judge a small model by eye.

        `pictures` as far as they are known. GraftError for a sheet that would be too large even so, best before the
        pictures are made."""
        sizes = [(picture.shape[2], picture.shape[3]) for picture in pictures] or [(self.side(), self.side())]
        height, width = (max(side) for side in zip(*sizes, strict=True))
        return fit_scale(down, across, self.side(), (height, width))

    def enlarging(self, upscaler: str | None, factor: int | None) -> Self:
        """The same, by which pictures become larger before they are written (`open_upscaling`)."""
        device = str(next(self.model.parameters()).device)
        precision = str(self.model.precision).removeprefix("torch.")
        return replace(self, larger=open_upscaling(upscaler, factor, device, precision))

    def enlarged(self, picture: Tensor) -> Tensor:
        """A picture as it is to be written: larger, if that was asked for."""
        if self.larger is None:
            return picture
        with self.watch("upscaling", 1) as progress:
            return self.larger(picture, progress)

    def write(self, picture: Tensor, path: Path) -> None:
        """Write a picture that remembers how it was made."""
        self.tell(write(self.enlarged(picture), path, self.recipe))

    # -- frames -------------------------------------------------------------------------------------------------------

    def at_once(self, codes: Codes) -> int:
        """How many frames with codes like these (of one picture) are decoded at once: one of AT_ONCE."""
        return self.batch or next(count for count in AT_ONCE if count * cells(codes) <= CELLS_AT_ONCE or count == 1)

    def workers(self, codes: Codes) -> int:
        """How many batches of frames like these are drawn side by side: two of small pictures on a processor.

        Threads that share such a batch wait for the slowest at every layer; with large pictures that is rare."""
        processor = next(self.model.parameters()).device.type == "cpu"
        small = max(AT_ONCE) * cells(codes) <= CELLS_AT_ONCE
        return SIDE_BY_SIDE if processor and small and torch.get_num_threads() > 1 else 1

    @torch.no_grad()
    def draw(self: "Renderer[Any]", codes: Codes, first: int, **options: Any) -> Tensor:
        """Frames (N, 3, H, W) of codes (N of them), the first of which is frame number `first`."""
        rendering = self.rendering
        if rendering["noise"] != "random":
            return self.model.decode(codes, **rendering, **options)
        options["noise"] = "fixed"
        frames = (
            self.model.decode(codes[i], seed=(self.seed + first + i) % 2**32, **options) for i in range(len(codes))
        )
        return torch.cat(list(frames))

    def draw_all(self, batches: Iterable[tuple[int, Codes]], workers: int) -> Iterator[tuple[int, Tensor]]:
        """`draw` for many batches, each with the number of its first frame, which comes back with the frames.

        So many are drawn at a time, each by its share of the threads."""
        if workers == 1:
            yield from ((number, self.draw(codes, number)) for number, codes in batches)
            return
        threads = torch.get_num_threads()

        def work(numbered: tuple[int, Codes]) -> tuple[int, Tensor]:
            torch.set_num_threads(-(-threads // workers))  # of this thread, and of those that begin later
            number, codes = numbered
            return number, self.draw(codes, number)

        try:
            with exact_convolutions():  # the switch is the process's: one thread would turn it off under the other
                yield from ordered_map(work, batches, workers, workers + 1)
        finally:
            torch.set_num_threads(threads)


def cells(codes: Codes) -> int:
    """Cells of the structure of one picture; for codes without any as many as a picture of 512 pixels might have."""
    structure = getattr(codes, "structure", None)
    return CELLS_AT_ONCE // 4 if structure is None else structure.shape[2:].numel()


def open_upscaling(
    name: str | None,  # a file, or a name; None: DEFAULT_UPSCALER
    factor: int | None = None,  # None: the upscaler's own
    device: str | None = None,
    precision: str = "float32",
    tile: int | None = None,  # as of `upscale`
) -> Upscaling:
    """What makes pictures larger. GraftError for another kind of model, and for a factor that it cannot reach."""
    network = load(name or DEFAULT_UPSCALER, Upscaler, device=device, precision=precision)
    factor = network.factor if factor is None else factor
    check(network.factor, factor, 1, 1)
    return Upscaling(network, factor, tile)
