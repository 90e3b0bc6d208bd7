"""StyleGAN2's low-pass filter beside every change of resolution, of one short row of numbers (Karras et al. 2020)."""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def blur(
    x: Tensor,  # (N, C, H, W)
    taps: tuple[int, ...],
    pad: tuple[int, int],  # rows before and after, likewise columns; negative numbers crop
    reflect: bool = False,
    gain: float = 1.0,
    bias: Tensor | None = None,  # (C,)
) -> Tensor:
    """Low-pass filter: the outer product of `taps` with itself, normalised to sum to `gain`; then the bias.

    Returns (N, C, H', W')."""
    if reflect:
        x, pad = F.pad(x, (*pad, *pad), mode="reflect"), (0, 0)
    if len(taps) == 1:
        x = F.pad(x, (*pad, *pad)) if any(pad) else x
        x = x if gain == 1 else x * gain
        return x if bias is None else x + bias[:, None, None].to(x.dtype)
    if pad[0] != pad[1]:
        x, pad = F.pad(x, (*pad, *pad)), (0, 0)
    y: Tensor = Filter.apply(x, square(taps, gain, x.dtype, x.device), pad, bias)
    return y


@lru_cache(maxsize=64)  # a GPU waits for every number that it is brought
@torch.inference_mode(False)  # a kernel made during inference is also good for the gradients of a later call
def square(taps: tuple[int, ...], gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The outer product of `taps` with itself, normalised to sum to `gain`."""
    line = torch.tensor(taps, dtype=dtype, device=device)
    return torch.outer(line, line) * (gain / sum(taps) ** 2)


class Filter(torch.autograd.Function):
    """The same kernel for every channel. Its gradient is the same kind of filter, and is computed as one.

    PyTorch's own gradient of such a convolution takes ten times as long on a CPU: a third of a training step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, pad: tuple[int, int], bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.pad, ctx.dtype = pad, x.dtype
        channels = x.shape[1]
        return F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), bias, padding=pad, groups=channels)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (kernel,), (slope,) = ctx.saved_tensors, slopes
        to_x = to_bias = None
        if ctx.needs_input_grad[0]:
            mirrored = kernel.flip(0, 1).to(slope.dtype)
            pad = tuple(side - 1 - before for side, before in zip(kernel.shape, ctx.pad, strict=True))
            to_x = Filter.apply(slope, mirrored, pad, None).to(ctx.dtype)
        if ctx.needs_input_grad[3]:
            to_bias = slope.sum((0, 2, 3), dtype=torch.promote_types(slope.dtype, torch.float32))
        return to_x, None, None, to_bias


def upsample(x: Tensor, taps: tuple[int, ...] = (1, 3, 3, 1)) -> Tensor:
    """Double the resolution of x (N, C, H, W): zeros between the pixels, then the low-pass filter."""
    kernel = square(taps, 4.0, x.dtype, x.device).expand(x.shape[1], 1, -1, -1)
    return F.conv_transpose2d(x, kernel, stride=2, padding=len(taps) // 2 - 1, groups=x.shape[1])
