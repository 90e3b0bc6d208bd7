"""Importing other people's code from a checkout beside this one, without what it needs besides PyTorch.

Only in a process that exists for one checkout: its modules have names such as `util` and `model`.
"""

import sys
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from graftlab.errors import GraftError

SIDELINES = {"cv2", "dominate", "func_timeout", "lmdb", "sklearn", "torchvision", "tqdm", "visdom", "wandb"}
"""Packages that they import for data, logs and losses that are not measured."""


@dataclass(frozen=True)
class Checkout:
    """A folder that holds a repository."""

    option: str  # by which people name the folder
    repository: str
    folder: Path
    file: str  # that tells it from others

    def __post_init__(self) -> None:
        if not (self.folder / self.file).is_file():
            raise GraftError(
                f"{self.option} {self.folder} is no checkout of {self.repository}, because it has no {self.file}: "
                f"clone https://github.com/{self.repository} and name its folder."
            )

    def make_importable(self) -> None:
        """Let `import` find its modules, and let these take plain PyTorch instead of kernels to compile."""
        sys.path.insert(0, str(self.folder.absolute()))
        sys.meta_path.append(StandIns())  # the last: what is installed comes first
        compiler: Any = ModuleType("torch.utils.cpp_extension")
        compiler.load = lambda *arguments, **options: None
        sys.modules[compiler.__name__] = compiler
        torch.version.cuda = "9.0"  # too old for kernels of one's own


class StandIns(MetaPathFinder, Loader):
    """Empty modules in the place of SIDELINES that are not installed."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in SIDELINES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


class StandIn(ModuleType):
    """A module whose every name is an empty class, good for importing and for deriving from."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
