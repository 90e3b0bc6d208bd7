"""The models that are open, and what was computed with them and will be wanted again.

For the thread whose turn it is (`rota.Turns`), so that nothing here needs a lock.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab import images
from graftlab.blending.channels import features_at
from graftlab.blending.clusters import Clusters
from graftlab.blending.kinship import Kinship, kinship
from graftlab.blending.local import confine
from graftlab.blending.mixture import Mixture
from graftlab.checkpoints.load import load
from graftlab.codes import Codes, CodesT, StyleCodes, SwapCodes
from graftlab.editing import masks
from graftlab.editing.directions import Directions, directions_beside
from graftlab.editing.distributions import Distribution, beside
from graftlab.editing.novelty import BEYOND, comes_out_badly
from graftlab.editing.tiles import WHOLE, Tiled
from graftlab.editing.word_directions import Probe, probe_textures
from graftlab.errors import GraftError
from graftlab.language import TextModel, text_model
from graftlab.networks.model import Network
from graftlab.networks.style import StyleGAN
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering.renderer import NetworkT, Renderer
from graftlab.studio import parts
from graftlab.studio.memory import Kept
from graftlab.studio.model_files import ModelFiles
from graftlab.studio.sessions import Clip, MissingError, Photo, Visitor
from graftlab.studio.videos import Reel
from graftlab.video.film import Film
from graftlab.video.reading import Video
from graftlab.work.progress import Watch, unwatched

MOST_OF_MODELS = 2 << 30  # bytes
MOST_OF_MIXTURES = 512 << 20  # bytes
MOST_OF_CODES = 64 << 20  # bytes
MOST_OF_FILES = 64 << 20  # bytes of directions, distributions and what words mean
MOST_OF_MASKS = 16 << 20  # bytes
MOST_REELS = 4  # videos that are being read
MOST_FILMS = 8  # whose moments are looked at


class Networks(ModelFiles):
    """Models by name, codes of photos, directions and distributions."""

    def __init__(self, given: Sequence[str] = (), device: str | None = None) -> None:
        super().__init__(given)
        self.device = device
        self._models = Kept[Network](MOST_OF_MODELS, weights)
        self._mixtures = Kept[Mixture[Any]](MOST_OF_MIXTURES, lambda mixture: weights(mixture.network))
        self._locals = Kept[Network](MOST_OF_MIXTURES, weights)
        self._codes = Kept[tuple[SwapCodes, bool]](MOST_OF_CODES, lambda kept: size_of(kept[0]))
        self._files = Kept[Any](MOST_OF_FILES, size_of)
        self._masks = Kept[Tensor](MOST_OF_MASKS, size_of)
        self._reels = Kept[Reel](MOST_REELS, lambda reel: 1)
        self.films = Kept[Film](MOST_FILMS, lambda film: 1)

    def model(self, name: str, kind: type[NetworkT]) -> NetworkT:
        """GraftError if the page may not name it, or it is of another kind."""
        model = self._models.get(name, lambda: load(self.file(name), device=self.device))
        if not isinstance(model, kind):
            raise GraftError(f"{name} is {model.title}, and this needs {kind.title}.")
        return model

    def mixture(self, *models: str) -> Mixture[Any]:
        """The blend of these models, whose shares change. GraftError if they differ in more than their weights."""
        return self._mixtures.get(models, lambda: Mixture([self.model(name, Network) for name in models]))

    def local(self, a: str, b: str, layer: str, count: int, names: Sequence[str]) -> Network:
        """A, but B where some parts lie that A tells apart. GraftError as `confine`."""

        def confined() -> Network:
            clusters = self.parts(a, layer, count)
            return confine(self.model(a, Network), self.model(b, Network), clusters=clusters, names=names)

        return self._locals.get((a, b, layer, count, *names), confined)

    def kinship(self, a: str, b: str) -> Kinship:
        """Whether two models blend. GraftError if they differ in more than their weights."""
        return self._files.get(("kinship", a, b), lambda: kinship(self.model(a, Network), self.model(b, Network)))

    def codes(self, renderer: Renderer[SwappingModel], model: str, photo: Photo, side: int) -> SwapCodes:
        """The codes of a photo read at a short side, refined if the renderer says so."""
        return self._encoded(renderer, model, photo, side)[0]

    def has_codes(self, renderer: Renderer[SwappingModel], photo: Photo, side: int) -> bool:
        """Whether these are at hand."""
        return codes_key(renderer, photo, side) in self._codes

    def notice(self, model: str, photo: Photo) -> str | None:
        """What to say of a photo that comes out worse than most, if the model came with figures of that."""
        renderer = Renderer(self.model(model, SwappingModel))
        bad = self._encoded(renderer, model, photo, renderer.side())[1]
        return f"{photo.name} comes out worse than {BEYOND} of 100 photos do with {model}." if bad else None

    def directions(self, model: str) -> Directions:
        """Those that a model came with. GraftError if there are none, and for one that the page may not name."""

        def opened() -> Directions:
            if not (path := directions_beside(self.file(model))).is_file():
                raise MissingError(f"{model} did not come with directions; choose some of the list.")
            return Directions.load(path)

        return self._files.get(("directions", model), opened)

    def distribution(self, model: str) -> Distribution:
        """What textures and structures a model was trained on are like. GraftError if it came without."""

        def opened() -> Distribution:
            if not (path := beside(self.file(model))).is_file():
                raise GraftError(f"{model} did not come with the textures of its training, which this needs.")
            return Distribution.load(path)

        return self._files.get(("distribution", model), opened)

    def reel(self, clip: Clip, side: int, square: bool) -> Reel:
        """A video, its pictures with this short side."""
        return self._reels.get((clip.path, side, square), lambda: Reel(Video.open(clip.path, side, square)))

    def words(self) -> TextModel:
        """What reads phrases."""
        return self._files.get("words", lambda: text_model(device=self.device))

    def probe(self, model: str, watch: Watch = unwatched) -> Probe:
        """What phrases mean to a model, for which many of its pictures are looked at the first time."""
        if (key := ("probe", model)) not in self._files:
            network, known, words = self.model(model, SwappingModel), self.distribution(model), self.words()
            with watch("reading words") as progress:
                found = probe_textures(network, known, words, size=network.config.size, progress=progress)
            self._files.get(key, lambda: found)
        return self._files.get(key, lambda: self.probe(model))

    def has_probe(self, model: str) -> bool:
        return ("probe", model) in self._files

    def parts(self, model: str, layer: str, count: int, watch: Watch = unwatched) -> Clusters:
        """Clusters of the features of a layer, which are looked for the first time."""
        if (key := self._parts_key(model, layer, count)) not in self._files:
            network = self.model(model, Network)
            found = parts.find(network, features_at(network, layer), count, watch)
            self._files.get(key, lambda: found)
        return self._files.get(key, lambda: self.parts(model, layer, count))

    def has_parts(self, model: str, layer: str, count: int) -> bool:
        return self._parts_key(model, layer, count) in self._files

    def _parts_key(self, model: str, layer: str, count: int) -> Hashable:
        network = self.model(model, Network)
        return ("parts", network.fingerprint, features_at(network, layer).name, count)

    def found(self, model: Network, name: str, file: Path, kind: type[CodesT]) -> CodesT:
        """Codes of one picture, of a file. GraftError for those of another model."""
        codes = self._files.get(("codes", file.stem), lambda: Codes.load(file))
        if codes.model != model.fingerprint or not isinstance(codes, kind):
            what = "texture was" if kind is SwapCodes else "picture's codes were"
            raise GraftError(f"This {what} found for another model than {name}: choose that, or look for others.")
        return codes

    def mask(self, mask: Photo) -> Tensor:
        """(1, 1, h, w) in [0, 1]."""
        return self._masks.get(mask.id, lambda: masks.read(mask.path, "The mask"))

    @torch.no_grad()
    def _encoded(
        self, renderer: Renderer[SwappingModel], model: str, photo: Photo, side: int
    ) -> tuple[SwapCodes, bool]:
        """Codes, and whether the picture comes out worse than most, if it is of the model's own size."""

        def encode() -> tuple[SwapCodes, bool]:
            picture = images.read(photo.path, side, renderer.square, photo.name)
            codes = renderer.network(picture).encode(picture)
            known = side == renderer.model.config.size and not renderer.refine
            return codes, known and self._bad(model, renderer.model, picture, codes)

        if (key := codes_key(renderer, photo, side)) in self._codes:
            return self._codes.get(key, encode)
        made = encode()  # others may have their turns meanwhile, and what is kept changes
        return self._codes.get(key, lambda: made)

    def _bad(self, name: str, model: SwappingModel, picture: Tensor, codes: SwapCodes) -> bool:
        try:
            return comes_out_badly(model, self.distribution(name), picture, codes)
        except GraftError:  # it came without, or has been trained on since
            return False


