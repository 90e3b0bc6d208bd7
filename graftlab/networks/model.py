"""Base classes of networks that have their own file, and of those that turn codes into pictures."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal

import torch
from torch import Tensor, nn

from graftlab.artifacts import called, write_tensors
from graftlab.codes import Codes, CodesT
from graftlab.errors import GraftError, refuse
from graftlab.hardware import exact_convolutions

BESIDE = "discriminators."  # in files, before the names of weights that only training needs


class Network(nn.Module):
    """A network that has a file: a configuration, a fingerprint, a precision, a place to compute."""

    kind: ClassVar[str]  # its name in files
    title: ClassVar[str]  # its name in sentences, with an article

    takes: ClassVar[Literal["photos", "seeds"]] = "photos"  # what it makes pictures of
    usual_noise: ClassVar[str] = "none"  # what it draws with if nothing is said

    config: Any  # the kind's own `Config`

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint: str | None = None  # of the weights, set when they come from a file; codes carry it
        self.precision = torch.float32  # of convolutions; weights stay float32
        self.name = ""  # what sheets call it, set when it comes from a file
        self.about: Mapping[str, Any] = {}  # what is known of it, as JSON: what its file tells, or of what it was made

    @property
    def ancestors(self) -> frozenset[str]:
        """Fingerprints of the models that this one was made from, as far as known: parents, and theirs."""
        return ancestors(self.about)

    def save(
        self,
        path: str | Path,
        about: Mapping[str, Any] | None = None,  # training data, images seen, licence, parent; None: what is known
        half: bool = False,  # store float16
        discriminators: Mapping[str, Tensor] | None = None,  # by our names, for who wants to train on
        allow_nan: bool = False,
    ) -> Path:
        """Write the model to a file: weights, configuration and metadata. Returns the path.

        GraftError if weights are not finite, unless that is allowed, and if the file cannot be written."""
        path, dtype = Path(path), torch.float16 if half else torch.float32
        weights = {**self.state_dict(), **{BESIDE + name: tensor for name, tensor in (discriminators or {}).items()}}
        tensors = {name: tensor.to(dtype) for name, tensor in weights.items()}
        bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        refuse(path, "is not written, because weights are not finite numbers", [] if allow_nan else bad)
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(BESIDE)}
        known = dict(self.about if about is None else about)
        header = {"kind": self.kind, "config": self.config.to_dict(), "about": known, "fingerprint": fingerprint(own)}
        write_tensors(path, tensors, header)
        return path

    def _placed(self, x: Tensor) -> Tensor:
        """`x` on the weights' device and in their precision, in the layout in which convolutions are fastest."""
        x = x.to(next(self.parameters()))
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

    def _computing(self) -> AbstractContextManager[object]:
        """A context in which convolutions run in `precision`."""
        if self.precision == torch.float32:
            return exact_convolutions()
        return torch.autocast(next(self.parameters()).device.type, self.precision)


class Decoder(Network, ABC, Generic[CodesT]):
    """A network that turns codes of one kind into pictures of side `config.size` pixels."""

    title = "a model that decodes codes"
    codes: ClassVar[type[Codes]]  # the kind of codes that it decodes
    remake: ClassVar[str]  # how to get codes of this model in the place of another's

    @abstractmethod
    def decode(self, codes: CodesT, noise: Any = ..., seed: int = 0) -> Tensor:
        """Render codes as pictures: float32 (N, 3, H, W), nominally in [-1, 1], not clamped, differentiable.

        `noise` is one of the names that the kind of model supports, and `seed` that of fixed noise. GraftError if the
        codes are of another kind, or belong neither to this model nor to one that it was made from."""

    def _check_owner(self, codes: Codes) -> None:
        """GraftError for codes of another kind or of another model, unless this one was made from that: in a fine-tuned
        or blended model, codes of its parents keep their meaning."""
        if not isinstance(codes, self.codes):
            raise GraftError(f"This model decodes {self.codes.__name__}, not {type(codes).__name__}.")
        if codes.model and self.fingerprint and codes.model not in (self.fingerprint, *self.ancestors):
            raise GraftError(
                f"These codes belong to another model ({called(codes.model)}, this one is {called(self.fingerprint)}); "
                f"{self.remake}."
            )


def ancestors(about: Mapping[str, Any]) -> frozenset[str]:
    """Fingerprints of the models that one was made from, by what is known of it."""
    named = [about.get("parent")]
    for record in ("parents", "ancestors"):
        listed = about.get(record)
        named += listed if isinstance(listed, list) else []
    return frozenset(name for name in named if isinstance(name, str))


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of a state dict, as hexadecimal: the same weights have the same fingerprint in any file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()
