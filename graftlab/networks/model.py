"""What every model has in common that turns codes into pictures: a fingerprint, a precision, a place to compute."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from graftlab.codes import Codes
from graftlab.errors import GraftError
from graftlab.hardware import exact_convolutions


class Model(nn.Module):
    """A network with pictures at one end and codes of one kind at the other."""

    kind: ClassVar[str]  # its name in files
    title: ClassVar[str]  # its name in sentences, with an article
    codes: ClassVar[type[Codes]]  # the kind of codes that it decodes
    remake: ClassVar[str]  # how to get codes of this model in the place of another's

    config: Any  # the kind's own `Config`; its `size` is the side of the pictures, pixels

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint: str | None = None  # of the weights, set when they come from a file; codes carry it
        self.precision = torch.float32  # of convolutions; weights stay float32

    def _check_owner(self, codes: Codes) -> None:
        """GraftError for codes of another kind or of another model."""
        if not isinstance(codes, self.codes):
            raise GraftError(f"This model decodes {self.codes.__name__}, not {type(codes).__name__}.")
        if codes.model and self.fingerprint and codes.model != self.fingerprint:
            raise GraftError(
                f"These codes belong to another model ({codes.model[:12]}, this one is {self.fingerprint[:12]}); "
                f"{self.remake}."
            )

    def _placed(self, x: Tensor) -> Tensor:
        """`x` on the weights' device and in their precision, in the layout in which convolutions are fastest."""
        x = x.to(next(self.parameters()))
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

    def _computing(self) -> AbstractContextManager[object]:
        """In which convolutions are as precise as `precision` says."""
        if self.precision == torch.float32:
            return exact_convolutions()
        return torch.autocast(next(self.parameters()).device.type, self.precision)
