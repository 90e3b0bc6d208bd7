"""What only a GPU can show: the same results as on the processor, work recorded as a graph, training."""

import pytest
import torch
from tiny import differ, new_model, pictures, stylegan2, stylegan3

from graftlab.codes import SwapCodes
from graftlab.config import SwappingTrainConfig, preset, recipe
from graftlab.editing.swaps import swap
from graftlab.training.trainers import new_trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA's")
CUDA = torch.device("cuda")
NEAR = 1e-4  # of a tensor's largest value


def test_codes_and_hybrids():
    model, images = new_model(), pictures(2)
    codes = model.encode(images)
    crossed = SwapCodes(codes.structure, codes.texture.flip(0))
    hybrids = model.decode(crossed)
    found = model.to(CUDA).encode(images)
    assert differ(found.structure.cpu(), codes.structure) < NEAR
    assert differ(found.texture.cpu(), codes.texture) < NEAR
    assert differ(model.decode(crossed).cpu(), hybrids) < NEAR


@pytest.mark.parametrize("make", [stylegan2, stylegan3])
def test_pictures_of_seeds(make):
    model = make()
    expected = model.sample([1, 2])
    assert differ(model.to(CUDA).sample([1, 2]).cpu(), expected) < NEAR


def test_a_swap_recorded_as_a_graph():
    """So nothing in it waits for the processor."""
    model, images, side = new_model().to(CUDA), pictures(2).to(CUDA), torch.cuda.Stream()
    expected = swap(model, images[:1], images[1:])  # which also makes what is kept for later calls
    with torch.cuda.stream(side):
        swap(model, images[:1], images[1:])
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = swap(model, images[:1], images[1:])
    made.zero_()
    graph.replay()
    assert differ(made, expected) < NEAR


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_goes_on_from_its_state(precision):
    config = SwappingTrainConfig(preset("tiny"), recipe("official"), "", batch=4, precision=precision)
    one, other = (new_trainer(config, CUDA, compiled=False) for _ in range(2))
    images = pictures(4)
    for _ in range(3):
        one.step(images)
    other.restore(*one.state())
    expected, found = one.step(images), other.step(images)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-2, abs=1e-3)  # sums are in no order on a GPU
