"""Primitives of StyleGAN2 and of the Swapping Autoencoder, in plain PyTorch.

Weights are stored with unit variance and scaled when used (equalised learning rate, Karras et al. 2018, section 4.1).
The activation is a leaky rectifier with slope 0.2 and gain sqrt(2); since it is positively homogeneous, its gain, and
any factor on the result, is folded into weight and bias, where it costs nothing.
"""

from collections.abc import Callable
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.networks import packing, winograd
from graftlab.networks.resampling import blur

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


def rectify(x: Tensor, clamp: float = 0.0) -> Tensor:
    """The activation, in place, without its gain; then limited to [-clamp, clamp], where `clamp` is not 0."""
    x = F.leaky_relu(x, SLOPE, inplace=True)
    return x.clamp(-clamp, clamp) if clamp else x


class Equalized(nn.Module):
    """A layer whose weights are scaled where they are used.

    With small pictures or wide layers, scaling, casting and laying out weights takes longer than the convolution. So
    frozen weights of a layer in eval mode cache the result until they change, at the cost of twice the memory, or five
    times in wide layers of large pictures."""

    weight: nn.Parameter

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, tuple[Tensor, tuple[object, ...], Tensor]] = {}  # what `kept` made, by form

    def scaled(self, gain: float) -> Tensor:
        """The weights as used, times `gain`."""
        raise NotImplementedError

    @property
    def frozen(self) -> bool:
        """Whether a form of the weights is good for more than one call."""
        return not (self.weight.requires_grad or self.training)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of autocast, else the weights' own."""
        device = self.weight.device.type
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.weight.dtype

    def used(self, gain: float) -> Tensor:
        """The same, in the precision of autocast."""
        return self.kept("scaled", gain, self.dtype)

    def kept(
        self, form: str, gain: float, dtype: torch.dtype, pack: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """What the method `form` makes of the weights, then `pack`; if they are frozen, kept for the next call."""
        weight, name = self.weight, "packed" if pack else form
        if not self.frozen:
            self._kept.clear()  # fused optimisers change weights without a trace in `_version`
            return getattr(self, form)(gain)
        state = (weight._version, weight.data_ptr(), gain, dtype)
        known = self._kept.get(name)
        if known is None or known[0] is not weight or known[1] != state:
            with torch.inference_mode(False), torch.no_grad():  # good for the gradients of a later call too
                made = getattr(self, form)(gain).to(dtype)
                layout = torch.channels_last if made.ndim == 4 else torch.contiguous_format
                made = made.contiguous(memory_format=layout)
                known = self._kept[name] = (weight, state, pack(made) if pack else made)
        return known[2]

    def convolve(self, x: Tensor, gain: float, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
        """x (N, C, H, W) convolved with the weights as used, then the bias: in the fastest way that keeps precision."""
        dtype = self.dtype
        if self.frozen and stride == 1 and winograd.pays(x, self.weight, dtype):
            return winograd.convolve(x, self.kept("transformed", gain, dtype), bias, padding)
        if self.frozen and packing.pays(x, self.weight, dtype):
            weight = self.kept("scaled", gain, dtype, lambda weight: packing.packed(weight, x, stride, padding))
            return packing.convolve(x, weight, bias, stride, padding)
        return F.conv2d(x, self.used(gain), bias, stride, padding)

    def transformed(self, gain: float) -> Tensor:
        """The weights as used, as Winograd's method takes them, at the cost of four times their memory."""
        return winograd.transformed(self.scaled(gain))

    def __getstate__(self) -> dict[str, object]:
        """For copies, which keep forms of their own: packed weights cannot be copied."""
        return self.__dict__ | {"_kept": {}}


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
        bias = None if self.bias is None else self.bias * self.gain
        if self.halve:
            y = self.convolve(blur(x, self.halve, self.pad, self.reflect), self.gain, bias, stride=2)
        elif self.reflect:
            y = self.convolve(F.pad(x, (*self.pad, *self.pad), mode="reflect"), self.gain, bias)
        else:
            y = self.convolve(x, self.gain, bias, padding=self.pad[0])
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
        width = self.weight.shape[-1]
        if self.doubling is None:
            return self.convolve(x, gain, bias, padding=width // 2)
        y = F.conv_transpose2d(x, self.used(gain), stride=2)
        border = len(self.doubling) - width - 1  # what makes (2H + 1) rows 2H again
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
