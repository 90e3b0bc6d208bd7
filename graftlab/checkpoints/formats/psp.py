"""The encoders in checkpoints of pSp, e4e and ReStyle (.pt).

Such a file is a dict. `state_dict` holds the encoder, `encoder.*`, and the generator that it was trained for, a
StyleGAN2 of rosinality's, `decoder.*` (which is read there); `latent_avg` is the mean from which w are counted, and
`opts` what the program was told. Shapes tell all sizes. Only `opts` tell what the numbers mean: some classes give each
layer's w, others one w and differences from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.containers.records import Record
from graftlab.checkpoints.formats.fitting import misfits, shapes_of
from graftlab.checkpoints.formats.rosinality_stylegan2 import AVERAGE, count
from graftlab.checkpoints.formats.wrapping import prefixes, tensors_in
from graftlab.checkpoints.states import under
from graftlab.config import PSPConfig
from graftlab.errors import GraftError, refuse
from graftlab.networks.psp import PSPEncoder

UNITS = {"ir-se": "body.{}.res_layer.1.weight", "resnet": "body.{}.conv1.weight"}  # in each residual unit
ENTRANCES = {"ir-se": "input_layer.0.weight", "resnet": "conv1.weight"}
DIFFERENCES = {  # the authors' classes that count w from one another -> whether they do
    "GradualStyleEncoder": False,
    "ResNetGradualStyleEncoder": False,
    "BackboneEncoder": False,
    "ResNetBackboneEncoder": False,
    "Encoder4Editing": True,
    "ProgressiveBackboneEncoder": True,
    "ResNetProgressiveBackboneEncoder": True,
}
COUNTER = ".num_batches_tracked"  # of normalisation, which no later program needs
MISFIT = "does not fit the encoders of pSp, e4e and ReStyle"
AGAIN = "give the file as its program saved it"
PASSES, MOST = 5, 64  # of ReStyle: by default, and at most
CARS = 3 / 4  # height of what encoders of cars look at, as a share of the width


@dataclass(frozen=True, eq=False)
class EncoderFile:
    """What such a file says of its encoder; its tensors are views of the file."""

    path: Path
    config: PSPConfig
    tensors: Mapping[str, Tensor]
    average: Tensor | None  # (1 or styles, Cw) that is added to what the network gives; None: nothing is
    passes: int  # of the network, each with what was drawn after the one before
    wide: bool  # whether it looks at the middle of a picture, in the shape 4:3

    @property
    def format(self) -> str:
        """For people."""
        name = "e4e" if self.config.differences else "pSp"
        return f"ReStyle over {name}" if self.passes > 1 else name


def read(contents: Contents) -> EncoderFile | None:
    """The encoder in a file; None if there is none. GraftError if it is another network's, or lacks something."""
    path, state = contents.path, contents.named
    backbones = [
        (prefix, backbone)
        for backbone, unit in UNITS.items()
        for prefix in prefixes(state, unit.format(0).replace(".", r"\."), [ENTRANCES[backbone]])
    ]
    if not backbones:
        return None
    prefix, backbone = backbones[0]
    part = {name: value for name, value in under(state, prefix).items() if not name.endswith(COUNTER)}
    if not {"styles.0.linear.weight", "linear.weight"} & part.keys():
        raise GraftError(
            f"{path} holds a network that recognises things ({backbone}), from which the training of encoders begins, "
            "and none that finds codes: give a checkpoint of pSp, e4e or ReStyle, or use 'graft train-encoder'."
        )
    told, tensors = options(contents), tensors_in(part, path, MISFIT)
    config = infer(path, backbone, tensors, str(told.get("encoder_type")))
    refuse(path, MISFIT, misfits(tensors, shapes_without_counters(config)))
    average = read_average(path, config, state.get(AVERAGE), told.get("start_from_latent_avg"))
    passes = told.get("n_iters_per_batch", PASSES) if config.inputs == 6 else 1
    if type(passes) is not int or not 1 <= passes <= MOST:
        raise GraftError(f"{path} {MISFIT}: it wants {passes!r:.40} passes, and {MOST} are most; {AGAIN}.")
    return EncoderFile(path, config, tensors, average, passes, str(told.get("dataset_type")).startswith("cars"))


