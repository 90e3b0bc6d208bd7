"""Convolutions on a processor whose weights already lie in memory as oneDNN reads them.

Else every call brings all weights into that order first, which for a few positions takes longer than convolving them.
"""

from functools import cache

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

MANY = 2**18  # weights, from which on it pays


@cache
def supported(dtype: torch.dtype) -> bool:
    """Whether this processor and this PyTorch convolve packed weights."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return False
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def possible(x: Tensor) -> bool:
    """Whether a convolution may be computed in a way that only processors know, and no one traces or counts."""
    return x.device.type == "cpu" and not (torch.compiler.is_compiling() or is_in_torch_dispatch_mode())


def pays(x: Tensor, weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether `convolve` is faster in this precision, and may be called: it knows no gradients."""
    return weight.numel() >= MANY and not torch.is_grad_enabled() and possible(x) and supported(dtype)


def packed(weight: Tensor, x: Tensor, stride: int, padding: int) -> Tensor:
    """Weights (O, C, k, k) for `convolve`: good for every x, and best for those of this one's size."""
    made: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry(stride, padding), list(x.shape))
    return made


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
    """`F.conv2d` of x (N, C, H, W) with packed weights, in their precision."""
    bias = None if bias is None else bias.to(weight.dtype)
    y: Tensor = torch.ops.mkldnn._convolution_pointwise(
        *(x.to(weight.dtype), weight, bias, *geometry(stride, padding)), "none", [], ""
    )
    return y


def geometry(stride: int, padding: int) -> tuple[list[int], list[int], list[int], int]:
    """What both of oneDNN's operations are told, without dilation and in one group."""
    return [padding] * 2, [stride] * 2, [1, 1], 1
