"""Pivotal tuning, encoders and their training."""

import pytest
import tiny
import torch
from claims import refused

from graftlab.artifacts import read_tensors, write_tensors
from graftlab.codes import StyleCodes
from graftlab.inversion import work
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Centre
from graftlab.inversion.training import EncoderTrainer, EncoderTraining, worth
from graftlab.inversion.tuning import Tuning
from graftlab.inversion.work import carry_out
from graftlab.perception.efficientnet import DEFAULT

MODEL = tiny.stylegan2()
MODEL.fingerprint = "a" * 64
PHOTOS = tiny.pictures(3)
CODES = MODEL.codes_of([0, 1, 2], psi=0.5)


def interrupted(make, file, after):
    """Work that was stopped after so many steps and done by another call."""

    def stop(done, *_):
        if done == after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(make(), stop, file)
    again = make()
    carry_out(again, file=file)
    return again


# -- tuning -----------------------------------------------------------------------------------------------------------


def tuning(steps, batch=8):
    return Tuning(MODEL, CODES, Likeness(PHOTOS, None), steps, batch)


def test_the_generator_bends_towards_the_photos():
    before = {name: tensor.clone() for name, tensor in MODEL.state_dict().items()}
    losses = []
    begun = tuning(30)
    carry_out(begun, lambda done, total, note: losses.append(float(note.removeprefix("loss "))))
    assert losses[-1] < losses[0] * 0.8
    model, codes = begun.finish()
    after = model.state_dict()
    assert all(torch.equal(tensor, MODEL.state_dict()[name]) for name, tensor in before.items())
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("mapping.")} <= same
    assert "synthesis.blocks.0.conv.conv.weight" not in same
    assert codes.model == model.fingerprint != MODEL.fingerprint
    assert torch.equal(codes.w, CODES.w)
    with torch.no_grad():
        assert (model.decode(codes) - PHOTOS).square().mean().item() < losses[0]
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_tuning_interrupted_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    whole = tuning(8, batch=2)
    carry_out(whole)
    again = interrupted(lambda: tuning(8, batch=2), tmp_path / "state.safetensors", 5)
    assert whole.finish()[0].fingerprint == again.finish()[0].fingerprint


# -- encoders ---------------------------------------------------------------------------------------------------------


def training(**settings):
    chosen = EncoderTraining(**{"images": 64, "batch": 8, "width": 16, "features": 0.0, **settings})
    return EncoderTrainer(MODEL, chosen, None)


def test_an_untrained_encoder_answers_the_mean():
    centre = Centre.of(MODEL)
    codes = Encoder.of(MODEL, centre, 16).encode(PHOTOS)
    assert codes.model == MODEL.fingerprint
    assert codes.w.shape == CODES.w.shape
    assert torch.allclose(codes.w, centre.mean.expand_as(codes.w))


def test_the_answers_are_known():
    trainer = training()
    w, images = trainer.examples(3)
    assert torch.equal(images, MODEL.decode(StyleCodes(w)).clamp(-1, 1))
    assert torch.equal(trainer.examples(3)[0], w)
    assert not torch.equal(trainer.examples(4)[0], w)
    mixed = (w[:, :1] != w).any(2).any(1)
    assert mixed.tolist()[::2] == [False] * 4
    assert mixed.any()


def test_it_learns():
    trainer = training(images=640, learning_rate=0.01, pixels=0.0)
    before = worth(trainer)
    carry_out(trainer)
    after = worth(trainer)
    assert abs(before["explained"]) < 1e-4  # it answers the mean
    assert after["explained"] > 0.1
    assert after["l1"] < before["l1"]


def test_terms_have_their_weights():
    trainer = training(codes=2.0, pixels=0.0)
    w, images = trainer.examples(1)
    terms = trainer.losses(w, images)
    assert set(terms) == {"codes"}
    unit = trainer.encoder.unit
    assert torch.allclose(terms["codes"], 2 * ((w - trainer.encoder.mean) / unit).square().mean())
    assert set(training().losses(w, images)) == {"codes", "pictures"}


def test_training_interrupted_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "SAVE_EVERY", 0.0)
    whole = training()
    carry_out(whole)
    again = interrupted(training, tmp_path / "state.safetensors", 4)
    for a, b in zip(whole.encoder.state_dict().values(), again.encoder.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_an_encoder_in_a_file(tmp_path):
    trainer = training()
    carry_out(trainer)
    trainer.encoder.about = {"images": 64}
    trainer.encoder.save(tmp_path / "e.safetensors")
    loaded = Encoder.load(tmp_path / "e.safetensors").fitting(MODEL)
    assert torch.equal(loaded.encode(PHOTOS).w, trainer.encoder.encode(PHOTOS).w)
    assert read_tensors(tmp_path / "e.safetensors")[1]["about"] == {"images": 64}


def test_it_sees_what_a_frozen_network_sees(tmp_path):
    file = tmp_path / "e.safetensors"
    trainer = training(images=8, batch=4, width=8, teacher=DEFAULT)
    carry_out(trainer)
    assert {name.partition(".")[0] for name in trainer.encoder.state_dict()} == {
        *("take", "blocks", "hidden", "common", "offsets", "mean", "unit")
    }
    loaded = Encoder.load(trainer.encoder.save(file)).fitting(MODEL)
    found = loaded.encode(PHOTOS).w
    assert torch.equal(found, trainer.encoder.encode(PHOTOS).w)
    assert not torch.equal(found[0], found[1])
    tensors, header = read_tensors(file)
    write_tensors(file, tensors, {**header, "teacher": "nobody"})
    refused("no sensible encoder .There is no teacher 'nobody'", Encoder.load, file)
    refused("There is no teacher 'nobody'", training, teacher="nobody")
    with torch.device("meta"):
        large = Encoder(tiny.stylegan2(channels=(8,) * 8).config, 8, DEFAULT)
    assert (large.side, len(large.blocks), len(large.take)) == (256, 4, 4)


def test_large_pictures_are_looked_at_smaller():
    model = tiny.stylegan2(channels=(8, 8, 8, 8, 4, 4, 4, 4))
    encoder = Encoder(model.config, 8)
    assert encoder.size == (256, 256)
    assert len(encoder.blocks) == 6
    assert encoder(tiny.pictures(1, 512, 512)).shape == (1, 16, 16)


def test_what_is_refused(tmp_path):
    file = tmp_path / "e.safetensors"
    trainer = training()
    trainer.encoder.save(file)
    other = tiny.stylegan2(seed=1)
    other.fingerprint = "b" * 64
    says = r"encoder of another model \(a{12}\) cannot be used with this one \(b{12}\)"
    refused(says, Encoder.load(file).fitting, other)
    other.about = {"parent": "a" * 64}
    other.decode(Encoder.load(file).fitting(other).encode(PHOTOS))
    tensors, header = read_tensors(file)
    for broken, says in (({"kind": "model"}, "holds no encoder"), ({"width": 10**9}, "holds no sensible encoder")):
        write_tensors(file, tensors, {**header, **broken})
        refused(says, Encoder.load, file)
    del tensors["mean"]
    write_tensors(file, tensors, header)
    refused("do not fit its configuration", Encoder.load, file)
    refused("no such file", Encoder.load, tmp_path / "none")
