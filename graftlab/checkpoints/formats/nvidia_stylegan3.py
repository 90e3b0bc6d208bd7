"""NVIDIA's StyleGAN3 pickles: the same persistent objects as `nvidia`, with other layers inside.

Sizes come from the shapes of the weights, the schedule of frequencies from attributes; from these rates, padding and
filters are computed anew and compared with what the file says of every layer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.formats.fitting import rename
from graftlab.checkpoints.formats.nvidia import (
    ARGUMENTS,
    SHARED,
    STRANGERS,
    Network,
    background,
    clamp_of,
    flatten,
    mapping_layers,
    networks_of,
    odd_options,
    read_discriminator,
)
from graftlab.checkpoints.formats.nvidia_names import linear, mapping_names
from graftlab.checkpoints.formats.stylegan2_config import UNKNOWN, check, generator_of, left_out
from graftlab.checkpoints.model_file import ModelFile
from graftlab.config import StyleGAN3Config
from graftlab.config.stylegan3 import PICTURE
from graftlab.errors import GraftError, refuse
from graftlab.networks.stylegan3 import SCALE, FilteredConv, StyleGAN3

FORMAT = "NVIDIA StyleGAN3 pickle"
INPUT = "SynthesisInput"  # the class that tells StyleGAN3
CLASSES = ("Generator", "SynthesisNetwork", INPUT, "SynthesisLayer", *SHARED)
FILTERS = ("up_filter", "down_filter")
NEAR = 1e-4  # of a filter's largest number
LAYER = re.compile(r"synthesis\.(L(\d{1,3})_\w{1,20})")
SCHEDULE = {  # their arguments -> our fields
    "num_critical": "critical",
    "margin_size": "margin",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband",
}

# As `nvidia.ARGUMENTS`: what is looked at where it ends up, or changes training alone.
OWN_ARGUMENTS = """
    conv_kernel filter_size lrelu_upsampling use_radial_filters output_scale magnitude_ema_beta weight_init is_torgb
    is_critically_sampled in_size out_size in_sampling_rate out_sampling_rate in_cutoff out_cutoff in_half_width
    out_half_width channels size sampling_rate bandwidth
""".split()  # noqa: SIM905
KNOWN = (*ARGUMENTS, *SCHEDULE, *OWN_ARGUMENTS)


def read(contents: Contents, part: str = "G_ema") -> ModelFile | None:
    """A StyleGAN3, or None if the file is of another kind.

    `part` is the averaged generator "G_ema", or "G", the one in training. GraftError if the networks are of another
    architecture, or have layers, filters or options that ours has not."""
    networks, path = networks_of(contents.tree), contents.path
    if not networks:
        return None
    generator, notes = generator_of(path, networks, part, "G_ema")
    network = flatten(path, generator)
    if {*STRANGERS} & {*network.classes.values()} != {INPUT}:
        return None
    config, tensors = read_generator(path, network)
    discriminator: Mapping[str, Tensor] = {}
    if "D" in networks:
        try:
            judge, discriminator = read_discriminator(path, flatten(path, networks["D"]), config.judge)
            widths, group = judge.discriminator_channels, judge.discriminator_group
            config = replace(config, discriminator_channels=widths, discriminator_group=group)
        except GraftError as error:
            notes.append(left_out(path, error))
    return ModelFile(
        path, FORMAT, StyleGAN3.kind, config, tensors, discriminator, background(contents.tree), tuple(notes)
    )


def read_generator(path: Path, network: Network) -> tuple[StyleGAN3Config, dict[str, Tensor]]:
    """A generator's configuration, and its tensors under our names."""
    if strange := sorted({*network.classes.values()} - {*CLASSES}):
        raise GraftError(f"{path} holds a generator made of {', '.join(strange):.80}, which is not StyleGAN3's.")
    top, synthesis = network.attributes[""], network.attributes.get("synthesis", {})
    if (channels := top.get("img_channels", PICTURE)) != PICTURE:
        raise GraftError(f"{path} holds a StyleGAN3 of pictures with {channels!r:.20} channels; only 3 can be opened.")
    problems = odd_options(network, KNOWN)
    if synthesis.get("output_scale", SCALE) != SCALE:
        problems.append(f"output_scale={synthesis['output_scale']!r:.20}, not {SCALE}")
    refuse(path, "holds a StyleGAN3 with options that graftlab does not know", problems)
    found = {int(match[2]): match[1] for name in network.classes if (match := LAYER.fullmatch(name))}
    layers = [found[number] for number in sorted(found)]
    theirs = dict(generator_names(layers, *mapping_layers(network.tensors)))
    state = {name: tensor for name, tensor in network.tensors.items() if not name.endswith(FILTERS)}
    tensors = rename(path, UNKNOWN.format("StyleGAN3 generator"), state, theirs)
    config = configured(path, network, tensors)
    check(path, StyleGAN3, config, tensors, theirs)
    with torch.device("meta"):
        ours = StyleGAN3(config).synthesis
    problems = [
        f"synthesis.{name}: {told}"
        for name, layer in zip(layers, (*ours.layers, ours.to_rgb), strict=True)
        for told in differing(network, f"synthesis.{name}", layer)
    ]
    refuse(path, "holds a StyleGAN3 whose layers filter otherwise than graftlab's", problems)
    return config, tensors


