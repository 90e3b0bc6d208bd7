"""Codes: what a picture becomes, and the arithmetic on it.

`Codes` is a batch of named tensors. Nearly everything one does with a model is arithmetic on codes followed by
`decode`: a swap is `a.mix(b, texture=1)`, halfway is `a.mix(b, structure=0.5, texture=0.5)`, an edit is
`a + 1.5 * direction`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.files import atomic_write

CodesT = TypeVar("CodesT", bound="Codes")
Weight = float | Tensor
"""Share of the other codes: a number, or a mask (N or 1, 1, h, w) in [0, 1] over the picture."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Codes:
    """A batch of named tensors, all with the batch first, and the fingerprint of the model they belong to."""

    parts: ClassVar[tuple[str, ...]] = ()
    model: str | None = None  # fingerprint of the model, None where it has none (one in training)

    def __post_init__(self) -> None:
        sizes = {name: len(getattr(self, name)) for name in self.parts}
        if len(set(sizes.values())) > 1:
            listed = " and ".join(f"{count} of {name}" for name, count in sizes.items())
            raise GraftError(f"The batches of these codes differ: {listed}.")

    # -- a batch ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(getattr(self, self.parts[0]))

    def __getitem__(self, index: int | slice | Tensor) -> Self:
        """Some of the batch; one index still gives a batch, of one."""
        if isinstance(index, int):
            index = slice(index, index + 1 or None)
        return self._each(lambda name, tensor: tensor[index])

    @staticmethod
    def cat(batches: Sequence[CodesT]) -> CodesT:
        """One batch from several, in order."""
        if not batches:
            raise GraftError("There are no codes to join.")
        model = _common_model(*batches)
        joined = batches[0]._each(lambda name, _: torch.cat([getattr(batch, name) for batch in batches]))
        return replace(joined, model=model)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same on another device or in another precision, as `Tensor.to`."""
        return self._each(lambda name, tensor: tensor.to(*args, **kwargs))

    # -- arithmetic ---------------------------------------------------------------------------------------------------

    def mix(self, other: Self, **weights: Weight) -> Self:
        """Replace a share of the named parts by `other`'s: 0 keeps, 1 swaps, numbers beyond [0, 1] exaggerate.

        A mask as the weight of a vector turns it into a map (N, C, h, w). ValueError for a part these codes lack, and
        for tensors of different size unless they are swapped whole."""
        if unknown := sorted(set(weights) - set(self.parts)):
            raise GraftError(f"These codes have no {', '.join(unknown)}, only {' and '.join(self.parts)}.")

        def mixed(name: str, mine: Tensor) -> Tensor:
            weight, theirs = weights.get(name, 0.0), getattr(other, name)
            if isinstance(weight, Tensor):
                mine, theirs = (part[:, :, None, None] if part.ndim == 2 else part for part in (mine, theirs))
            elif weight == 0:
                return mine
            elif weight == 1:
                return theirs
            _require_same_shape(name, mine, theirs)
            return torch.lerp(
                mine, theirs.to(mine.dtype), torch.as_tensor(weight, dtype=mine.dtype, device=mine.device)
            )

        return replace(self._each(mixed), model=_common_model(self, other))

    def __add__(self, other: Self) -> Self:
        return self._with(other, torch.add)

    def __sub__(self, other: Self) -> Self:
        return self._with(other, torch.sub)

    def __mul__(self, factor: float) -> Self:
        return self._each(lambda name, tensor: tensor * factor)

    __rmul__ = __mul__

    def flatten(self, *parts: str) -> Tensor:
        """A matrix (N, D), one row per item, of the named parts (all if none is named): what PCA wants."""
        return torch.cat([getattr(self, name).flatten(1) for name in parts or self.parts], dim=1)

    def like(self, matrix: Tensor, *parts: str) -> Self:
        """The inverse of `flatten`: rows of `matrix` (M, D) as codes of these shapes.

        Parts that are not named keep this batch's values, which must then be M or one."""
        names, shapes = parts or self.parts, [getattr(self, name).shape[1:] for name in parts or self.parts]
        if matrix.shape[1] != sum(shape.numel() for shape in shapes):
            raise GraftError(f"Rows of {matrix.shape[1]} numbers do not fit codes of {self.flatten(*parts).shape[1]}.")
        pieces = dict(zip(names, matrix.split([shape.numel() for shape in shapes], dim=1), strict=True))
        return self._each(
            lambda name, mine: (
                pieces[name].reshape(-1, *mine.shape[1:])
                if name in pieces
                else mine.expand(len(matrix), *mine.shape[1:])
            )
        )

    # -- files --------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file that knows its kind and its model's fingerprint."""
        tensors = {name: getattr(self, name).detach().cpu().contiguous() for name in self.parts}
        extra = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in self.parts}
        header = {"graftlab": json.dumps({"kind": type(self).__name__, **extra})}
        atomic_write(Path(path), lambda file: file.write(to_safetensors(tensors, header)))
        return Path(path)

    @staticmethod
    def load(path: str | Path) -> "Codes":
        """Read what `save` wrote. ValueError if the file holds no codes."""
        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("graftlab", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise GraftError(f"{path}: no such file.") from None
        except (SafetensorError, OSError, ValueError) as error:
            raise GraftError(f"{path} cannot be read as codes ({error}); make them with 'graft encode'.") from None
        kind = {cls.__name__: cls for cls in (SwapCodes, StyleCodes)}.get(header.pop("kind", None))
        if kind is None or set(tensors) != set(kind.parts):
            raise GraftError(f"{path} holds no codes; make them with 'graft encode'.")
        return kind(**tensors, **header)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _each(self, function: Callable[[str, Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {name: function(name, getattr(self, name)) for name in self.parts}
        return replace(self, **changed)

    def _with(self, other: Self, function: Callable[[Tensor, Tensor], Tensor]) -> Self:
        if type(other) is not type(self):
            raise GraftError(f"{type(self).__name__} and {type(other).__name__} do not go together.")
        model = _common_model(self, other)
        return replace(self._each(lambda name, mine: function(mine, getattr(other, name))), model=model)


@dataclass(frozen=True, eq=False)
class SwapCodes(Codes):
    """Codes of a Swapping Autoencoder: structure (N, Cs, h, w); texture (N, Ct) or a map (N, Ct, h', w').

    `size` is the (height, width) in pixels of the picture they came from, where it was not a multiple of the stride."""

    parts: ClassVar[tuple[str, ...]] = ("structure", "texture")
    structure: Tensor
    texture: Tensor
    size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class StyleCodes(Codes):
    """Codes of a StyleGAN2: w (N, L, Cw), one row per layer; equal rows are W, free rows W+."""

    parts: ClassVar[tuple[str, ...]] = ("w",)
    w: Tensor


class Decoder(Protocol):
    """Anything that turns codes into pictures (N, 3, H, W), nominally in [-1, 1]."""

    @property
    def decode(self) -> Callable[..., Tensor]: ...


class Autoencoder(Decoder, Protocol):
    """A decoder that also turns pictures (N, 3, H, W) into codes."""

    @property
    def encode(self) -> Callable[[Tensor], SwapCodes]: ...


def _common_model(*batches: Codes) -> str | None:
    models = {batch.model for batch in batches} - {None}
    if len(models) > 1:
        short = " and ".join(sorted(str(model)[:12] for model in models))
        raise GraftError(f"These codes come from different models ({short}); encode the pictures with one model.")
    return models.pop() if models else None


def _require_same_shape(name: str, mine: Tensor, theirs: Tensor) -> None:
    if mine.shape[1:] != theirs.shape[1:]:
        one, two = (" x ".join(map(str, part.shape[1:])) for part in (mine, theirs))
        raise GraftError(f"The {name} codes differ in size ({one} and {two}); read both pictures at one size.")
