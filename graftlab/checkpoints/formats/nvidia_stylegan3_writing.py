"""StyleGAN3's generator as NVIDIA's classes hold it, which carry their filters and schedule with them."""

from typing import Any

from torch import Tensor

from graftlab.checkpoints.formats.nvidia import ALIAS_FREE
from graftlab.checkpoints.formats.nvidia_objects import DECAY, Instance, assemble, mapping
from graftlab.checkpoints.formats.nvidia_stylegan3 import FILTERS, SCHEDULE, generator_names
from graftlab.config.stylegan3 import PICTURE, StyleGAN3Config
from graftlab.networks.stylegan3 import SCALE, FilteredConv, StyleGAN3

TRACKING = 0.999  # of the running mean square of features, should training go on


def generator3(model: StyleGAN3) -> Instance:
    """A generator. Sizes are pairs of numbers, which their code takes as it takes its own arrays."""
    config, synthesis = model.config, model.synthesis
    layers = {
        f"L{index}_{layer.stage.size}_{layer.stage.channels}": layer
        for index, layer in enumerate((*synthesis.layers, synthesis.to_rgb))
    }
    named = generator_names([*layers], config.mapping_layers, config.classes > 0)
    held = model.state_dict()
    network = assemble("Generator", ALIAS_FREE, {theirs: held[ours] for ours, theirs in named})
    z, w, wide = config.z_channels, config.w_channels, config.layers
    sides = {"img_resolution": config.size, "img_channels": PICTURE}
    network.attributes = {"z_dim": z, "c_dim": config.classes, "w_dim": w, "num_ws": wide, **sides}
    widths, made = widths_of(config), {"w_dim": w, **sides, **arguments(config)}
    if widths:
        whole = {"z_dim": z, "c_dim": config.classes, "mapping_kwargs": {"num_layers": config.mapping_layers}}
        network.attributes["_init_kwargs"] = {**whole, **made, **widths}
    network.modules["mapping"].attributes = mapping(z, config.classes, w, wide, config.mapping_layers, DECAY)
    network.modules["mapping"].attributes |= {} if config.classes else {"embed": None}
    inner = network.modules["synthesis"]
    counts = {"num_layers": len(config.channels), "num_critical": config.critical, "margin_size": config.margin}
    inner.attributes = {"num_ws": wide, "w_dim": w, **sides, **counts, "output_scale": SCALE, "num_fp16_res": 0}
    inner.attributes |= {"layer_names": [*layers], "_init_kwargs": {**made, **widths}}
    first = synthesis.input.stage
    inner.modules["input"].attributes = {"w_dim": w, "channels": first.channels, "size": [first.size] * 2}
    inner.modules["input"].attributes |= {"sampling_rate": float(first.rate), "bandwidth": first.cutoff}
    for index, (name, layer) in enumerate(layers.items()):
        inner.modules[name].attributes = {"w_dim": w, **told(layer)}
        inner.modules[name].attributes["is_critically_sampled"] = index >= len(config.channels) - config.critical
        inner.modules[name].buffers |= dict(zip(FILTERS, filters(layer), strict=True))
    return network


def told(layer: FilteredConv) -> dict[str, Any]:
    """What a layer of theirs knows of itself."""
    before, stage = layer.before, layer.stage
    up, down = (1 if taps is None else len(taps) for taps in filters(layer))
    after = layer.filters[1]
    return {
        **{"is_torgb": layer.to_rgb, "use_fp16": False, "conv_kernel": layer.weight.shape[-1]},
        **{"in_channels": before.channels, "out_channels": stage.channels},
        **{"in_size": [before.size] * 2, "out_size": [stage.size] * 2},
        **{"in_sampling_rate": before.rate, "out_sampling_rate": stage.rate},
        "tmp_sampling_rate": before.rate * layer.up,
        **{"in_cutoff": before.cutoff, "out_cutoff": stage.cutoff},
        **{"in_half_width": before.half_width, "out_half_width": stage.half_width},
        **{"conv_clamp": layer.clamp or None, "magnitude_ema_beta": TRACKING},
        **{"up_factor": layer.up, "up_taps": up, "down_factor": layer.down, "down_taps": down},
        **{
            "down_radial": not layer.to_rgb and after.ndim == 2,
            "padding": [0, 0] * 2 if layer.to_rgb else [*layer.pad] * 2,
        },
    }


def filters(layer: FilteredConv) -> tuple[Tensor | None, Tensor | None]:
    """Up and down; of the layer to red, green, blue neither."""
    if layer.to_rgb:
        return None, None
    up, down = layer.filters
    return up.float(), down.float()


def arguments(config: StyleGAN3Config) -> dict[str, Any]:
    """What their synthesis network is made by, beside sizes and channels."""
    schedule = {theirs: getattr(config, ours) for theirs, ours in SCHEDULE.items()}
    kind = {"conv_kernel": config.kernel, "use_radial_filters": config.radial, "conv_clamp": config.clamp or None}
    return {"num_layers": len(config.channels), **schedule, **kind, "num_fp16_res": 0}


def widths_of(config: StyleGAN3Config) -> dict[str, int]:
    """The two arguments of theirs that make these channels; none if no such two do."""
    base, most = config.channels[-1] * config.size, config.channels[0]
    rule = (round(min(base / 2 / stage.cutoff, most)) for stage in config.stages[:-1])
    return {"channel_base": base, "channel_max": most} if (*rule,) == config.channels else {}
