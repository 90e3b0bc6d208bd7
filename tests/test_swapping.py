"""The Swapping Autoencoder from pictures to codes and back."""

from dataclasses import replace

import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused

from graftlab.codes import StyleCodes, SwapCodes
from graftlab.config import preset
from graftlab.networks.layers import Linear, ModulatedConv, normalize, spread
from graftlab.networks.resampling import blur
from graftlab.networks.swapping import SwappingAutoencoder

MODES = ("none", "fixed")


def test_codes_have_the_promised_shapes():
    codes = tiny.model().encode(tiny.pictures(3, 36, 44))
    assert codes.structure.shape == (3, 8, 9, 11)
    assert codes.texture.shape == (3, 16)
    assert (codes.size, codes.model) == (None, None)
    torch.testing.assert_close(codes.structure.norm(dim=1), torch.ones(3, 9, 11))
    torch.testing.assert_close(codes.texture.norm(dim=1), torch.ones(3))
    picture = tiny.model().decode(codes)
    assert picture.shape == (3, 3, 36, 44)
    assert picture.dtype == torch.float32


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_eight_is_eight_batches_of_one(mode):
    model, pictures = tiny.model(), tiny.pictures(8)
    codes = model.encode(pictures)
    one_by_one = [model.encode(picture) for picture in pictures.split(1)]
    assert tiny.differ(torch.cat([code.structure for code in one_by_one]), codes.structure) < 1e-5
    assert tiny.differ(torch.cat([code.texture for code in one_by_one]), codes.texture) < 1e-5
    separate = torch.cat([model.decode(code, noise=mode) for code in codes])
    assert tiny.differ(separate, model.decode(codes, noise=mode)) < 1e-5
    assert tiny.differ(separate[:1], separate[1:2]) > 1e-2


