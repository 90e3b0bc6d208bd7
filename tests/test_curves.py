"""Numbers over time from tables, and films that follow them; classes that change."""

from pathlib import Path

import pytest
import tiny
import torch
from claims import refused

from graftlab.checkpoints.native import save_model
from graftlab.images import read, to_uint8
from graftlab.video.curves import read_curve
from graftlab.video.films.walk import through_seeds


def test_straight_lines_between_the_numbers(tmp_path):
    file = tmp_path / "c.csv"
    file.write_text("time,loudness\n10,0\n12,1\n20,0.5\n")
    curve = read_curve(file)
    assert [curve(share) for share in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.75, 0.5])
    file.write_text("\ufeff1\r\n3\r\n2\r\n", "utf-8")
    assert [read_curve(file)(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([1, 2, 3, 2])


@pytest.mark.parametrize("text", ["1\nnan\n2", "0,1\n1,inf", "0,1\n0,2", "1", "", "1,2,3\n4,5,6", "1\n2,3", "a\nb\nc"])
def test_what_is_no_curve(tmp_path, text):
    (tmp_path / "c.csv").write_text(text)
    refused("c.csv", read_curve, tmp_path / "c.csv")


def test_a_walk_whose_truncation_is_in_a_file(graft):
    model = tiny.stylegan2()
    save_model(Path("m.safetensors"), model)
    Path("psi.csv").write_text("0\n1\n")
    walk = ("film", "walk", "--seeds", "1,2", "-m", "m.safetensors", "--frames", 3, "-o", "f/%d.png")
    assert graft(*walk, "--psi", "psi.csv", "--ease", "linear").code == 0
    for frame, want in ((0, model.sample([1], psi=0)), (2, model.sample([2], psi=1))):
        assert abs(to_uint8(read(f"f/{frame}.png")).astype(int) - to_uint8(want)).max() <= 1
    Path("psi.csv").write_text("0\nnan\n")
    assert "psi.csv, line 2: 'nan' is not a finite number" in graft(*walk, "--psi", "psi.csv").refusal()
    assert "knows no classes" in graft(*walk, "--class", "1-2").refusal()
    assert "--class takes a class" in graft(*walk, "--class", "1:2:3").refusal()


def test_classes_that_change():
    model = tiny.stylegan2(classes=3)
    way = through_seeds(model, [4, 5], psi=(1, 1), label=(0, 2))
    torch.testing.assert_close(way(0).w, model.codes_of([4], labels=0).w)
    torch.testing.assert_close(way(1).w, model.codes_of([5], labels=2).w)
    halfway = (through_seeds(model, [4, 5], psi=(1, 1), label=each)(0.5).w for each in (0, 2))
    torch.testing.assert_close(way(0.5).w, sum(halfway) / 2)
