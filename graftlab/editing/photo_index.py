"""Finding photos by their codes: those whose textures or layouts are like another picture's, in a large collection.

    library = index(model, "photos", size=256)           # hours for a million photos, milliseconds for a search
    library.save("photos.index.safetensors")
    near = library.nearest(texture=model.encode(snow), structure=model.encode(peaks), count=12)
    near[0].name, near[0].distance                        # 0: the same, 1: as far apart as two photos usually are

Of every photo the index keeps where its codes lie along the principal axes of a sample of the collection, and where
the photo is. The first axes tell most: no photo is nearer than they say, so that few need all of theirs. What is found
is therefore exactly what a comparison with every photo would find.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.artifacts import Artifact, finite, views, write_tensors
from graftlab.codes import Autoencoder, SwapCodes
from graftlab.data.image_source import ImageSource
from graftlab.data.sources import open_photos
from graftlab.data.squares import choose
from graftlab.data.training_images import all_keys
from graftlab.editing.fitting import FLAT, Moments, eigen, encode_photos
from graftlab.errors import GraftError
from graftlab.work.bulk import ALONE, Bulk, carried_out
from graftlab.work.progress import Progress, silent
from graftlab.work.shards import Work

AXES = 64  # along which either code is kept, at the most
FIRST = 24  # of them, which rule out most photos
LAYOUT = 8  # cells a side, to which structure codes are averaged
SAMPLE = 2000  # photos whose codes give the axes
SHARD = 256  # photos: what an interruption costs at most
ROWS = "rows.safetensors"  # of a shard


@dataclass(frozen=True, eq=False)
class Places:
    """One part of many codes, by principal axes, in units in which codes are 1 away from their mean on average."""

    mean: Tensor  # (C,)
    axes: Tensor  # (k, C) at right angles, the one along which codes vary most first, divided by the unit
    rows: Tensor  # (N, k) float16

    def __post_init__(self) -> None:
        k, channels = self.axes.shape if self.axes.ndim == 2 else (0, 0)
        if not k or self.mean.shape != (channels,) or self.rows.ndim != 2 or self.rows.shape[1] != k:
            raise GraftError("an index needs tensors (C,), (k, C) and (N, k)")
        if not finite(self.mean, self.axes, self.rows):
            raise GraftError("an index must be finite numbers")

    @classmethod
    def along(cls, codes: Tensor) -> Self:
        """The axes of codes (N, C), and no rows yet."""
        moments = Moments()
        moments.add(codes)
        variances, vectors = eigen(moments.covariance)
        total = variances.sum()
        varying = int((variances > FLAT * total).sum())
        unit = total.sqrt() if varying else total.new_ones(())
        axes = vectors[: max(1, min(AXES, varying))] / unit
        return cls(moments.mean.float(), axes.float(), torch.zeros(0, len(axes), dtype=torch.float16))

    def of(self, codes: Tensor) -> Tensor:
        """Where codes (N, C) lie: (N, k)."""
        if codes.shape[1] != len(self.mean):
            raise GraftError(f"This index is of codes with {len(self.mean)} numbers, not {codes.shape[1]}.")
        return (codes.float().cpu() - self.mean) @ self.axes.T


@dataclass(frozen=True)
class Found:
    """A photo of an index."""

    name: str
    distance: float  # of all that was asked for; 0: the same, 1: as far apart as two photos usually are
    texture: float | None  # the same of the texture alone, None if it was not asked for
    structure: float | None


@dataclass(frozen=True, eq=False)
class PhotoIndex(Artifact):
    """Where the codes of many photos lie, and what the photos are called."""

    kind: ClassVar[str] = "library"
    noun: ClassVar[str] = "index of photos"
    remedy: ClassVar[str] = "make one with 'graft index'"
    names: tuple[str, ...]  # one a photo, as the collection has them
    keys: Tensor  # (N,) int64, of the photos' content
    texture: Places
    structure: Places
    model: str | None = None  # fingerprint of the model they belong to
    about: dict[str, Any] = field(default_factory=dict)  # `photos`: where they are; `size` at which they were read

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.keys) == len(self.texture.rows) == len(self.structure.rows):
            raise GraftError("the names, keys and places of an index must be as many")
        object.__setattr__(self, "_heads", {})

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> int:
        """Side of the squares that were cut from the photos, pixels."""
        return int(self.about["size"])

    def nearest(
        self, texture: SwapCodes | None = None, structure: SwapCodes | None = None, count: int = 12
    ) -> list[Found]:
        """The photos whose texture is like one picture's and whose structure is like another's, nearest first.

        Either may be left out; of several parts the squares of the distances count alike. Each is the codes of one
        picture. GraftError for codes of another model, and if neither is given."""
        asked = {"texture": texture, "structure": structure}
        wanted: dict[str, Tensor] = {}
        for name, codes in asked.items():
            if codes is not None:
                self.check_owner(codes.model, "these codes")
                wanted[name] = self.places(name).of(flat(codes)[name])[0]
        if not wanted:
            raise GraftError("Say what the photos are to be like: a texture, a structure, or both.")
        rows = self.places_of_nearest(wanted, min(count, len(self)))
        parts = {name: self._squares(name, rows, place) for name, place in wanted.items()}
        apart = {name: (squares / 2).sqrt().tolist() for name, squares in parts.items()}  # two photos: 2 on average
        total = (torch.stack(list(parts.values())).mean(0) / 2).sqrt().tolist()
        return [
            Found(self.names[row], total[i], *(apart[name][i] if name in apart else None for name in asked))
            for i, row in enumerate(rows.tolist())
        ]

    def places_of_nearest(self, wanted: dict[str, Tensor], count: int) -> Tensor:
        """Numbers of the photos, nearest first: among those that the first axes do not place beyond `count` others."""
        bound = reduce(torch.Tensor.add_, (self._head(name, place) for name, place in wanted.items()))
        tried = bound.topk(count, largest=False).indices
        farthest = self._together(wanted, tried).max()
        candidates = (bound <= farthest * (1 + 1e-4)).nonzero()[:, 0]  # beyond what rounding does
        return candidates[self._together(wanted, candidates).topk(count, largest=False).indices]

    def read(self, name: str) -> bytes:
        """One of the photos as it is in the collection. GraftError if it is not there any more."""
        source, where = self._collection
        if name not in where:
            raise GraftError(f"{name} is no longer in {source.path}; bring the index up to date with 'graft index'.")
        return source.read(where[name])

    @cached_property
    def _collection(self) -> tuple[ImageSource, dict[str, int]]:
        source = open_photos(self.about["photos"])
        return source, {name: i for i, name in enumerate(source.names)}

    def holding(self, names: Sequence[str], keys: Tensor, **rows: Tensor) -> Self:
        """The same axes, and these photos: `rows` are those of its places, by part."""
        texture, structure = (replace(self.places(name), rows=rows[name]) for name in ("texture", "structure"))
        return replace(self, names=tuple(names), keys=keys, texture=texture, structure=structure)

    def _together(self, wanted: dict[str, Tensor], rows: Tensor) -> Tensor:
        return torch.stack([self._squares(name, rows, place) for name, place in wanted.items()]).sum(0)

    def _squares(self, name: str, rows: Tensor, place: Tensor) -> Tensor:
        """Squared distances of some photos from a place."""
        return (self.places(name).rows[rows].float() - place).square().sum(1)

    def _head(self, name: str, place: Tensor) -> Tensor:
        """Squared distances of all photos along the first axes."""
        known: dict[str, tuple[Tensor, Tensor]] = self._heads  # type: ignore[attr-defined]  # of what was asked before
        if name not in known:
            head = self.places(name).rows[:, :FIRST].float().contiguous()
            known[name] = head, head.square().sum(1)
        (head, squares), first = known[name], place[:FIRST]
        return torch.addmv(squares, head, first, alpha=-2).add_(first.square().sum())

    def places(self, name: str) -> Places:
        """Those of one part."""
        found: Places = getattr(self, name)
        return found

    def _tensors(self) -> dict[str, Tensor]:
        names = torch.frombuffer(bytearray(json.dumps(self.names).encode()), dtype=torch.uint8)
        places = {
            f"{name}.{item}": getattr(self.places(name), item)
            for name in SwapCodes.parts
            for item in Places.__dataclass_fields__
        }
        return {"names": names, "keys": self.keys, **places}

    def _header(self) -> dict[str, Any]:
        return {"model": self.model, "about": self.about}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        names = json.loads(bytes(tensors.pop("names").numpy()))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise GraftError("the names of its photos make no sense")
        if not isinstance(header["about"]["photos"], str) or not 0 < int(header["about"]["size"]) < 2**15:
            raise GraftError("where its photos are makes no sense")
        places = {
            part: Places(*(tensors.pop(f"{part}.{item}") for item in Places.__dataclass_fields__))
            for part in SwapCodes.parts
        }
        return cls(tuple(names), tensors.pop("keys"), places["texture"], places["structure"], **header)


def index(
    model: Autoencoder,
    photos: str | Path | ImageSource,  # folder, zip, LMDB or pack
    size: int,  # side of the squares that are cut from the photos' centres, pixels
    known: PhotoIndex
    | None = None,  # an index of earlier: only photos that it lacks are encoded, and who is gone is not kept
    out: Path | None = None,  # its file, beside which is kept what was interrupted
    bulk: Bulk = ALONE,
    progress: Progress = silent,  # of pictures
) -> PhotoIndex:
    """Where the codes of all readable photos lie.

    GraftError for an index of another model, and if no photo is readable."""
    source = open_photos(photos) if isinstance(photos, str | Path) else photos
    keys = [key - 2**63 for key in all_keys(source).tolist()]
    model_is = getattr(model, "fingerprint", None)
    if known and (known.model, known.size) != (model_is, size):
        raise GraftError(f"The index was made with another model or another size than {size}; name another file (-o).")
    library = _without_gone(known, source, keys) if known and len(known) >= SAMPLE else None
    have = set(library.keys.tolist()) if library else set()
    missing = sorted({key: i for i, key in enumerate(keys) if key not in have}.values())  # of copies, the last
    asked = torch.tensor([keys[i] for i in missing], dtype=torch.int64)
    plan = {"model": model_is, "size": size, "photos": hashlib.sha256(asked.numpy().tobytes()).hexdigest()}

    def make(numbers: range, into: Path, progress: Progress) -> dict[str, str]:
        chosen = [missing[number] for number in numbers]
        read: list[int] = []
        rows: dict[str, list[Tensor]] = {name: [] for name in SwapCodes.parts}
        for found, codes in encode_photos(model, source, chosen, size, progress):
            read += found
            for name, vectors in flat(codes).items():
                rows[name].append(vectors.float().cpu())
        tensors = {name: torch.cat(each) for name, each in rows.items() if each}
        write_tensors(into / ROWS, {"photos": torch.tensor(read, dtype=torch.int64), **tensors}, {})
        return {source.names[i]: "it cannot be read" for i in chosen if i not in set(read)}

    with carried_out(Work(make, len(missing), SHARD, plan), out, bulk, progress) as results:
        if results is None and out:
            return PhotoIndex.load(out)
        parts = [views(folder / ROWS)[0] for folder in results.folders] if results else []
        parts = [part for part in parts if len(part["photos"])]
        library = library or _empty(source, parts, model_is, size)
        numbers = torch.cat([torch.zeros(0, dtype=torch.int64), *(part["photos"] for part in parts)]).tolist()
        rows = {
            name: torch.cat([place.rows, *(place.of(part[name]).half() for part in parts)])
            for name, place in ((name, library.places(name)) for name in SwapCodes.parts)
        }
        names = (*library.names, *(source.names[i] for i in numbers))
        found = library.holding(names, torch.cat([library.keys, torch.tensor(keys)[numbers]]), **rows)
        left_out = len(missing) - len(numbers)
        about = {**library.about, "photos": str(source.path.absolute()), "unreadable": left_out}
        found = replace(found, about=about)
        if out:
            found.save(out)
    return found


def _empty(source: ImageSource, parts: Sequence[dict[str, Tensor]], model: str | None, size: int) -> PhotoIndex:
    """An index of no photos, along the axes of a sample of those that were encoded."""
    if not parts:
        raise GraftError(f"{source.path} has no readable picture; name a folder with photos.")
    chosen, first = torch.tensor(choose(range(sum(len(part["photos"]) for part in parts)), SAMPLE, 0)), 0
    sample: dict[str, list[Tensor]] = {name: [] for name in SwapCodes.parts}
    for part in parts:
        last = first + len(part["photos"])
        which = chosen[(chosen >= first) & (chosen < last)] - first
        for name, rows in sample.items():
            rows.append(part[name][which])
        first = last
    places = {name: Places.along(torch.cat(rows)) for name, rows in sample.items()}
    texture, structure = places["texture"], places["structure"]
    return PhotoIndex((), torch.zeros(0, dtype=torch.int64), texture, structure, model, {"size": size})


def _without_gone(library: PhotoIndex, source: ImageSource, keys: list[int]) -> PhotoIndex:
    """What of an index is still in a source, by its names there."""
    where = {key: i for i, key in enumerate(keys)}
    rows = [row for row, key in enumerate(library.keys.tolist()) if key in where]
    names = [source.names[where[int(library.keys[row])]] for row in rows]
    places = {name: library.places(name).rows[rows] for name in SwapCodes.parts}
    return library.holding(names, library.keys[rows], **places)


def flat(codes: SwapCodes) -> dict[str, Tensor]:
    """What is compared of codes, by part, (N, C): a texture's mean over its map; a structure, averaged to few cells."""
    texture = codes.texture if codes.texture.ndim == 2 else codes.texture.flatten(2).mean(2)
    return {"texture": texture, "structure": F.adaptive_avg_pool2d(codes.structure, LAYOUT).flatten(1)}
