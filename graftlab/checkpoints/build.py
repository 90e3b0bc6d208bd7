"""From a model's file to the model: the network that its configuration describes, with a copy of its weights."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from graftlab.checkpoints.formats.fitting import misfits
from graftlab.checkpoints.model_file import ModelFile
from graftlab.errors import GraftError, refuse
from graftlab.kinds import KINDS
from graftlab.networks.model import Network, fingerprint

WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # types that weights may have in a file

COMMON = ("best", "last")  # names of models of every run


def build(file: ModelFile, allow_nan: bool = False) -> Network:
    """The model, frozen, as float32 on the CPU. Memory is bounded by the file's size: each weight is copied once.

    GraftError if the weights are no longer those that were written, as far as the file tells, or do not fit the
    configuration, or, unless allowed, some are no finite numbers."""
    path, proven = file.path, checked(file)
    try:
        with torch.device("meta"):
            model = KINDS[file.kind].new(file.config)
    except (ValueError, ArithmeticError, RuntimeError) as error:
        raise GraftError(f"{path} has a configuration that makes no sense: {str(error).rstrip('.')}.") from None
    check_layout(path, file.tensors, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    tensors = {name: tensor.to(torch.float32, copy=True) for name, tensor in file.tensors.items()}
    if not allow_nan:
        bad = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
        refuse(path, "holds weights that are not finite numbers", bad)
    model.load_state_dict(tensors, assign=True)
    model.name = called(path)
    model.fingerprint, model.about = identified(file, tensors, proven), dict(file.about)
    return model.eval().requires_grad_(False)


def called(path: Path) -> str:
    """What people call a model of this file: its name, with the folder's where many are called the same."""
    own = path.stem
    return f"{path.absolute().parent.name}/{own}" if own in COMMON or own.isdigit() else own


def checked(file: ModelFile) -> bool:
    """Whether all that a file holds is proven to be as it was written. GraftError if it is not."""
    return file.check is not None and file.check()


def identified(file: ModelFile, tensors: Mapping[str, Tensor], proven: bool) -> str:
    """The fingerprint of weights: as the file tells, if that is proven. GraftError if they have another."""
    if proven and file.fingerprint:
        return file.fingerprint
    found = fingerprint(tensors)
    if file.fingerprint not in (None, found):
        raise GraftError(
            f"{file.path} was changed after it was written: its weights are {found[:12]}, and it says "
            f"{file.fingerprint[:12]}; fetch or make it again."
        )
    return found


def check_layout(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """GraftError listing the tensors that are missing, unknown, of another shape, or no floating-point numbers."""
    wrong = [f"{name} holds {tensor.dtype}" for name, tensor in tensors.items() if tensor.dtype not in WEIGHTS]
    refuse(path, "does not fit its configuration", misfits(tensors, shapes) + wrong)
