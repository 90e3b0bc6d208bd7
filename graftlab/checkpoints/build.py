"""From a model's file to the model: the network that its configuration describes, with a copy of its weights."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from graftlab.checkpoints.model_file import ModelFile
from graftlab.errors import GraftError, refuse
from graftlab.kinds import KINDS
from graftlab.networks.model import Network, fingerprint

WEIGHTS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # types that weights may have in a file


def build(file: ModelFile, allow_nan: bool = False) -> Network:
    """The model, frozen, as float32 on the CPU. Memory is bounded by the file's size: each weight is copied once.

    GraftError if the weights do not fit the configuration, or, unless allowed, some are no finite numbers."""
    path = file.path
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
    model.fingerprint, model.about = fingerprint(tensors), dict(file.about)
    return model.eval().requires_grad_(False)


def check_layout(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """GraftError listing the tensors that are missing, unknown, of another shape, or no floating-point numbers."""
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    problems += [f"{name} is unknown" for name in tensors if name not in shapes]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    problems += [f"{name} holds {tensor.dtype}" for name, tensor in tensors.items() if tensor.dtype not in WEIGHTS]
    refuse(path, "does not fit its configuration", problems)
