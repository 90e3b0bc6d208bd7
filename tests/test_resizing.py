"""`graft resize-model`: the same pictures from more blocks, fewer, or a wider constant."""

from pathlib import Path

import pytest
import tiny
import torch
from claims import refused

from graftlab.blending.resizing import resize_model
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.networks.resampling import upsample
from graftlab.networks.stylegan2 import DOUBLE


def test_new_blocks_enlarge_and_old_ones_come_back():
    model = tiny.stylegan2()
    large = resize_model(model, 128)
    assert large.config.channels == (16, 16, 8, 8, 4, 2)
    twice = upsample(upsample(model.sample([1]), DOUBLE), DOUBLE)
    torch.testing.assert_close(large.sample([1]), twice)
    again = resize_model(large, 32).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in model.state_dict().items())
    small = resize_model(model, 8)
    for block in model.synthesis.blocks[2:]:
        block.to_rgb.weight.zero_()
        block.rgb_bias.zero_()
    torch.testing.assert_close(upsample(upsample(small.sample([1]), DOUBLE), DOUBLE), model.sample([1]))


def test_a_constant_that_is_stretched(graft):
    model = tiny.stylegan2()
    for noise in (block.conv.noise for block in model.synthesis.blocks):
        noise.fill_(0.5)
    model.synthesis.constant.copy_(
        model.synthesis.constant.mean((1, 2), keepdim=True).expand_as(model.synthesis.constant)
    )
    save_model(Path("m.safetensors"), model)
    assert graft("resize-model", "m.safetensors", "--aspect", "3:2", "-o", "wide.safetensors").code == 0
    wide, old = load("wide.safetensors", device="cpu"), load("m.safetensors", device="cpu")
    picture = wide.sample([3])
    assert picture.shape == (1, 3, 32, 48)
    assert torch.equal(wide.codes_of([3]).w, old.codes_of([3]).w)
    assert wide.about["parent"] == old.fingerprint
    high = resize_model(old, 64, (1, 2)).sample([3])
    assert high.shape == (1, 3, 64, 32)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "--size, --aspect"),
        (("--size", 48), "never makes 48"),
        (("--aspect", "5:3"), "as 3:2"),
        (("--aspect", "wide"), "not 'wide'"),
        (("--size", 64, "-o", "m.pkl"), "must end in .safetensors"),
    ],
)
def test_what_is_refused(graft, given, says):
    save_model(Path("m.safetensors"), tiny.stylegan2())
    assert says in graft("resize-model", "m.safetensors", *given).refusal()
    assert not Path("resized.safetensors").exists()


def test_the_size_is_that_of_the_stretched_constant():
    refused("never makes 32", resize_model, tiny.stylegan2(), 32, (3, 2))
