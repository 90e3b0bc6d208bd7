"""Primitives of StyleGAN2 and of the Swapping Autoencoder, in plain PyTorch.

Weights are stored with unit variance and scaled when used (equalised learning rate, Karras et al. 2018, section 4.1).
The activation is a leaky rectifier with slope 0.2 and gain sqrt(2); since it is positively homogeneous, its gain, and
any factor on the result, is folded into weight and bias, where it costs nothing.
"""

from collections.abc import Callable
from functools import lru_cache
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-8
SLOPE = 0.2
GAIN = sqrt(2)


def full(x: Tensor) -> Tensor:
    """In float32 at least: what autocast left in bf16 is widened, float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def gaussian(*shape: int, deviation: float = 1.0) -> nn.Parameter:
    """Weights drawn from a normal distribution around zero, the same as `torch.randn` draws.

    On the device "meta", where files are checked against networks, nothing is drawn: PyTorch would load its compiler
    first, which takes seconds."""
    weights = torch.empty(shape)
    return nn.Parameter(weights if weights.is_meta else weights.normal_(0, deviation))


def normalize(codes: Tensor) -> Tensor:
    """Scale to unit length over channels (dim 1), at every position on its own."""
    codes = full(codes)
    return codes * torch.rsqrt(codes.square().sum(1, keepdim=True) + EPSILON)


def blur(
    x: Tensor,  # (N, C, H, W)
    taps: tuple[int, ...],
    pad: tuple[int, int],  # rows before and after, likewise columns; negative numbers crop
    reflect: bool = False,
    gain: float = 1.0,
    bias: Tensor | None = None,  # (C,)
) -> Tensor:
    """Low-pass filter to (N, C, H', W'): `taps` across and down, normalised to sum to `gain`; then the bias."""
    if reflect:
        x, pad = F.pad(x, (*pad, *pad), mode="reflect"), (0, 0)
    if len(taps) == 1:
        x = F.pad(x, (*pad, *pad)) if any(pad) else x
        x = x if gain == 1 else x * gain
        return x if bias is None else x + bias[:, None, None].to(x.dtype)
    if pad[0] != pad[1]:
        x, pad = F.pad(x, (*pad, *pad)), (0, 0)
    return Filter.apply(x, square(taps, gain, x.dtype, x.device), pad, bias)


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
        return F.conv2d(x, kernel.expand(x.shape[1], 1, *kernel.shape), bias, padding=pad, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (kernel,), (slope,) = ctx.saved_tensors, slopes
        to_x = to_bias = None
        if ctx.needs_input_grad[0]:
            mirrored = kernel.flip(0, 1).to(slope.dtype)
            pad = tuple(side - 1 - before for side, before in zip(kernel.shape, ctx.pad, strict=True))
            to_x = Filter.apply(slope, mirrored, pad, None).to(ctx.dtype)
        if ctx.needs_input_grad[3]:
            to_bias = full(slope).sum((0, 2, 3))
        return to_x, None, None, to_bias


def upsample(x: Tensor, taps: tuple[int, ...] = (1, 3, 3, 1)) -> Tensor:
    """Double the resolution of x (N, C, H, W): zeros between the pixels, then the low-pass filter."""
    kernel = square(taps, 4.0, x.dtype, x.device).expand(x.shape[1], 1, -1, -1)
    return F.conv_transpose2d(x, kernel, stride=2, padding=len(taps) // 2 - 1, groups=x.shape[1])


def rectify(x: Tensor, clamp: float = 0.0) -> Tensor:
    """The activation, in place, without its gain; then limited to [-clamp, clamp], where `clamp` is not 0."""
    x = F.leaky_relu(x, SLOPE, inplace=True)
    return x.clamp(-clamp, clamp) if clamp else x


class Equalized(nn.Module):
    """A layer whose weights are scaled where they are used.

    With small pictures or wide layers, scaling, casting and laying out weights takes longer than the convolution. So
    frozen weights of a layer in eval mode cache the result until they change, at the cost of twice the memory."""

    weight: nn.Parameter

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, tuple[Tensor, tuple[object, ...], Tensor]] = {}  # what `kept` made, by form

    def scaled(self, gain: float) -> Tensor:
        """The weights as used, times `gain`."""
        raise NotImplementedError

    def used(self, gain: float) -> Tensor:
        """The same, in the precision of autocast."""
        device = self.weight.device.type
        autocast = torch.is_autocast_enabled(device)
        return self.kept("scaled", gain, torch.get_autocast_dtype(device) if autocast else self.weight.dtype)

    def kept(self, form: str, gain: float, dtype: torch.dtype) -> Tensor:
        """What the method `form` makes of the weights; if they are frozen and in eval mode, kept for the next call."""
        weight = self.weight
        if weight.requires_grad or self.training:
            self._kept.clear()  # fused optimisers change weights without a trace in `_version`
            return getattr(self, form)(gain)
        state = (weight._version, weight.data_ptr(), gain, dtype)
        known = self._kept.get(form)
        if known is None or known[0] is not weight or known[1] != state:
            with torch.inference_mode(False), torch.no_grad():  # good for the gradients of a later call too
                made = getattr(self, form)(gain).to(dtype)
                layout = torch.channels_last if made.ndim == 4 else torch.contiguous_format
                known = self._kept[form] = (weight, state, made.contiguous(memory_format=layout))
        return known[2]


def across_channels(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A matrix (outputs, inputs) times x (N, inputs), or times every place of x (N, inputs, h, w); then the bias."""
    return F.linear(x, weight, bias) if x.ndim == 2 else F.conv2d(x, weight[:, :, None, None], bias)


