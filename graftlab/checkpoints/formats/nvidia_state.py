"""State dicts of NVIDIA's StyleGAN2: what people save of a network who want no pickle of a whole one.

Names and shapes are those of `nvidia`. What a state dict does not tell is how the network computes: the usual is
assumed, and said.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats import nvidia
from graftlab.checkpoints.formats.stylegan2_config import ESTIMATED, estimate_average, left_out
from graftlab.checkpoints.formats.wrapping import is_average, notes_on, prefixes, take, tensors_in
from graftlab.checkpoints.model_file import ModelFile
from graftlab.errors import GraftError
from graftlab.networks.stylegan2 import StyleGAN2

FORMAT = "state dict of NVIDIA's StyleGAN2"
SIGNS = ("mapping.fc0.weight", "synthesis.b4.conv1.affine.weight", "synthesis.b4.torgb.weight")
JUDGE_SIGNS = ("b4.fc.weight", "b4.conv.weight")
MISFIT = "does not fit NVIDIA's StyleGAN2"
MEAN = "mapping.w_avg"
GROUP = 4  # pictures whose deviation a discriminator sees, unless it was told otherwise
UNLIMITED = "A state dict tells no limit of activations (conv_clamp); none is assumed."


def read(contents: Contents) -> ModelFile | None:
    """The averaged generator, or the only one, and the discriminator if one is there that fits."""
    state, path = dict(contents.named), contents.path
    generators = prefixes(state, r"synthesis\.b4\.const", SIGNS)
    if not generators:
        return None
    prefix, notes = generators[0], [UNLIMITED]
    weights = tensors_in(take(state, prefix), path, MISFIT)
    estimated = MEAN not in weights
    if estimated:
        weights[MEAN] = weights["mapping.fc0.bias"] if "mapping.fc0.bias" in weights else torch.empty(0)
    config, tensors, found = nvidia.read_generator(path, nvidia.Network(weights, {"": "Generator"}, {"": {}}))
    notes += found
    if estimated:
        if config.classes:
            raise GraftError(f"{path} holds a generator without the average of w ({MEAN}), which its classes need.")
        tensors["mapping.average"] = estimate_average(config, tensors)
        notes.append(f"The file holds no average of w ({MEAN}); {ESTIMATED}.")
    if not is_average(prefix) and "G" in prefix.split("."):
        notes.append("There is no averaged generator (G_ema); the one in training (G) is used.")
    discriminator: Mapping[str, Tensor] = {}
    if judges := prefixes(state, r"b4\.out\.weight", JUDGE_SIGNS):
        judge = tensors_in(take(state, judges[0]), path, MISFIT)
        network = nvidia.Network(judge, {"": "Discriminator"}, {"": {}, "b4.mbstd": {"group_size": GROUP}})
        try:
            config, discriminator = nvidia.read_discriminator(path, network, config)
        except GraftError as error:
            notes.append(left_out(path, error))
    notes += notes_on(prefix, ("", "G_ema", "G"), state)
    return ModelFile(path, FORMAT, StyleGAN2.kind, config, tensors, discriminator, notes=tuple(notes))
