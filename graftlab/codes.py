"""Codes of pictures, and arithmetic on them.

`Codes` is a batch of named tensors. Nearly every use of a model is arithmetic on codes followed by
`decode`: a swap is `a.mix(b, texture=1)`, halfway is `a.mix(b, structure=0.5, texture=0.5)`, an edit is
`a + 1.5 * direction`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.artifacts import Artifact, finite
from graftlab.errors import GraftError

CodesT = TypeVar("CodesT", bound="Codes")
Weight = float | Tensor
"""Share of the other codes: a number, or a mask (N or 1, 1, h, w) in [0, 1] over the picture, of any resolution."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Codes(Artifact):
    """A batch of named tensors, all with the batch first, and the fingerprint of the model they belong to."""

    noun: ClassVar[str] = "codes"
    remedy: ClassVar[str] = "make codes with 'graft encode'"
    parts: ClassVar[tuple[str, ...]] = ()
    dimensions: ClassVar[tuple[tuple[int, ...], ...]] = ()  # numbers of dimensions each part may have
    beside: ClassVar[tuple[str, ...]] = ()  # tensors that some codes have and others lack (None)
    model: str | None = None  # fingerprint of the model, None where it has none (one in training)

    def __post_init__(self) -> None:
        for name, allowed in zip(self.parts, self.dimensions, strict=True):
            if (found := getattr(self, name).ndim) not in allowed:
                raise GraftError(f"{name} must have {' or '.join(map(str, allowed))} dimensions, not {found}.")
        sizes = {name: len(getattr(self, name)) for name in self._tensors()}
        if len(set(sizes.values())) > 1:
            listed = " and ".join(f"{count} of {name}" for name, count in sizes.items())
            raise GraftError(f"The batches of these codes differ: {listed}.")

    # -- a batch ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(getattr(self, self.parts[0]))

    def __getitem__(self, index: int | slice | Tensor) -> Self:
        """Some of the batch; one index still gives a batch, of one."""
        if isinstance(index, int):
            index = range(len(self))[index]  # IndexError beyond the batch, which is what ends a for loop
            index = slice(index, index + 1)
        return self._each(lambda name, tensor: tensor[index])

    @staticmethod
    def cat(batches: Sequence[CodesT]) -> CodesT:
        """One batch from several, in order."""
        if not batches:
            raise GraftError("There are no codes to join.")
        first, model = batches[0], _common_model(*batches)
        for batch in batches:
            first._check(batch)
        if len({getattr(batch, "size", None) for batch in batches}) > 1:
            raise GraftError("The pictures of these codes differ in size; read them at one size.")
        common = set.intersection(*(set(batch._tensors()) for batch in batches))
        first = first._without(set(first.beside) - common)

        def joined(name: str, _: Tensor) -> Tensor:
            tensors = [getattr(batch, name).to(getattr(first, name)) for batch in batches]
            if len({tensor.shape[1:] for tensor in tensors}) > 1:
                raise _differ(name, *tensors)
            return torch.cat(tensors)

        return replace(first._each(joined), model=model)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same on another device or in another precision, as `Tensor.to`."""
        return self._each(lambda name, tensor: tensor.to(*args, **kwargs))

    # -- arithmetic ---------------------------------------------------------------------------------------------------

    def mix(self, other: Self, **weights: Weight) -> Self:
        """Replace a share of the named parts by `other`'s: 0 keeps, 1 swaps, numbers beyond [0, 1] exaggerate.

        With a mask as its weight, a vector becomes a map (N, C, h, w) of the mask's resolution; for maps, the mask
        is resized to the codes' resolution. A batch of one is broadcast. GraftError for a part these codes lack, and
        for tensors of different sizes unless they are swapped whole."""
        self._check(other, *weights)

        def mixed(name: str, mine: Tensor) -> Tensor:
            weight, theirs = weights.get(name, 0), getattr(other, name)
            theirs = theirs.to(mine)
            if not isinstance(weight, Tensor) and weight in (0, 1):
                return theirs if weight else mine
            return _lerp(name, mine, theirs, torch.as_tensor(weight, dtype=mine.dtype, device=mine.device))

        return self._joined(other, mixed)

    def __add__(self, other: Self) -> Self:
        return self._with(other, torch.add)

    def __sub__(self, other: Self) -> Self:
        return self._with(other, torch.sub)

    def __mul__(self, factor: float) -> Self:
        return self._each(lambda name, tensor: tensor * factor)

    __rmul__ = __mul__

    def flatten(self, *parts: str) -> Tensor:
        """A matrix (N, D), one row per item, of the named parts (all if none is named), for instance for PCA."""
        self._check(self, *parts)
        return torch.cat([getattr(self, name).flatten(1) for name in parts or self.parts], dim=1)

    def like(self, matrix: Tensor, *parts: str) -> Self:
        """The inverse of `flatten`: rows of `matrix` (M, D) as codes of these shapes.

        Parts that are not named keep this batch's values; its length must then be M or 1."""
        self._check(self, *parts)
        names, shapes = parts or self.parts, [getattr(self, name).shape[1:] for name in parts or self.parts]
        if matrix.ndim != 2:
            raise GraftError(f"Codes are made from a matrix (M, D), not of {tuple(matrix.shape)}.")
        if matrix.shape[1] != sum(shape.numel() for shape in shapes):
            raise GraftError(f"Rows of {matrix.shape[1]} numbers do not fit codes of {self.flatten(*parts).shape[1]}.")
        pieces = dict(zip(names, matrix.split([shape.numel() for shape in shapes], dim=1), strict=True))
        return self._each(
            lambda name, mine: (
                pieces[name].reshape(-1, *mine.shape[1:]) if name in pieces else _repeat(mine, len(matrix))
            )
        )

    def _repr_html_(self) -> str:
        """In a notebook: what they are. `graftlab.show(codes, model)` shows what a model draws of them."""
        sizes = ", ".join(f"{name} {' × '.join(map(str, getattr(self, name).shape[1:]))}" for name in self.parts)
        return f"<b>{type(self).__name__}</b> of {len(self)}: {sizes}; model {(self.model or 'none')[:12]}"

    # -- files --------------------------------------------------------------------------------------------------------

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {name: getattr(self, name) for name in (*self.parts, *self.beside)}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def _header(self) -> dict[str, Any]:
        tensors = {*self.parts, *self.beside}
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in tensors}

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        if set(tensors) - set(cls.beside) != set(cls.parts):
            raise GraftError(f"they are {' and '.join(cls.parts)}, and not {' and '.join(tensors) or 'nothing'}")
        if not finite(*tensors.values()):
            raise GraftError("they hold something else than finite numbers")
        return cls(**cast(dict[str, Any], tensors), **header)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _each(self, function: Callable[[str, Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {name: function(name, tensor) for name, tensor in self._tensors().items()}
        return replace(self, **changed)

    def _without(self, names: Iterable[str]) -> Self:
        return replace(self, **dict.fromkeys(names))

    def _with(self, other: Self, function: Callable[[Tensor, Tensor], Tensor]) -> Self:
        self._check(other)

        def combined(name: str, mine: Tensor) -> Tensor:
            return function(*_aligned(name, mine, getattr(other, name).to(mine)))

        return self._joined(other, combined)

    def _joined(self, other: Self, function: Callable[[str, Tensor], Tensor]) -> Self:
        """`_each` of what came from these codes and from others; one item goes with any batch."""
        theirs = other._tensors()
        tensors = {name: function(name, mine) if name in theirs else mine for name, mine in self._tensors().items()}
        count = max(map(len, tensors.values()))
        tensors = {name: _repeat(tensor, count) for name, tensor in tensors.items()}
        return replace(self, **tensors, model=_common_model(self, other))

    def _check(self, other: Self, *parts: str) -> None:
        """GraftError if other codes are of another kind, or these have no such parts."""
        if type(other) is not type(self):
            raise GraftError(f"{type(self).__name__} and {type(other).__name__} do not go together.")
        if unknown := sorted(set(parts) - set(self.parts)):
            raise GraftError(f"These codes have no {', '.join(unknown)}, only {' and '.join(self.parts)}.")


@dataclass(frozen=True, eq=False)
class SwapCodes(Codes):
    """Codes of a Swapping Autoencoder: structure (N, Cs, h, w); texture (N, Ct) or a map (N, Ct, h', w').

    `size` is the (height, width) in pixels of the picture they came from, if it was not a multiple of the stride.
    `noise` (N, 1, H, W), of whole cells, is the noise with which that picture is drawn, where it was looked for
    (`inversion.refine`). Both belong to the structure, and are swapped with it."""

    kind: ClassVar[str] = "SwapCodes"
    parts: ClassVar[tuple[str, ...]] = ("structure", "texture")
    dimensions: ClassVar[tuple[tuple[int, ...], ...]] = ((4,), (2, 4))
    beside: ClassVar[tuple[str, ...]] = ("noise",)
    structure: Tensor
    texture: Tensor
    size: tuple[int, int] | None = None
    noise: Tensor | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            sides = self.size if isinstance(self.size, list | tuple) else ()  # a list when it comes from JSON
            if [type(side) for side in sides] != [int, int] or min(sides) < 1:
                raise GraftError(f"The size of a picture is (height, width) in pixels, not {self.size}.")
            object.__setattr__(self, "size", tuple(sides))
        super().__post_init__()

    def mix(self, other: Self, **weights: Weight) -> Self:
        """As for all codes; a structure that is swapped whole brings the size and the noise of its picture.

        Noise is mixed as structures are, and keeps its strength; there is none if one of the two has none."""
        mixed, weight = super().mix(other, **weights), weights.get("structure", 0)
        if not isinstance(weight, Tensor) and weight in (0, 1):
            source = other if weight else self
            noise = None if source.noise is None else _repeat(source.noise.to(self.structure), len(mixed))
            return replace(mixed, size=source.size, noise=noise)
        if self.noise is None or other.noise is None:
            return replace(mixed, noise=None)
        mine, theirs = self.noise, other.noise.to(self.noise)
        share = _lerp("noise", torch.zeros_like(mine), torch.ones_like(theirs), torch.as_tensor(weight).to(mine))
        return replace(mixed, noise=torch.lerp(mine, theirs, share) / torch.hypot(share, 1 - share))

    def moved(self, structure: Tensor) -> Self:
        """Codes whose structure was moved or joined with others: of whole cells, and without the picture's noise."""
        return replace(self, structure=structure, size=None, noise=None)

    def _with(self, other: Self, function: Callable[[Tensor, Tensor], Tensor]) -> Self:
        result = super()._with(other, function)
        if result.noise is None and other.noise is not None:
            result = replace(result, noise=_repeat(function(torch.zeros_like(other.noise), other.noise), len(result)))
        mine = result.structure.shape[2:] == self.structure.shape[2:]  # or these are a direction, one cell for all
        return result if mine else replace(result, size=other.size)


@dataclass(frozen=True, eq=False)
class StyleCodes(Codes):
    """Codes of a StyleGAN: w (N, L, Cw), one row per layer; equal rows are W, free rows W+.

    `motion` (N, 3) is what a StyleGAN3 does with the picture beside: degrees that it turns anticlockwise, about its
    middle, and widths and heights of the picture that it shifts right and down then. A mix keeps these codes' own."""

    kind: ClassVar[str] = "StyleCodes"
    parts: ClassVar[tuple[str, ...]] = ("w",)
    dimensions: ClassVar[tuple[tuple[int, ...], ...]] = ((3,),)
    beside: ClassVar[tuple[str, ...]] = ("motion",)
    w: Tensor
    motion: Tensor | None = None

    def __post_init__(self) -> None:
        if self.motion is not None and self.motion.shape[1:] != (3,):
            raise GraftError(f"A motion is an angle and two shifts (N, 3), not {tuple(self.motion.shape)}.")
        super().__post_init__()

    def style_mix(self, other: Self, layers: Iterable[int]) -> Self:
        """These codes with the named layers of others (style mixing: StyleGAN, section 3.1); 0 is the coarsest.

        GraftError for layers that the codes do not have."""
        count, chosen = self.w.shape[1], list(layers)
        if unknown := [layer for layer in chosen if not 0 <= layer < count]:
            told = ", ".join(map(str, unknown[:3])) + " and more" * (len(unknown) > 3)
            raise GraftError(f"These codes have layers 0 to {count - 1}, not {told}.")
        share = torch.zeros(1, count, 1)
        share[:, chosen] = 1
        return self.mix(other, w=share)


class Decoder(Protocol):
    """Anything that turns codes into pictures (N, 3, H, W), nominally in [-1, 1]."""

    @property
    def decode(self) -> Callable[..., Tensor]: ...


class Heir(Protocol):
    """A model that knows from which it was made."""

    fingerprint: str | None

    @property
    def ancestors(self) -> frozenset[str]: ...


class Autoencoder(Decoder, Protocol):
    """A decoder that also turns pictures (N, 3, H, W) into codes."""

    @property
    def encode(self) -> Callable[[Tensor], SwapCodes]: ...


@runtime_checkable
class Following(Protocol):
    """An autoencoder that starts each frame of a video from the result for the previous frame."""

    def follow(self, images: Tensor, before: SwapCodes | None) -> tuple[SwapCodes, SwapCodes]:
        """Codes of one frame (1, 3, H, W), and the starting point for the next frame; None: this is the first."""
        ...


def _common_model(*batches: Codes) -> str | None:
    models = {batch.model for batch in batches} - {None}
    if len(models) > 1:
        short = " and ".join(sorted(str(model)[:12] for model in models))
        raise GraftError(f"These codes come from different models ({short}); encode the pictures with one model.")
    return models.pop() if models else None


def _lerp(name: str, mine: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
    """`mine` where `weight` is 0, `theirs` where it is 1: a number, or a mask, which is resized to the codes' grid."""
    grid = max(mine.shape[2:], theirs.shape[2:], key=torch.Size.numel)
    if weight.ndim == 4 and len(grid) == 2 and grid.numel() > 1:
        weight = F.interpolate(weight.cpu(), size=grid, mode="area").to(weight.device)  # Apple's GPUs refuse most sizes
    mine, theirs, *mask = _aligned(name, mine, theirs, *([weight] if weight.ndim else []))
    return torch.lerp(mine, theirs, mask[0] if mask else weight)


def _aligned(name: str, *tensors: Tensor) -> list[Tensor]:
    """Tensors that go together: vectors (N, C) become maps (N, C, 1, 1) where any of the others is a map."""
    if max(tensor.ndim for tensor in tensors) == 4:
        tensors = tuple(tensor[:, :, None, None] if tensor.ndim == 2 else tensor for tensor in tensors)
    try:
        torch.broadcast_tensors(*tensors)  # broadcast_shapes would import SymPy first
    except RuntimeError:
        raise _differ(name, *tensors) from None
    return list(tensors)


def _repeat(tensor: Tensor, count: int) -> Tensor:
    """A batch of one as a batch of `count`; others as they are."""
    return tensor.expand(count, *tensor.shape[1:]) if len(tensor) == 1 != count else tensor


def _differ(name: str, *tensors: Tensor) -> GraftError:
    shapes = " and ".join(" x ".join(map(str, tensor.shape)) for tensor in tensors)
    return GraftError(f"The {name} codes differ in size ({shapes}); read the pictures at one size.")
