"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray
2016, section 4.1), as matrix products.

Polynomials that stand for a line of a tile and for a line of the kernel are multiplied by their values at a few points;
the plane is a line of lines.
"""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.networks import packing

POINTS = (
    0,
    0.625,
    -0.625,
    1.5,
    -1.5,
)  # and infinity: rounds twice as much as a direct convolution, with 1 and 2 four times
STEP, KERNEL = 4, 3  # pixels of the result, and of the kernel, along a tile's side
SIDE = STEP + KERNEL - 1  # of a tile
TILES = 128  # that are worked on at once
WIDE = 2**14  # inputs times outputs of a layer, from which on this pays
MUCH = 2**28  # the same times places of the picture, else transforming the weights takes longer than one call gains


@cache
@torch.inference_mode(False)
def matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Of tiles to values (36, 36), of kernels to values (36, 9), of products of values to results (16, 36), float64."""
    powers = np.arange(SIDE)
    values = np.array([[point**power for power in powers] for point in POINTS], float)
    others = [[other for other in POINTS if other != point] for point in POINTS]
    norms = np.array([np.prod([point - other for other in rest]) for point, rest in zip(POINTS, others, strict=True)])
    infinity = np.eye(SIDE)[-1]
    tile = np.stack([*(np.append(np.poly(rest)[::-1], 0) for rest in others), np.poly(POINTS)[::-1]])
    kernel = np.stack([*(values[:, :KERNEL] / norms[:, None]), infinity[-KERNEL:]])
    result = np.stack([*values[:, :STEP], infinity[-STEP:]], 1)
    to_values, of_kernel, to_results = (torch.from_numpy(np.kron(each, each)) for each in (tile, kernel, result))
    return to_values, of_kernel, to_results


def pays(x: Tensor, weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether `convolve` is faster than a convolution of stride 1 in this precision."""
    pairs = weight.shape[0] * weight.shape[1]
    if weight.shape[2:] != (KERNEL, KERNEL) or pairs < WIDE or pairs * x.shape[0] * x[0, 0].numel() < MUCH:
        return False
    if x.requires_grad:  # what a backward pass would keep and go through costs more than is gained
        return False
    return dtype.itemsize >= 4 and packing.possible(x)  # in bf16 it would round ten times as much


def transformed(weight: Tensor) -> Tensor:
    """Weights (O, C, 3, 3) as `convolve` takes them: (36, C, O)."""
    _, of_kernel, _ = matrices()
    values = of_kernel.to(weight.device) @ weight.double().flatten(2).permute(2, 1, 0).flatten(1)
    return values.unflatten(1, (weight.shape[1], weight.shape[0])).to(weight.dtype)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, pad: int) -> Tensor:
    """x (N, C, H, W) convolved with what `transformed` made of weights, then the bias (O,); returns (N, O, H', W'),
    channels last."""
    bias = weight.new_zeros(weight.shape[2]) if bias is None else bias
    height, width = (side + 2 * pad - KERNEL + 1 for side in x.shape[2:])
    down, across = -(-height // STEP), -(-width // STEP)  # tiles
    x = F.pad(x, (pad, STEP * across - width + pad, pad, STEP * down - height + pad))
    strip = max(1, TILES // (len(x) * across))
    strips = [
        strip_of(x[:, :, STEP * row : STEP * min(down, row + strip) + KERNEL - 1], weight, bias)
        for row in range(0, down, strip)
    ]
    return torch.cat(strips, 1).permute(0, 3, 1, 2)[:, :, :height, :width]


def strip_of(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Some rows of tiles x (N, C, H, W); returns (N, H - 2, W - 2, O)."""
    to_values, _, to_results = (each.to(x) for each in matrices())
    tiles = x.unfold(2, SIDE, STEP).unfold(3, SIDE, STEP).permute(4, 5, 0, 2, 3, 1)
    n, down, across, channels = tiles.shape[2:]
    values = to_values @ tiles.reshape(SIDE**2, -1)
    products = torch.bmm(values.view(SIDE**2, -1, channels), weight)
    results = torch.addmm(bias.repeat(products.shape[1]), to_results, products.flatten(1))
    y = results.view(STEP, STEP, n, down, across, -1).permute(2, 3, 0, 4, 1, 5)
    return y.reshape(n, STEP * down, STEP * across, -1)
