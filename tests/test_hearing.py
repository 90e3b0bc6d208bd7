"""Curves from sound: tones and clicks whose loudness, bands and onsets are known, and films that follow them."""

import wave
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from claims import refused

from graftlab.checkpoints.native import save_model
from graftlab.images import read, to_uint8
from graftlab.video.curves import names_curve, parse_curve
from graftlab.video.films.walk import pacing, through_seeds
from graftlab.video.hearing import HOP, RATE, hear

SECOND = 44_100


def sound(path: Path, *pieces: np.ndarray) -> Path:
    samples = (np.concatenate(pieces) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SECOND, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def tone(pitch: float, loud: float = 0.5, seconds: float = 1.0) -> np.ndarray:
    return loud * np.sin(2 * np.pi * pitch * np.arange(int(seconds * SECOND)) / SECOND)


def at(levels: np.ndarray, second: float) -> float:
    return float(levels[round(second * RATE / HOP)])


def test_bands_and_loudness(tmp_path):
    song = sound(tmp_path / "song.wav", tone(100), tone(1000, 0.25), tone(8000), tone(100, 0))
    for what, heard in (
        ("bass", (1, 0, 0, 0)),
        ("mid", (0, 1, 0, 0)),
        ("treble", (0, 0, 1, 0)),
        ("loudness", (1, 0.5, 1, 0)),
    ):
        levels = hear(song, what)
        assert [at(levels, second) for second in (0.5, 1.9, 2.9, 3.9)] == pytest.approx(heard, abs=0.03), what
    loudness = hear(song)
    assert at(loudness, 3.3) == pytest.approx(at(loudness, 3.1) / np.e, rel=0.15)  # falls as a meter does


def test_onsets_are_where_something_begins(tmp_path):
    silence, click = tone(1, 0, 0.49), tone(3000, 0.5, 0.01)
    levels = hear(sound(tmp_path / "clicks.wav", *[silence, click] * 4), "onsets")
    rises = np.flatnonzero(np.diff(levels) > 0.3) * HOP / RATE
    assert np.abs(rises[:, None] - np.array([0.49, 0.99, 1.49, 1.99])).min(0).max() < 0.07
    assert all(np.abs(np.array([0.49, 0.99, 1.49, 1.99]) - rise).min() < 0.07 for rise in rises)
    steady = hear(sound(tmp_path / "steady.wav", tone(1000, 0.5, 2)), "onsets")
    assert steady[20:60].max() < 0.5 * steady[:5].max()


def test_curves_by_text(tmp_path):
    song = sound(tmp_path / "song.wav", tone(100), tone(8000))
    (tmp_path / "c.csv").write_text("0\n1\n")
    bass = parse_curve(f"{song}:bass", 4)
    assert [bass(share) for share in (0.125, 0.45, 0.9)] == pytest.approx([1, 0, 0], abs=0.05)  # silent after its end
    ranged = parse_curve(f"0.3:0.8:{song}:bass", 2)
    assert [ranged(share) for share in (0.25, 0.99)] == pytest.approx([0.8, 0.3], abs=0.02)
    assert parse_curve(f"{song}", 2)(0.25) == pytest.approx(1, abs=0.05)
    assert parse_curve(f"-1:3:{tmp_path / 'c.csv'}", 2)(0.25) == pytest.approx(0)
    assert not names_curve("0.3:1")
    assert parse_curve("", 2) is None


def test_what_cannot_be_heard(tmp_path):
    refused("is silent", hear, sound(tmp_path / "none.wav", tone(1, 0)))
    (tmp_path / "x.wav").write_bytes(b"RIFF\0\0\0\0")
    refused("cannot be read as sound|has no sound", hear, tmp_path / "x.wav")
    refused("no 'drums' to be heard, only loudness, bass", hear, tmp_path / "none.wav", "drums")


def test_pace():
    gone = pacing(lambda share: 0.0 if share < 0.5 else 2.0)
    assert [gone(share) for share in (0, 0.25, 0.75, 1)] == pytest.approx([0, 0, 0.5, 1], abs=1e-3)
    for still in (lambda share: 0.0, lambda share: share - 0.5):
        refused("A pace is 0 or more", pacing, still)
    model = tiny.stylegan2()
    way = through_seeds(model, [1, 2], psi=(1, 1), pace=gone)
    torch.testing.assert_close(way(0.25).w, model.codes_of([1]).w)


def test_a_film_that_follows_its_song(graft):
    model = tiny.stylegan2()
    save_model(Path("m.safetensors"), model)
    sound(Path("song.wav"), tone(100), tone(8000))
    walk = ("film", "walk", "--seeds", "1,2", "-m", "m.safetensors", "--seconds", "2", "--fps", "2")
    follow = ("--psi", "0.5:1:song.wav:bass", "--pace", "0:1:song.wav:treble")
    assert graft(*walk, *follow, "-o", "f/%d.png").code == 0
    wanted = model.sample([1], psi=1.0)
    assert abs(to_uint8(read("f/1.png")).astype(int) - to_uint8(wanted)).max() <= 4  # loud and still
    assert graft(*walk, "--sound", "song.wav", "-o", "f.mp4").code == 0
    assert len(hear("f.mp4")) > 70  # two seconds
    assert "--sound is for .mp4 and .webm" in graft(*walk, "--sound", "song.wav", "-o", "f.gif").refusal()
    assert "has no sound" in graft(*walk, "--sound", "f/1.png", "-o", "g.mp4").refusal()
    said = graft(*walk, "--psi", "0.4:1:song.mp3:drums", "-o", "h.mp4").refusal()
    assert "of a sound loudness, bass, mid, treble, onsets), not '0.4:1:song.mp3:drums'" in said
    assert "--pace takes a curve, as" in graft(*walk, "--pace", "2", "-o", "h.mp4").refusal()