def options(contents: Contents) -> Mapping[Any, Any]:
    """What the program was told: a dict, or the attributes of an argparse.Namespace."""
    told = contents.tree.get("opts") if isinstance(contents.tree, dict) else None
    told = told.state if isinstance(told, Record) else told
    return told if isinstance(told, dict) else {}


def infer(path: Path, backbone: str, state: Mapping[str, Tensor], named: str) -> PSPConfig:
    """The configuration: sizes from shapes, meanings by the name of the authors' class."""

    def size(name: str, axis: int = 0) -> int:
        refuse(path, MISFIT, [f"{name} is missing"] if name not in state else [])
        refuse(path, MISFIT, [f"{name} is {tuple(state[name].shape)}"] if state[name].ndim < 2 else [])
        return state[name].shape[axis]

    unit = UNITS[backbone]
    units = [size(unit.format(i)) for i in range(count(state, unit.format(r"\d+").replace(".w", r"\.w")))]
    stages = [(width, len(list(same))) for width, same in groupby(units)]
    told: dict[str, Any] = {"inputs": size(ENTRANCES[backbone], 1)}
    if told["inputs"] not in (3, 6):
        raise GraftError(
            f"{path} encodes pictures of {told['inputs']} channels, such as sketches or maps of labels: give one "
            "that encodes photos."
        )
    if "styles.0.linear.weight" in state:
        if named not in DIFFERENCES:
            raise GraftError(
                f"{path} names no class that is known (opts.encoder_type: {named[:40]}), and so does not tell pSp's w "
                f"from e4e's; {AGAIN}."
            )
        told |= {"head": "pyramid" if "latlayer1.weight" in state else "last", "differences": DIFFERENCES[named]}
        told |= {"styles": count(state, r"styles\.\d+\.linear\.weight"), "w_channels": size("styles.0.linear.weight")}
        told["size"] = 16 << min(count(state, r"styles\.0\.convs\.\d+\.weight"), 16)
    elif "output_layer_2.3.weight" in state:
        told |= {"head": "w+", "w_channels": (channels := size("linear.weight", 1))}
        told["styles"] = size("linear.weight") // max(1, channels)
    else:
        told |= {"head": "w", "styles": 1, "w_channels": size("linear.weight")}
    try:
        widths, blocks = zip(*stages, strict=True)
        return PSPConfig(backbone, blocks, widths, **told)
    except GraftError as error:
        raise GraftError(f"{path} {MISFIT}: {error}") from None


def shapes_without_counters(config: PSPConfig) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in shapes_of(PSPEncoder, config).items() if not name.endswith(COUNTER)}


def read_average(path: Path, config: PSPConfig, average: object, wanted: object) -> Tensor | None:
    """The mean from which w are counted. ReStyle always begins with it, and with the picture of it."""
    if wanted is False and config.inputs == 3:
        return None
    if average is None and (wanted or config.inputs == 6):
        begins = "no picture to begin with" if config.inputs == 6 else "no mean of w"
        raise GraftError(f"{path} holds {begins} ({AVERAGE}); {AGAIN}.")
    if average is None:
        return None
    rows = None
    if isinstance(average, Tensor) and average.is_floating_point() and average.numel() % config.w_channels == 0:
        rows = average.reshape(-1, config.w_channels)[: 1 if config.head == "w" else None]  # of one w for all layers
    if rows is None or len(rows) not in (1, config.styles):
        raise GraftError(f"{path} {MISFIT}: {AVERAGE} is not {config.styles} w of {config.w_channels} numbers.")
    return rows
