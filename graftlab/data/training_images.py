"""Batches addressed by position: the image at position p, and its crop, are a function of (seed, p).

So a run that stops and resumes at the same number of images seen continues with the same batches, and no state of the
data has to be stored. Several processes read disjoint positions of the same sequence.
"""

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count as count_from

import numpy as np
import torch
from torch import Tensor

from graftlab.data.classes import classes_of
from graftlab.data.crops import Size, TooSmallError, crop_mode, cut, extent
from graftlab.data.image_source import ImageSource, SourceError, content_key
from graftlab.data.pack import Pack
from graftlab.data.pairs import Pairs
from graftlab.data.shards import ShardSource
from graftlab.data.views import BLOCK, Block, Scenes, recoloured, scene
from graftlab.errors import GraftError
from graftlab.images import from_uint8
from graftlab.work.parallel import PerProcess, ordered_map, worker_count

TOLERATED = 0.1  # share of unreadable images beyond which training stops
TOGETHER = 16  # shards whose images are shuffled with each other
TOLERATED_AT_LEAST = 10  # unreadable images never stop a small data set before this many
SHOWN = 5  # of their names


class TrainingImages:
    """The images of a source as batches for training, and a fixed share of them held out for validation.

    An image is held out by a hash of its content: adding, removing or renaming other files never moves it across, and
    copies of one photo stay together. A pack must have the training size; it is read from the memory map, where only
    mirroring remains to be done.
    """

    def __init__(
        self,
        source: ImageSource,
        size: Size,  # of the images, pixels
        crop: str = "short",  # name in CROPS; a pack is cropped already
        mirror: bool = True,  # flip half of the images left to right
        mirror_vertical: bool = False,  # and half of them upside down
        seed: int = 0,  # of order, crops and mirroring; not of what is held out
        holdout: float = 0.05,  # share held out: none for 0, else at least one image if there are two
        views: float = 0.0,  # share of the images that come with others of their scene, see graftlab.data.views
        shared_lights: bool = False,  # whether views of equal name after the "@" have one light
        paired: bool = False,  # whether they are pairs (graftlab.data.pairs), images twice as high
        classes: Sequence[str] = (),  # the names of the photos' classes (graftlab.data.classes), in order; none: no say
    ) -> None:
        crop_mode(crop)
        height, width = extent(size)
        if seed < 0 or min(height, width) < 1 or not 0 <= holdout < 1 or not 0 <= views <= 1:
            raise GraftError(
                f"size {size}, seed {seed}, holdout {holdout} or views {views} is out of range; holdout is in [0, 1), "
                "views in [0, 1]."
            )
        if isinstance(source, Pairs) != paired:
            wanted = "no folder of pairs; make one with 'graft pairs'" if paired else "pairs, not photos; give photos"
            raise GraftError(f"{source.path} is {wanted}.")
        if isinstance(source, Pack | Pairs) and height != width:
            raise GraftError(
                f"{source.path} holds squares and training wants {width} x {height} px; give the photos themselves."
            )
        if isinstance(source, Pack | Pairs) and source.size != width:
            raise GraftError(
                f"{source.path} is packed at {source.size} px and training wants {width} px; pack the photos at "
                f"{width}, or train at {source.size}."
            )
        self.source = source
        self.height, self.width = 2 * height if paired else height, width
        self.unreadable: set[str] = set()  # names of the images that had to be replaced
        self.small: set[str] = set()  # and of those that were, because they would have had to be enlarged
        self._crop, self._seed = crop, seed
        self._mirrors = [axis for axis, mirrored in ((2, mirror), (1, mirror_vertical)) if mirrored]
        self._classes = classes_of(source).under(classes) if classes else None
        self.keys = all_keys(source)  # (n,) uint64 of all images: their content
        self._training, self._held_out = _split(self.keys, source.names, holdout, views > 0)
        self._shards = source.shard_of[self._training] if isinstance(source, ShardSource) else None
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}  # the latest
        self._scenes = Scenes([source.names[index] for index in self._training], shared_lights) if views else None
        self.views = views
        self._pool = PerProcess(partial(ThreadPoolExecutor, worker_count(), "graftlab-decode"))

    def __len__(self) -> int:
        """Number of training images: the length of an epoch."""
        return len(self._training)

    def lost(self) -> list[str]:
        """Sentences on the images that had to be replaced, if there were any."""
        smaller, told = f"they have fewer than {self.width} x {self.height} pixels", []
        for why, names in ("they cannot be read", self.unreadable), (smaller, self.small):
            if names:
                more = ", ..." if len(names) > SHOWN else ""
                told.append(f"Replaced, because {why}: {', '.join(sorted(names)[:SHOWN])}{more} ({len(names)}).")
        return told

    @property
    def names_held_out(self) -> list[str]:
        return [self.source.names[index] for index in self._held_out]

    def batch(self, position: int, count: int, rows: np.ndarray | slice = slice(None)) -> Tensor:
        """The images at position, ..., position + count - 1 of the endless sequence, or these rows of that batch.

        Position p is image p % n of epoch p // n, each epoch being a new order of all n training images. Returns
        (n, 3, height, width) float32 in [-1, 1]. An image that is unreadable, or smaller, is replaced by the next of
        the source that is not. GraftError if more than a tenth are unreadable.

        With views, the places 4k to 4k + 3 of some k are filled with scenes of several views, cropped and mirrored
        alike, so that true hybrids are known: `truths` says which.
        """
        ranks, framed, _, alone = self._places(position, count)[:, rows]
        places = np.arange(position, position + count)[rows]
        if isinstance(self.source, Pack | Pairs):
            images = self.source.take(self._training[ranks])
        else:
            images = np.stack(list(self._pool().map(self._training_image, ranks.tolist(), framed.tolist())))
        for item in np.flatnonzero(alone).tolist():
            images[item] = recoloured(images[item], np.random.default_rng([self._seed, places[item], 2]))
        for axis in self._mirrors:
            mirrored = np.array([self._at(place)[axis] for place in framed.tolist()])
            images[mirrored] = np.flip(images[mirrored], axis)
        return from_uint8(images)

    def told(self, position: int, count: int) -> Tensor | None:
        """What is known of `batch(position, count)` beside the pixels: `truths` with views, else `labels`."""
        return self.truths(position, count) if self.views else self.labels(position, count)

    def labels(self, position: int, count: int) -> Tensor | None:
        """The classes of `batch(position, count)`, (count,) int64; None if photos have none."""
        if self._classes is None:
            return None
        ranks = self._places(position, count)[0]
        return torch.from_numpy(self._classes[self._training[ranks]])

    def truths(self, position: int, count: int) -> Tensor:
        """Which item of `batch(position, count)` is the hybrid of each item's texture and its neighbour's structure:
        (count,) int64, -1 where none is. Neighbours are the items of a consecutive pair."""
        _, _, truths, _ = self._places(position, count)
        inside = (truths >= position) & (truths < position + count)
        return torch.from_numpy(np.where(inside, truths - position, -1))

    def _places(self, position: int, count: int) -> np.ndarray:
        """What comes at places position, ..., position + count - 1: ranks of images, the places by which these are
        cropped and mirrored, the places of the hybrids or -1, and which images are recoloured; (4, count)."""
        blocks = range(position // BLOCK, (position + count - 1) // BLOCK + 1)
        columns = np.concatenate([self._block(block) for block in blocks], axis=1)
        return columns[:, position % BLOCK :][:, :count]

    def _block(self, number: int) -> np.ndarray:
        start = number * BLOCK
        rng = np.random.default_rng([self._seed, number, 3])
        ranks = [self._at(start + item)[0] for item in range(BLOCK)]
        block = self._scenes.block(ranks, rng) if self._scenes and rng.random() < self.views else Block(ranks)
        truths = np.array(block.truths)
        places = start + np.array(block.framed), np.where(truths < 0, -1, start + truths)
        return np.stack([block.ranks, *places, block.recoloured])

    def _at(self, place: int) -> tuple[int, bool, bool]:
        """The image at a place of the endless sequence, and whether it is mirrored upside down, and left to right."""
        order, across, upside = self._epoch(place // len(self))
        place %= len(self)
        return int(order[place]), bool(upside[place]), bool(across[place])

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The order of one epoch and which of its places are mirrored left to right, and upside down, (n,) each.

        Images of shards are shuffled among those of TOGETHER shards, which are others in every epoch: so each shard is
        wanted once, for a while, and need not stay where there is no room for all."""
        if (known := self._epochs.get(epoch)) is not None:
            return known
        rng = np.random.default_rng([self._seed, epoch])
        if self._shards is None:
            order = rng.permutation(len(self))
        else:
            window = rng.permutation(int(self._shards.max()) + 1) // TOGETHER
            order = np.lexsort((rng.random(len(self)), window[self._shards]))
        made = order, rng.random(len(self)) < 0.5, rng.random(len(self)) < 0.5
        # A batch may lie across two epochs, and prefetching runs ahead, in several threads.
        self._epochs = {**dict(list(self._epochs.items())[-3:]), epoch: made}
        return made

    def batches(
        self, position: int, count: int, stride: int, rows: np.ndarray | slice = slice(None)
    ) -> Generator[Tensor, None, None]:
        """batch(position), batch(position + stride), ... without end, three of them prepared in the background.

        Of several processes each reads other `rows`. Close the iterator, or let it go, to stop the threads.
        """
        return ordered_map(
            lambda place: self.batch(place, count, rows), count_from(position, stride), workers=2, ahead=3
        )

    def held_out(self, count: int) -> Tensor:
        """The first `count` readable validation images, cropped at the centre, not mirrored.

        Returns (n, 3, height, width) float32 in [-1, 1]; n < count if fewer are held out, and 0 if the source has a
        single image.
        """
        images: list[np.ndarray] = []
        for index in self._held_out:
            if len(images) == count:
                break
            image = self._image(int(index), None)
            if image is not None:
                images.append(image)
        return from_uint8(np.stack(images)) if images else torch.empty(0, 3, self.height, self.width)

    def _training_image(self, rank: int, place: int) -> np.ndarray:
        """Training image `rank`, or the first readable one after it of its class, cropped as position `place`
        demands."""
        for step in range(len(self)):
            index = int(self._training[(rank + step) % len(self)])
            if self._classes is not None and self._classes[index] != self._classes[self._training[rank]]:
                continue
            image = self._image(index, np.random.default_rng([self._seed, place, 1]))
            if image is not None:
                return image
        wanted = f"has {self.width} x {self.height} pixels; train at a smaller size" if self.small else "is readable"
        raise GraftError(f"No training image of {self.source.path} {wanted}; `graft data scan` says why.")

    def _image(self, index: int, rng: np.random.Generator | None) -> np.ndarray | None:
        """One image as (height, width, 3) uint8; None, and counted, if it is unreadable or smaller."""
        if isinstance(self.source, Pack | Pairs):
            return self.source.take(np.array([index]))[0]
        name = self.source.names[index]
        if name in self.unreadable or name in self.small:
            return None
        try:
            return cut(self.source.read(index), name, (self.height, self.width), self._crop, rng, enlarge=False)
        except SourceError:
            raise
        except TooSmallError:
            self.small.add(name)
            return None
        except GraftError as error:
            self.unreadable.add(name)
            if len(self.unreadable) > max(TOLERATED_AT_LEAST, TOLERATED * len(self.source)):
                raise GraftError(
                    f"{len(self.unreadable)} of {len(self.source)} images in {self.source.path} are unreadable, most "
                    f"recently: {error}"
                ) from error
            return None


def all_keys(source: ImageSource) -> np.ndarray:
    """The first 64 bits of the content key of every image."""
    if isinstance(source, ShardSource):
        return source.heads
    chunks = (range(start, min(start + 256, len(source))) for start in range(0, len(source), 256))
    heads = (int(key[:16], 16) for chunk in ordered_map(partial(keys_of, source), chunks) for key in chunk)
    return np.fromiter(heads, np.uint64, len(source))


def _split(keys: np.ndarray, names: Sequence[str], holdout: float, views: bool) -> tuple[np.ndarray, np.ndarray]:
    """Indices (training, held out): the former in the order of the source, the latter in the order of their keys.

    An image is held out if its key, read as a fraction, is below `holdout`. Where that leaves a side empty, the
    photo with the smallest or largest key changes sides; with a `holdout` of 0 none is held out.
    """
    if views:  # a scene is held out whole: all of its views have the key of its first
        firsts: dict[str, int] = {}
        same = (firsts.setdefault(scene(name), key) for name, key in zip(names, keys.tolist(), strict=True))
        keys = np.fromiter(same, np.uint64, len(keys))
    held = (keys >> np.uint64(12)) / 2.0**52 < holdout  # as `fraction` has it
    if len(keys) == 1 or not holdout:
        held[:] = False
    elif not held.any():
        held = keys == keys.min()
    if held.all():
        held = keys != keys.max()
        held[0] |= not held.any()  # every image has the same content
    found = np.flatnonzero(held)
    return np.flatnonzero(~held), found[np.argsort(keys[found], kind="stable")]


def keys_of(source: ImageSource, indices: Iterable[int]) -> list[str]:
    """The content keys of some images; of one that cannot be read, a key of its name."""
    keys = []
    for index in indices:
        try:
            keys.append(source.key(index))
        except GraftError:  # it will be met again, and counted, when its turn comes
            keys.append(content_key(source.names[index].encode()))
    return keys