class Linear(Equalized):
    """Equalised linear layer. x (N, C), or (N, C, h, w) as a 1x1 convolution; returns the same with other channels.

    `rate` multiplies the learning rate of weight and bias: they are stored divided by it."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, activate: bool = False, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = gaussian(outputs, inputs, deviation=1 / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.activate, self.rate = activate, rate

    def forward(self, x: Tensor) -> Tensor:
        gain = self.rate * (GAIN if self.activate else 1.0)
        y = across_channels(x, self.used(gain), self.bias * gain)
        return rectify(y) if self.activate else y

    def scaled(self, gain: float) -> Tensor:
        return self.weight * (gain / sqrt(self.weight.shape[1]))


class Conv(Equalized):
    """Equalised convolution, with low-pass filter and stride 2 if `halve`, with activation if `activate`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,  # of the kernel, pixels
        activate: bool = True,
        bias: bool = True,
        halve: tuple[int, ...] | None = None,  # taps of the filter before a stride of 2; None: no stride
        reflect: bool = False,  # reflection instead of zeros beyond the border
        valid: bool = False,  # no padding at all
        gain: float = 1.0,  # factor on the result
        clamp: float = 0.0,  # limit of the activation before that factor; 0: none
    ) -> None:
        super().__init__()
        self.weight = gaussian(outputs, inputs, width, width)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.activate, self.halve, self.reflect, self.clamp = activate, halve, reflect, clamp * gain
        self.gain = gain * (GAIN if activate else 1.0)
        border = 0 if valid else width - 1 + (len(halve) - 2 if halve else 0)
        self.pad = ((border + 1) // 2, border // 2)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.used(self.gain)
        bias = None if self.bias is None else self.bias * self.gain
        if self.halve:
            y = F.conv2d(blur(x, self.halve, self.pad, self.reflect), weight, bias, stride=2)
        elif self.reflect:
            y = F.conv2d(F.pad(x, (*self.pad, *self.pad), mode="reflect"), weight, bias)
        else:
            y = F.conv2d(x, weight, bias, padding=self.pad[0])
        return rectify(y, self.clamp) if self.activate else y

    def scaled(self, gain: float) -> Tensor:
        return self.weight * (gain / sqrt(self.weight[0].numel()))


class ResidualBlock(nn.Module):
    """Two convolutions with a 1x1 skip connection, downsampling by 2 if `halve` (StyleGAN2, Fig. 7c).

    The division of the sum by sqrt(2) is folded into the last convolution of either branch."""

    def __init__(
        self, inputs: int, outputs: int, halve: tuple[int, ...] | None, reflect: bool = False, clamp: float = 0.0
    ) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, inputs, 3, reflect=reflect, clamp=clamp)
        self.conv2 = Conv(inputs, outputs, 3, halve=halve, reflect=reflect, gain=1 / GAIN, clamp=clamp)
        self.skip = Conv(inputs, outputs, 1, activate=False, bias=False, halve=halve, gain=1 / GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)) + self.skip(x)


class Modulation(nn.Module):
    """A layer's affine map from the texture to one factor per channel (StyleGAN2, "A" in Fig. 2)."""

    def __init__(self, texture_channels: int, channels: int) -> None:
        super().__init__()
        self.affine = Linear(texture_channels, channels, bias=1.0)

    def forward(self, texture: Tensor, like: Tensor) -> Tensor:
        """texture (N, Ct) or a map (N, Ct, h', w'); returns (N, C, 1, 1) or (N, C, H, W) for `like` (N, *, H, W)."""
        return spread(self.affine(texture), like)


def spread(style: Tensor, like: Tensor) -> Tensor:
    """Style (N, C) as (N, C, 1, 1); a style map (N, C, h', w') resized to the height and width of `like`.

    Resizing comes after the affine map, not before as in the authors' code: the two commute, since the weights of
    bilinear interpolation sum to one, and the map is far smaller than the layer."""
    if style.ndim == 2:
        return style[:, :, None, None]
    return F.interpolate(style, size=like.shape[2:], mode="bilinear", align_corners=False)