Later = Callable[[str, Hashable, Callable[[Watch], object]], bool]
"""Has work done later, known by a name and a key; whether it will be."""


@dataclass(frozen=True)
class Workspace:
    """What a scene is drawn from: the networks, and one visitor's photos and masks."""

    networks: Networks
    visitor: Visitor
    own: int | None = None  # largest short side that pictures keep where a scene tells no size; None: the model's size
    about: dict[str, Any] = field(default_factory=dict)  # what recipes tell first
    watch: Watch = unwatched  # of what takes long
    later: Later | None = None  # has long work done when nobody waits; None: it is done at once
    pending: list[str] = field(default_factory=list)  # names of what the picture was drawn without

    def renderer(
        self, model: str, size: int | None = None, square: bool = False, refine: int = 0
    ) -> Renderer[SwappingModel]:
        network = self.networks.model(model, SwappingModel)
        about: Any = {"own": self.own, "watch": self.watch, "about": self.about}
        return Renderer(network, size=size, square=square, refine=refine, **about)

    def codes(
        self, renderer: Renderer[SwappingModel], model: str, *ids: str, together: bool = False
    ) -> list[SwapCodes]:
        """Codes of photos, each read at its own side, or together at that of the smallest.

        Where refined codes are for later, those of the encoder until then."""
        photos = [self.visitor.photo(id) for id in ids]
        if together:
            renderer = renderer.together([photo.path for photo in photos])
        return [self._codes(renderer, model, photo, renderer.side(photo.path)) for photo in photos]

    def _codes(self, renderer: Renderer[SwappingModel], model: str, photo: Photo, side: int) -> SwapCodes:
        if renderer.refine and not self.networks.has_codes(renderer, photo, side):

            def refine(watch: Watch) -> None:
                self.networks.codes(replace(renderer, watch=watch), model, photo, side)

            if self._is_later(photo.id, codes_key(renderer, photo, side), refine):
                return self.networks.codes(replace(renderer, refine=0), model, photo, side)
        return self.networks.codes(renderer, model, photo, side)

    def probe(self, model: str) -> Probe | None:
        """What phrases mean to a model; None as long as that is for later.

        GraftError for a model that came without the textures of its training."""
        self.networks.distribution(model)
        if not self.networks.has_probe(model):

            def look(watch: Watch) -> None:
                self.networks.probe(model, watch)

            if self._is_later("words", ("probe", model), look):
                return None
        return self.networks.probe(model, self.watch)

    def _is_later(self, name: str, key: Hashable, work: Callable[[Watch], object]) -> bool:
        """Whether work is not done now; what it is for is then noted, unless it has failed before."""
        if self.later is None:
            return False
        if self.later(name, key, work) and name not in self.pending:
            self.pending.append(name)
        return True

    @torch.no_grad()
    def decode(self, renderer: Renderer[SwappingModel], codes: SwapCodes) -> Tensor:
        """The picture (1, 3, H, W) of codes, tile by tile if it is large."""
        model = renderer.model
        large = codes.structure.shape[2:].numel() * model.config.stride**2 > WHOLE
        return (Tiled(model) if large else model).decode(codes, **renderer.rendering)

    def found(self, model: str, id: str) -> SwapCodes:
        """Codes with a texture that words have led to."""
        return self.networks.found(self.networks.model(model, SwappingModel), model, self.visitor.found(id), SwapCodes)

    def inverted(self, model: str, id: str) -> StyleCodes:
        """Codes of a photo that a StyleGAN2 was searched for."""
        return self.networks.found(self.networks.model(model, StyleGAN), model, self.visitor.found(id), StyleCodes)

    def parts(self, model: str, layer: str, count: int) -> Clusters | None:
        """Clusters of a layer's channels; None as long as looking for them is for later."""
        if not self.networks.has_parts(model, layer, count):

            def look(watch: Watch) -> None:
                self.networks.parts(model, layer, count, watch)

            if self._is_later("parts", ("parts", model, layer, count), look):
                return None
        return self.networks.parts(model, layer, count, self.watch)

    def source(self, id: str) -> str:
        """A photo or a video as a command or Python names it."""
        return (self.visitor.videos.get(id) or self.visitor.photo(id)).source

    def mask(self, id: str) -> Tensor:
        """(1, 1, h, w) in [0, 1]."""
        return self.networks.mask(self.visitor.mask(id))

    def notice(self, model: str, *ids: str) -> str | None:
        """What to say of photos that come out worse than most."""
        told = [self.networks.notice(model, self.visitor.photo(id)) for id in dict.fromkeys(ids)]
        return " ".join(filter(None, told)) or None


def codes_key(renderer: Renderer[SwappingModel], photo: Photo, side: int) -> Hashable:
    """By which codes of a photo are kept."""
    return (renderer.model.fingerprint, photo.id, side, renderer.square, renderer.refine)


def weights(model: Network) -> int:
    return sum(each.numel() * each.element_size() for each in [*model.parameters(), *model.buffers()])


def size_of(thing: Any) -> int:
    """Bytes of the tensors in something."""
    if isinstance(thing, Tensor):
        return thing.numel() * thing.element_size()
    return sum(map(size_of, vars(thing).values())) if hasattr(thing, "__dataclass_fields__") else 0
