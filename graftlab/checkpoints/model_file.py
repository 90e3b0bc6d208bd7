"""A model as its file describes it, before any network is built and any weight is read.

Every format has a reader, which turns what the file holds into a `ModelFile`: a table over our parameter names whose
tensors are views of the file on the disk. So looking costs nothing, and `load` copies each weight once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.config import Config


@dataclass(frozen=True)
class ModelFile:
    """What a file holds, under our names."""

    path: Path
    format: str  # for people: "graftlab", "official Swapping Autoencoder (.pth)", "NVIDIA StyleGAN2 pickle", ...
    kind: str  # of the network class: `SwappingAutoencoder.kind` and so on
    config: Config  # of that class
    tensors: Mapping[str, Tensor]  # the weights to use (the average where there is one), by our names
    discriminators: Mapping[str, Tensor] = field(default_factory=dict)  # if any came along, by our names
    about: Mapping[str, Any] = field(default_factory=dict)  # JSON: images_seen, trained_on, licence, parent, ...
    notes: tuple[str, ...] = ()  # sentences: what the file holds that is not used, what was assumed
    fingerprint: str | None = None  # of the weights, if the file tells one
    check: Callable[[], bool] | None = None  # reads all: whether the file proves that it is as written, or GraftError