def configured(path: Path, network: Network, tensors: dict[str, Tensor]) -> StyleGAN3Config:
    """A generator's configuration. GraftError if it makes no sense."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    top, synthesis = network.attributes[""], network.attributes.get("synthesis", {})
    told: dict[Any, Any] = {**(synthesis.get("_init_kwargs") or {}), **synthesis}
    schedule = {ours: told[theirs] for theirs, ours in SCHEDULE.items() if theirs in told}
    schedule |= {name: float(value) for name, value in schedule.items() if isinstance(value, int) and "_" in name}
    count = sum(name.startswith("synthesis.layers.") and name.endswith(".magnitude") for name in tensors)
    try:
        embedded, classes = shapes.get("mapping.embed.weight", (0, 0))
        return StyleGAN3Config(
            size=top["img_resolution"],
            channels=tuple(shapes[f"synthesis.layers.{layer}.weight"][0] for layer in range(count)),
            kernel=shapes["synthesis.layers.0.weight"][-1],
            radial=any(tensor.ndim == 2 for name, tensor in network.tensors.items() if name.endswith(FILTERS)),
            z_channels=shapes["mapping.layers.0.weight"][1] - embedded,
            w_channels=shapes["mapping.average"][0],
            classes=classes,
            mapping_layers=sum(name.startswith("mapping.layers.") and name.endswith(".weight") for name in tensors),
            clamp=clamp_of(path, network),
            **schedule,
        )
    except GraftError as error:
        raise GraftError(f"{path} holds a StyleGAN3 that makes no sense: {str(error).rstrip('.')}.") from None
    except (IndexError, KeyError, ValueError):
        raise GraftError(f"{path} holds a generator whose weights have other dimensions than StyleGAN3's.") from None


def differing(network: Network, name: str, ours: FilteredConv) -> Iterator[str]:
    """What a file says of a layer that ours would do in another way."""
    first, last = ours.pad
    wanted: dict[str, Any] = {"is_torgb": ours.to_rgb, "in_sampling_rate": ours.before.rate}
    wanted |= {"out_sampling_rate": ours.stage.rate, "in_cutoff": ours.before.cutoff, "out_cutoff": ours.stage.cutoff}
    wanted |= {"up_factor": ours.up, "down_factor": ours.down}
    wanted |= {} if ours.to_rgb else {"padding": [first, last, first, last]}
    for option, value in wanted.items():
        found = network.attributes[name].get(option, value)
        same = isclose(found, value) if isinstance(found, int | float) and not isinstance(value, list) else False
        if not (same or found == value):
            yield f"{option}={found!r:.20}, not {value!r}"
    for option, taps in zip(FILTERS, () if ours.to_rgb else ours.filters, strict=False):
        stored = network.tensors.get(f"{name}.{option}", taps).double()
        if stored.shape != taps.shape or not bool(((stored - taps).abs() <= NEAR * taps.abs().max()).all()):
            yield f"{option} is another filter"


def generator_names(layers: list[str], depth: int, classes: bool) -> Iterator[tuple[str, str]]:
    """Our name of every tensor -> theirs. `layers` are their names, in order."""
    yield from mapping_names(max(depth, 1), classes)
    yield "mapping.average", "mapping.w_avg"
    for ours, theirs in (("frequencies", "freqs"), ("phases", "phases"), ("transform", "transform"), ("weight",) * 2):
        yield f"synthesis.input.{ours}", f"synthesis.input.{theirs}"
    yield from linear("synthesis.input.affine", "synthesis.input.affine")
    names = [f"synthesis.layers.{number}" for number in range(len(layers) - 1)]
    for ours, theirs in zip([*names, "synthesis.to_rgb"], layers or ["L0"], strict=False):
        yield from linear(ours, f"synthesis.{theirs}")
        yield f"{ours}.magnitude", f"synthesis.{theirs}.magnitude_ema"
        yield from linear(f"{ours}.affine", f"synthesis.{theirs}.affine")
