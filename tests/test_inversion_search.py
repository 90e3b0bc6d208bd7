"""Codes of pictures found again, in any batches, after any interruption; and the pieces of the search."""

from math import nan, pi, sin

import pytest
import tiny
import torch
from claims import refused

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.codes import StyleCodes
from graftlab.inversion import work
from graftlab.inversion.descent import ramps
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Centre, Search, Settings, autocorrelation, draw, sample_codes, standardise
from graftlab.inversion.work import carry_out

MODEL = tiny.stylegan2()
with torch.no_grad():
    IMAGES = MODEL.sample([5, 6, 7])


def search(images=IMAGES, start=None, batch=8, keep_every=0, **settings):
    chosen = Settings(**{"steps": 12, **settings})
    return Search(MODEL, Likeness(images, None), chosen, start, batch, keep_every)


def done(*given, **named):
    begun = search(*given, **named)
    carry_out(begun)
    return begun.codes.w


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What a search of all steps found, and the state that it left."""
    begun, file = search(), tmp_path_factory.mktemp("search") / "state.safetensors"
    carry_out(begun, file=file)
    return begun.codes.w, file.read_bytes()


@pytest.fixture
def state(finished, tmp_path):
    """A copy of that state."""
    (tmp_path / "state.safetensors").write_bytes(finished[1])
    return tmp_path / "state.safetensors"


def distance(codes):
    return (draw(MODEL, codes) - IMAGES).square().mean().item()


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_picture_of_the_model_is_found_again(space):
    begun = search(space=space, steps=100)
    before = distance(begun.codes)
    losses = []
    carry_out(begun, lambda done, total, note: losses.append(float(note.removeprefix("loss "))))
    assert distance(begun.codes) < before / 8
    assert losses[-1] < losses[0] / 8
    assert len(losses) == 100
    assert begun.codes.w.shape == (3, MODEL.config.layers, 16)
    equal = torch.equal(begun.codes.w[:, 0], begun.codes.w[:, -1])
    assert equal == (space == "w")


def test_it_begins_at_the_mean_of_w():
    mean = sample_codes(MODEL, 5000, torch.Generator().manual_seed(9)).w[:, 0].mean(0)
    begun = search(steps=0)
    carry_out(begun)
    assert (begun.codes.w - mean).abs().max() < 0.1 * Centre.of(MODEL).unit


@pytest.mark.parametrize("free_noise", [False, True])
def test_each_photo_is_found_as_if_it_were_alone(free_noise):
    together = done(free_noise=free_noise)
    assert tiny.differ(done(batch=2, free_noise=free_noise), together) < 1e-4
    assert tiny.differ(done(IMAGES[1:2], free_noise=free_noise), together[1:2]) < 1e-4


def test_every_layer_of_the_first_stylegan_has_noise_to_search_for():
    model = tiny.stylegan1()
    maps = Search(model, Likeness(model.sample([1]), None), Settings(free_noise=True)).maps
    assert len(maps) == sum(name.endswith(".noise") for name in model.state_dict())


def test_seeds(finished):
    assert torch.equal(done(), finished[0])
    assert not torch.equal(done(seed=1), finished[0])
    assert torch.equal(done(jitter=0.0), done(jitter=0.0, seed=1))


@pytest.mark.parametrize("free_noise", [False, True])
def test_interrupted_and_continued_it_finds_the_same(free_noise, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    whole = search(free_noise=free_noise, keep_every=5)
    carry_out(whole)

    def stop(done, *_):
        if done == 7:
            raise KeyboardInterrupt

    file = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        carry_out(search(free_noise=free_noise, keep_every=5), stop, file)
    told = []
    again = search(free_noise=free_noise, keep_every=5)
    carry_out(again, lambda done, *_: told.append(done), file)
    assert told == [6, *range(7, 13)]  # stopped while it was told of the seventh, before that was saved
    assert torch.equal(again.codes.w, whole.codes.w)
    assert [codes.w.tolist() for codes in again.recall()] == [codes.w.tolist() for codes in whole.recall()]
    assert len(whole.recall()) == 3


def cut(file, left):
    file.write_bytes(file.read_bytes()[:left])


def without_sense(file, name):
    """A number that is none, under a right digest."""
    tensors, header = read_tensors(file)
    tensors[name].view(-1)[0] = nan
    write_tensors(file, tensors, header)


@pytest.mark.parametrize(
    ("damage", "where"),
    [(cut, 0), (cut, -1), (without_sense, "w"), (without_sense, "adam.0.exp_avg_sq")],
)
def test_a_damaged_state_counts_for_nothing(damage, where, finished, state):
    damage(state, where)
    again, told = search(), []
    carry_out(again, lambda done, total, note: told.append((done, note)), state)
    assert told[0] == (0, "its state was damaged: begun again")
    assert [done for done, _ in told[1:]] == list(range(1, 13))
    assert torch.equal(again.codes.w, finished[0])
    assert read_tensors(state)[1]["done"] == 12


def test_a_state_of_other_work_is_refused_by_name(state):
    parts = read_tensors(state)
    for lost in ("done", "loss", "w", "adam.0.exp_avg"):
        write_tensors(state, *({name: value for name, value in part.items() if name != lost} for part in parts))
        refused(r"state\.safetensors is no state of this work: remove it", carry_out, search(), file=state)


def test_a_loss_that_is_no_number_ends_it_and_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    begun, file = search(), tmp_path / "state.safetensors"
    step = begun.step
    begun.step = lambda: nan if begun.done == 3 else step()
    refused("Step 4 of 12 gave a loss of nan, from where no other leads back", carry_out, begun, file=file)
    assert read_tensors(file)[1]["done"] == 3


def test_a_last_step_that_leads_astray_is_not_kept(tmp_path):
    begun, file = search(), tmp_path / "state.safetensors"
    begun.done, step = 11, begun.step
    begun.step = lambda: (step(), begun.w.data.fill_(nan))[0]
    told = "Step 12 of 12 gave numbers that are not finite, from where no other leads back"
    refused(told, carry_out, begun, file=file)
    assert not file.exists()


def test_what_is_finished_is_not_done_again(finished, state):
    again, monitor = search(), []
    carry_out(again, lambda done, *_: monitor.append(done), state)
    assert monitor == [12]
    assert torch.equal(again.codes.w, finished[0])


def test_a_good_guess_is_kept():
    truth = MODEL.codes_of([5, 6, 7])
    near = done(start=truth, learning_rate=0.001)
    assert tiny.differ(near, truth.w) < 0.01
    flat = search(start=truth, space="w", steps=0)
    assert torch.allclose(flat.codes.w, truth.w, atol=1e-5)


def test_free_noise_is_searched_for_and_put_aside():
    begun = search(free_noise=True)
    before = [each.detach().clone() for each in begun.maps]
    own = [buffer.clone() for name, buffer in MODEL.named_buffers() if name.endswith("noise")]
    carry_out(begun)
    assert len(begun.maps) == len(own) == 2 * len(MODEL.config.channels) - 1
    assert all(not torch.equal(a, b) for a, b in zip(before, begun.maps, strict=True))
    assert all(abs(each.square().mean().item() - 1) < 1e-4 for each in begun.maps)
    after = [buffer for name, buffer in MODEL.named_buffers() if name.endswith("noise")]
    assert all(map(torch.equal, own, after))


def test_a_conditional_model():
    model = tiny.stylegan2(classes=3)
    with torch.no_grad():
        image = model.sample([1], labels=2)
    begun = Search(model, Likeness(image, None), Settings(steps=60))
    losses = []
    carry_out(begun, lambda done, total, note: losses.append(float(note.removeprefix("loss "))))
    assert losses[-1] < losses[0] / 4


def test_what_is_refused():
    refused(r"The space of codes is w or w\+, not 'z'\.", Settings, space="z")
    refused("steps", Settings, steps=-1)
    refused("3 photos and 1 codes", search, start=StyleCodes(MODEL.codes_of([5]).w))


# -- the pieces -------------------------------------------------------------------------------------------------------


def test_the_learning_rate_rises_stays_and_falls():
    assert ramps(0.0) == 0
    assert ramps(0.025) == pytest.approx(0.5)
    assert ramps(0.05) == ramps(0.5) == ramps(0.75) == 1
    assert ramps(0.875) == pytest.approx(0.5)
    assert ramps(1.0) == 0


def test_autocorrelation_in_closed_form():
    ones = torch.ones(1, 1, 4, 4)
    assert autocorrelation(ones).tolist() == [2.0]  # one scale: 1 across, 1 down
    assert autocorrelation(torch.ones(1, 1, 16, 16)).item() == pytest.approx(2 + 2 * 16)  # and ones doubled, 4 * 4
    wave = torch.tensor([2**0.5 * sin(2 * pi * x / 8) for x in range(8)]).expand(1, 1, 8, 8)
    assert autocorrelation(wave).item() == pytest.approx(0.5 + 1, abs=1e-5)  # cos(pi / 4) squared across, 1 down
    white = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert autocorrelation(white).max() < 0.1


def test_maps_are_standardised_each_on_its_own():
    maps = standardise(torch.randn(2, 1, 8, 8) * torch.tensor([3.0, 0.1])[:, None, None, None] + 5)
    assert torch.allclose(maps.mean((1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(maps.square().mean((1, 2, 3)), torch.ones(2), atol=1e-4)


def test_the_centre_of_w():
    centre = Centre.of(MODEL)
    w = sample_codes(MODEL, 20_000, torch.Generator().manual_seed(3)).w[:, 0]
    assert centre.unit == pytest.approx(w.var(0).mean().sqrt().item(), rel=0.05)
    assert torch.equal(centre.mean, Centre.of(MODEL).mean)


def test_likeness_of_pixels_and_of_features():
    from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite

    network = efficientnet_lite(DEFAULT, torch.device("cpu"))
    photos = tiny.pictures(3)
    likeness = Likeness(photos, network, features=1.0, pixels=0.0, batch=2)
    assert likeness(photos, slice(None)).max() < 1e-5
    other = photos.roll(1, 0).requires_grad_(True)
    loss = likeness(other, slice(None))
    assert loss.shape == (3,)
    assert loss.min() > 0.01
    assert torch.allclose(likeness(other[1:2], slice(1, 2)), loss[1:2], atol=1e-5)
    loss.sum().backward()
    assert other.grad.abs().sum() > 0
    pixels = Likeness(photos, None, pixels=2.0)(photos + 0.5, slice(None))
    assert torch.allclose(pixels, torch.full((3,), 0.5))