# -- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(28, 28), (29, 28), (31, 43), (32, 128)])
def test_any_size_comes_back(size):
    model = tiny.model()
    codes = model.encode(tiny.pictures(2, *size))
    assert codes.structure.shape[2:] == tuple(-(-side // 4) for side in size)
    assert codes.size == (None if size[0] % 4 == size[1] % 4 == 0 else size)
    assert model.decode(codes).shape == (2, 3, *size)


@pytest.mark.parametrize("size", [(29, 30), (32, 35)])
def test_padding_reflects_and_the_crop_takes_it_off_again(size):
    """The same as padding by hand, left and top getting the smaller half, and cropping the same rows and columns."""
    model, pictures = tiny.model(), tiny.pictures(1, *size)
    down, right = (-side % 4 for side in size)
    top, left = down // 2, right // 2
    padded = F.pad(pictures, (left, right - left, top, down - top), mode="reflect")
    codes, by_hand = model.encode(pictures), model.encode(padded)
    assert torch.equal(codes.structure, by_hand.structure)
    assert torch.equal(codes.texture, by_hand.texture)
    whole = model.decode(by_hand)
    assert torch.equal(model.decode(codes), whole[:, :, top : top + size[0], left : left + size[1]])


def test_what_is_decoded_lies_where_it_was():
    """With generator and encoder replaced by the identity on cells, a picture of any size comes back unmoved."""
    config = replace(preset("tiny"), structure_channels=48)
    model = SwappingAutoencoder(config)

    class Cells(torch.nn.Module):
        def forward(self, images):
            return F.pixel_unshuffle(images, 4), torch.ones(len(images), 16)

    class Picture(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.place = torch.nn.Parameter(torch.zeros(()))  # of the model's weights

        def forward(self, structure, texture, noise):
            return F.pixel_shuffle(structure, 4)

    model.encoder, model.generator = Cells(), Picture()
    for size in ((28, 28), (29, 30), (31, 33), (34, 35)):
        pictures = tiny.pictures(1, *size)
        assert torch.equal(model.decode(model.encode(pictures)), pictures)


def test_pictures_that_are_too_small_and_what_is_no_batch_of_them_are_refused():
    encode = tiny.model().encode
    for height, width in ((27, 64), (64, 27), (1, 1), (0, 32)):
        words = (
            rf"{width} x {height} pixels is too small for this model, which needs 28 a side; enlarge it \(--size\)\."
        )
        refused(words, encode, torch.zeros(1, 3, height, width))
    for shape in ((1, 1, 32, 32), (1, 4, 32, 32), (3, 32, 32), (32, 32), (1, 3, 32, 32, 1)):
        refused(r"must be floating-point numbers \(N, 3, H, W\), not torch.float32", encode, torch.zeros(shape))
    refused(r"torch.uint8 \(1, 3, 32, 32\)", encode, torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_pictures_and_codes_in_other_precisions():
    model, pictures = tiny.model(), tiny.pictures()
    codes = model.encode(pictures.double())
    assert torch.equal(codes.structure, model.encode(pictures).structure)
    assert tiny.differ(model.decode(codes.to(torch.float16)), model.decode(codes)) < 1e-2


# -- swaps ------------------------------------------------------------------------------------------------------------


def test_a_swap_of_pictures_of_different_size():
    model = tiny.model()
    tall, wide = model.encode(tiny.pictures(1, 61, 30)), model.encode(tiny.pictures(1, 32, 75, seed=1))
    assert model.decode(tall.mix(wide, texture=1)).shape == (1, 3, 61, 30)
    assert model.decode(wide.mix(tall, texture=1)).shape == (1, 3, 32, 75)
    assert model.decode(tall.mix(wide, structure=1)).shape == (1, 3, 32, 75)
    assert torch.equal(model.decode(tall.mix(wide, structure=1)), model.decode(wide.mix(tall, texture=1)))
    assert torch.equal(model.decode(tall.mix(wide, structure=1, texture=1)), model.decode(wide))


def test_structure_and_texture_both_matter():
    model = tiny.model()
    a, b = model.encode(tiny.pictures(2))
    pictures = [model.decode(codes) for codes in (a, a.mix(b, texture=1), a.mix(b, structure=1), b)]
    for i in range(4):
        for j in range(i):
            assert tiny.differ(pictures[i], pictures[j]) > 1e-2


@pytest.mark.parametrize("count", [1, 3])
def test_a_texture_map_works_for_any_batch(count):
    model, codes = tiny.model(), tiny.model().encode(tiny.pictures(count))
    constant = replace(codes, texture=codes.texture[:, :, None, None].expand(-1, -1, 3, 2))
    assert tiny.differ(model.decode(constant), model.decode(codes)) < 1e-5
    varied = replace(codes, texture=torch.randn(count, 16, 5, 4))
    pictures = model.decode(varied)
    assert pictures.shape == (count, 3, 32, 32)
    assert tiny.differ(torch.cat([model.decode(one) for one in varied]), pictures) < 1e-5


def test_a_style_is_resized_after_the_affine_map_or_before():
    layer, texture, like = Linear(16, 5, bias=1.0), torch.randn(2, 16, 3, 4), torch.zeros(2, 1, 12, 10)
    before = layer(F.interpolate(texture, size=(12, 10), mode="bilinear", align_corners=False))
    torch.testing.assert_close(spread(layer(texture), like), before)


@pytest.mark.parametrize("double", [None, (1, 3, 3, 1), (1,)])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_is_the_plain_one(demodulate, double):
    """Against the form with a kernel per item: modulate, demodulate, then convolve each item with its own."""
    torch.manual_seed(0)
    conv = ModulatedConv(6, 4, 3, 16, demodulate=demodulate, double=double).double()
    x, texture, bias = torch.randn(2, 6, 8, 7).double(), torch.randn(2, 16).double(), torch.randn(4).double()
    ours = conv(x, texture, bias, 1.5)
    for n in range(2):
        style = conv.modulation.affine(texture[n : n + 1])[0]
        kernel = conv.weight / (6 * 9) ** 0.5
        if demodulate:
            style = style / style.square().mean().sqrt()
            kernel = kernel / kernel.square().sum((1, 2, 3), keepdim=True).sqrt()
        kernel = kernel * style[:, None, None]
        if double is None:
            plain = F.conv2d(x[n : n + 1], kernel, padding=1)
        else:
            plain = F.conv_transpose2d(x[n : n + 1], kernel.transpose(0, 1), stride=2)
            border = len(double) - 4
            plain = blur(plain, double, ((border + 1) // 2 + 1, border // 2 + 1), gain=4.0)
            assert plain.shape[2:] == (16, 14)
        assert tiny.differ(ours[n : n + 1], 1.5 * (plain + bias[:, None, None])) < 1e-6


# -- what decode refuses ----------------------------------------------------------------------------------------------


def test_codes_of_another_model_are_refused():
    model = tiny.new_model()
    model.fingerprint = "a" * 64
    codes = model.encode(tiny.pictures())
    assert codes.model == "a" * 64
    model.decode(codes)
    foreign = replace(codes, model="b" * 64)
    refused(r"another model \(bbbbbbbbbbbb, this one is aaaaaaaaaaaa\); encode", model.decode, foreign)
    assert torch.equal(model.decode(replace(codes, model=None)), model.decode(codes))
    tiny.model().decode(codes)  # a model in training has no fingerprint


def test_codes_of_other_channels_kinds_and_sizes_are_refused():
    decode, grid = tiny.model().decode, torch.ones(1, 8, 8, 8)
    refused("have 8 and 16 channels, these have 8 and 17", decode, SwapCodes(grid, torch.zeros(1, 17)))
    refused("have 8 and 16 channels, these have 4 and 16", decode, SwapCodes(grid[:, :4], torch.zeros(1, 16)))
    refused("decodes SwapCodes, not StyleCodes", decode, StyleCodes(torch.zeros(1, 6, 16)))
    for height, width in ((33, 32), (28, 32), (32, 1), (10**9, 32)):
        words = f"for 32 x 32 pixels cannot be of a picture of {width} x {height}; encode the picture again"
        refused(words, decode, SwapCodes(grid, torch.ones(1, 16), size=(height, width)))


# -- gradients and precision ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_differentiable_through_both(mode):
    pictures = tiny.pictures(2, 30, 33).requires_grad_()
    model = tiny.model()
    codes = model.encode(pictures)
    decoded = model.decode(codes.mix(codes[1], texture=0.5), noise=mode)
    (gradient,) = torch.autograd.grad(decoded.square().sum(), pictures)
    assert gradient.isfinite().all()
    assert (gradient.abs().flatten(1).amax(1) > 0).all()


def test_gradients_are_right():
    model = tiny.new_model().double()
    torch.manual_seed(3)
    structure = torch.randn(1, 8, 2, 2, dtype=torch.double, requires_grad=True)
    texture = torch.randn(1, 16, 2, 1, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda s, t: model.decode(SwapCodes(s, t), noise="none"), (structure, texture), fast_mode=True
    )


def test_bfloat16_is_close_to_float32():
    model, pictures = tiny.new_model(), tiny.pictures(2)
    codes, decoded = model.encode(pictures), model.decode(model.encode(pictures))
    model.precision = torch.bfloat16
    ours = model.encode(pictures)
    assert ours.structure.dtype == ours.texture.dtype == torch.float32
    assert 0 < tiny.differ(ours.structure, codes.structure) < 0.05
    assert 0 < tiny.differ(ours.texture, codes.texture) < 0.05
    fast = model.decode(codes)
    assert fast.dtype == torch.float32
    assert 0 < tiny.differ(fast, decoded) < 0.1


def test_normalize():
    codes = torch.randn(2, 8, 3, 3)
    torch.testing.assert_close(normalize(codes).norm(dim=1), torch.ones(2, 3, 3))
    assert normalize(torch.zeros(1, 8)).abs().max() == 0  # and not NaN
    assert normalize(codes.half()).dtype == torch.float32
    assert normalize(codes.double()).dtype == torch.float64


def test_blur_is_the_outer_product_of_its_taps():
    x = torch.randn(1, 2, 6, 5)
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    kernel = torch.outer(taps, taps).expand(2, 1, 4, 4)
    torch.testing.assert_close(blur(x, (1, 3, 3, 1), (2, 2)), F.conv2d(F.pad(x, (2, 2, 2, 2)), kernel, groups=2))
    torch.testing.assert_close(blur(x, (1, 3, 3, 1), (2, 1)), F.conv2d(F.pad(x, (2, 1, 2, 1)), kernel, groups=2))
    constant = torch.full((1, 2, 6, 6), 0.7)
    torch.testing.assert_close(blur(constant, (1, 2, 1), (1, 1), reflect=True), constant)
    torch.testing.assert_close(blur(x, (1,), (0, -1)), x[..., :-1, :-1])


@pytest.mark.parametrize("pad", [(2, 1), (0, -1)])
def test_gradients_of_blur_are_those_of_the_convolution(pad):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def filtered(x, bias):
        return blur(x, (1, 2, 5, 3), pad, gain=2.0, bias=bias)

    assert torch.autograd.gradcheck(filtered, (x, bias))
    assert torch.autograd.gradgradcheck(filtered, (x, bias))
