"""The first StyleGAN, from a pickle of the TensorFlow code that is made here: its pictures are those of the paper's
formulas, which stand here a second time, over NVIDIA's variables."""

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from claims import refused
from test_tensorflow import file_of, network
from tiny import differ
from torch import Tensor

from graftlab.checkpoints.build import build
from graftlab.checkpoints.formats.tensorflow_stylegan1 import read
from graftlab.networks.stylegan1 import StyleGAN1

W, Z, CHANNELS = 6, 5, (7, 6, 4)  # of 4, 8 and 16 pixels
Variables = dict[str, np.ndarray]


def variables() -> tuple[Variables, Variables, np.ndarray]:
    """Those of mapping and synthesis by their names, and the mean of w."""
    rng = np.random.default_rng(0)

    def array(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    mapping, width = {}, Z
    for index in range(3):
        mapping |= {f"Dense{index}/weight": array(width, W) / 0.01, f"Dense{index}/bias": array(W) / 0.01}
        width = W
    synthesis, before, number = {"lod": np.float32(0), "4x4/Const/const": array(1, CHANNELS[0], 4, 4)}, CHANNELS[0], 0
    for block, channels in enumerate(CHANNELS):
        side = 4 * 2**block
        for name in ("Conv0_up", "Conv1") if block else ("Const", "Conv"):
            scope = f"{side}x{side}/{name}"
            if name != "Const":
                synthesis[f"{scope}/weight"] = array(3, 3, before, channels)
            before = channels
            synthesis |= {
                f"{scope}/bias": array(channels),
                f"{scope}/Noise/weight": array(channels),
                f"{scope}/StyleMod/weight": array(W, 2 * channels),
                f"{scope}/StyleMod/bias": array(2 * channels),
                f"noise{number}": array(1, 1, side, side),
            }
            number += 1
    synthesis |= {"ToRGB_lod0/weight": array(1, 1, before, 3), "ToRGB_lod0/bias": array(3)}
    return mapping, synthesis, array(W)


def drawn(mapping: Variables, synthesis: Variables, z: Tensor, fused: bool) -> tuple[Tensor, Tensor]:
    """w (N, Cw) and pictures of latent vectors, as section 2 and appendix C of the paper have them."""
    known = {name: torch.as_tensor(value) for name, value in (mapping | synthesis).items()}

    def dense(x: Tensor, scope: str, gain: float, rate: float = 1.0) -> Tensor:
        weight = known[f"{scope}/weight"]
        return x @ (weight * (rate * gain / sqrt(len(weight)))) + known[f"{scope}/bias"] * rate

    x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for index in range(3):
        x = F.leaky_relu(dense(x, f"Dense{index}", sqrt(2), 0.01), 0.2)
    w, layer = x, 0

    def kernel(scope: str, gain: float = sqrt(2)) -> Tensor:
        weight = known[f"{scope}/weight"]
        return (weight * (gain / sqrt(weight[..., 0].numel()))).permute(3, 2, 0, 1)

    def doubled(x: Tensor, scope: str) -> Tensor:
        if fused:  # a transposed convolution, whose kernel is smeared over one pixel more
            smeared = F.pad(kernel(scope).transpose(0, 1), (1, 1, 1, 1))
            smeared = smeared[..., 1:, 1:] + smeared[..., :-1, 1:] + smeared[..., 1:, :-1] + smeared[..., :-1, :-1]
            x = F.conv_transpose2d(x, smeared, stride=2, padding=1)
        else:
            x = F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), kernel(scope), padding=1)
        taps = torch.tensor([1.0, 2, 1]) / 4
        return F.conv2d(x, torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])

    def finished(x: Tensor, scope: str) -> Tensor:
        nonlocal layer
        x = x + known[f"noise{layer}"] * known[f"{scope}/Noise/weight"][:, None, None]
        x = F.leaky_relu(x + known[f"{scope}/bias"][:, None, None], 0.2)
        x = x - x.mean((2, 3), keepdim=True)
        x = x * torch.rsqrt(x.square().mean((2, 3), keepdim=True) + 1e-8)
        scale, shift = dense(w, f"{scope}/StyleMod", 1.0)[:, :, None, None].chunk(2, 1)
        layer += 1
        return x * (scale + 1) + shift

    x = finished(known["4x4/Const/const"].expand(len(z), -1, -1, -1), "4x4/Const")
    x = finished(F.conv2d(x, kernel("4x4/Conv"), padding=1), "4x4/Conv")
    for side in (8, 16):
        x = finished(doubled(x, f"{side}x{side}/Conv0_up"), f"{side}x{side}/Conv0_up")
        x = finished(F.conv2d(x, kernel(f"{side}x{side}/Conv1"), padding=1), f"{side}x{side}/Conv1")
    return w, F.conv2d(x, kernel("ToRGB_lod0", 1.0)) + known["ToRGB_lod0/bias"][:, None, None]


def generator(fused: Any = "auto", **more: np.ndarray) -> dict[str, Any]:
    mapping, synthesis, average = variables()
    parts = {
        "mapping": network("G_mapping", "G_mapping", mapping),
        "synthesis": network("G_synthesis", "G_synthesis", synthesis | more),
    }
    options = {"num_channels": 3, "resolution": 16, "label_size": 0, "fused_scale": fused}
    return network("G", "G_style", {"dlatent_avg": average}, static_kwargs=options, components=parts)


@pytest.mark.parametrize("fused", ["auto", True])  # 16 pixels are too few to be fused by themselves
def test_pictures_are_those_of_the_formulas(tmp_path: Path, fused: Any):
    state = generator(fused)
    file = read(file_of([state, state, state], tmp_path / "g.pkl"))
    assert file is not None
    model = build(file)
    assert isinstance(model, StyleGAN1)
    mapping, synthesis, average = variables()
    z = torch.randn(3, Z, generator=torch.Generator().manual_seed(1))
    w, wanted = drawn(mapping, synthesis, z, fused is True)
    codes = model.map(z)
    assert differ(codes.w[:, 0], w) < 1e-5
    assert differ(model.decode(codes), wanted) < 1e-4
    assert torch.equal(model.mapping.average, torch.as_tensor(average))
    assert differ(model.map(z, psi=0).w[0, 0], torch.as_tensor(average)) < 1e-6


def test_what_is_not_whole_is_refused(tmp_path: Path):
    growing = generator(lod=np.float32(1.5))
    refused("still grew .*later snapshot", read, file_of([growing] * 3, tmp_path / "g.pkl"))
    labelled = generator()
    labelled["components"]["mapping"]["variables"].append(("LabelConcat/weight", np.zeros((3, Z), np.float32)))
    refused("with classes", read, file_of([labelled] * 3, tmp_path / "g.pkl"))
    odd = generator()
    odd["static_kwargs"]["use_pixel_norm"] = True
    refused("use_pixel_norm", read, file_of([odd] * 3, tmp_path / "g.pkl"))