class ModulatedConv(Equalized):
    """Modulated and demodulated convolution as in the code of the Swapping Autoencoder's authors.

    Unlike StyleGAN2's (eq. 1 to 3), the factors are divided by their root mean square over channels and multiply the
    input, and demodulation depends on the weight alone. So one weight serves the whole batch, and the style may vary
    over the picture."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int,  # of the kernel, pixels
        texture_channels: int,
        demodulate: bool = True,
        double: tuple[int, ...] | None = None,  # taps of the filter after a transposed convolution; None: same size
    ) -> None:
        super().__init__()
        self.weight = gaussian(outputs, inputs, width, width)
        self.modulation = Modulation(texture_channels, inputs)
        self.demodulate, self.doubling = demodulate, double

    def forward(self, x: Tensor, texture: Tensor, bias: Tensor, gain: float = 1.0) -> Tensor:
        """x (N, C, H, W), texture (N, Ct) or (N, Ct, h', w'); returns gain * (convolution + bias)."""
        style = full(self.modulation(texture, x))
        if self.demodulate:
            style = style * torch.rsqrt(style.square().mean(1, keepdim=True) + EPSILON)
        return self.convolved(x * style.to(x.dtype), bias * gain, gain)

    def convolved(self, x: Tensor, bias: Tensor | None, gain: float) -> Tensor:
        """gain * convolution of what is modulated already, then the bias."""
        weight = self.used(gain)
        if self.doubling is None:
            return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        y = F.conv_transpose2d(x, weight, stride=2)
        border = len(self.doubling) - weight.shape[-1] - 1  # what makes (2H + 1) rows 2H again
        return blur(y, self.doubling, ((border + 1) // 2 + 1, border // 2 + 1), gain=4.0, bias=bias)

    def scaled(self, gain: float) -> Tensor:
        weight = self.weight * (1 / sqrt(self.weight[0].numel()))
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + EPSILON)
        weight = weight * gain
        return weight if self.doubling is None else weight.transpose(0, 1)


class StyleConv(ModulatedConv):
    """Modulated and demodulated convolution of StyleGAN2 (Karras et al. 2020, eq. 1 to 3).

    Instead of per-sample weights, the style multiplies the input, one shared weight convolves it, and the demodulation
    factor divides the output. This is equivalent, because all three steps are linear."""

    def __init__(
        self, inputs: int, outputs: int, width: int, w_channels: int, double: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(inputs, outputs, width, w_channels, demodulate=False, double=double)

    def forward(self, x: Tensor, texture: Tensor, bias: Tensor, gain: float = 1.0) -> Tensor:
        """x (N, C, H, W), texture (a row of w) (N, Cw) or (N, Cw, h', w'); returns gain * (convolution + bias).

        Where the style varies over the picture, every position is demodulated by its own style, as if its neighbours
        had the same: exact where the style is constant within the kernel, an approximation between regions."""
        style = full(self.modulation.affine(texture))
        y = self.convolved(x * spread(style, x).to(x.dtype), None, gain)
        with torch.autocast(x.device.type, enabled=False):
            power = across_channels(style.square(), self.kept("power", 1.0, self.weight.dtype))
        factor, bias = torch.rsqrt(spread(power, y) + EPSILON), (bias * gain)[:, None, None]
        return torch.addcmul(bias.to(y.dtype), y, factor.to(y.dtype))

    def power(self, gain: float) -> Tensor:
        """Squares of the weights as used, summed over the kernel: (outputs, inputs)."""
        return self.weight.square().sum((2, 3)) * (gain**2 / self.weight[0].numel())


Noise = Callable[[int, Tensor], Tensor | None]
"""Noise for a layer: (layer number, its output (N, C, H, W)) to (1 or N, 1, H, W), or None for no noise."""


class StyledConv(nn.Module):
    """Modulated convolution, then noise, bias and activation, in this order."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        texture_channels: int,
        layer: int,  # position among the generator's layers, which tells the noise of one from another's
        noisy: bool = True,
        double: tuple[int, ...] | None = None,
        modulated: type[ModulatedConv] = ModulatedConv,  # or StyleConv
        clamp: float = 0.0,  # limit of the activation; 0: none
    ) -> None:
        super().__init__()
        self.conv = modulated(inputs, outputs, 3, texture_channels, double=double)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.layer, self.noisy, self.clamp = layer, noisy, clamp

    def forward(self, x: Tensor, texture: Tensor, noise: Noise, gain: float = 1.0) -> Tensor:
        """x (N, C, H, W), texture (N, Ct) or (N, Ct, h', w'); returns gain * sqrt(2) * leaky rectifier."""
        gain, clamp = gain * GAIN, self.clamp * gain
        y = self.conv(x, texture, self.bias, gain)
        if self.noisy and (field := noise(self.layer, y)) is not None:
            y = y.add_(field.to(y.dtype) * (self.noise_strength * gain).to(y.dtype))  # fresh from the convolution
        return rectify(y, clamp)
