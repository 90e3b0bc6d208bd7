"""Numbers over time from tables, and films that follow them; classes that change."""

from pathlib import Path

import pytest
import tiny
import torch
from claims import refused

from graftlab.checkpoints.native import save_model
from graftlab.images import read, to_uint8
from graftlab.video.curves import parse_curve, read_curve
from graftlab.video.drawn import parse_drawn
from graftlab.video.easing import easing
from graftlab.video.films.walk import through_seeds


def test_straight_lines_between_the_numbers(tmp_path):
    file = tmp_path / "c.csv"
    file.write_text("time,loudness\n10,0\n12,1\n20,0.5\n")
    curve = read_curve(file)
    assert [curve(share) for share in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.75, 0.5])
    file.write_text("\ufeff1\r\n3\r\n2\r\n", "utf-8")
    assert [read_curve(file)(share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([1, 2, 3, 2])


def test_what_is_no_curve(tmp_path):
    for text in ("1\nnan\n2", "0,1\n1,inf", "0,1\n0,2", "1", "", "1,2,3\n4,5,6", "1\n2,3", "a\nb\nc"):
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


def test_drawn_curves_meet_their_points_and_go_nowhere_beyond(graft):
    points = {0: 0.4, 0.3: 1, 0.5: 1, 0.6: 0.9, 1: 0.2}
    curve = parse_drawn(",".join(f"{share}={value}" for share, value in points.items()))
    assert [curve(share) for share in (-1, *points, 2)] == pytest.approx([0.4, *points.values(), 0.2])
    values = [curve(i / 200) for i in range(201)]
    assert values[:61] == sorted(values[:61])
    assert values[100:] == sorted(values[100:], reverse=True)
    assert max(abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)) < 2e-3, "no corners"
    assert parse_drawn("0=0,0.5=0.5,1=1")(0.3) == pytest.approx(0.3)
    assert parse_curve("0=2,1=4", 9)(0.5) == easing("0=2,1=4")(0.5) == 3
    assert parse_drawn("curve.csv") is parse_drawn("0.7") is parse_drawn("0=1") is None
    for wrong in ("0=1,0.5=2", "0.1=1,1=2", "0=1,0.5=1,0.5=2,1=0", "0=1,1=" + 400 * "9"):
        refused("rise from 0 to 1", parse_drawn, wrong)


def test_classes_that_change():
    model = tiny.stylegan2(classes=3)
    way = through_seeds(model, [4, 5], psi=(1, 1), label=(0, 2))
    torch.testing.assert_close(way(0).w, model.codes_of([4], labels=0).w)
    torch.testing.assert_close(way(1).w, model.codes_of([5], labels=2).w)
    halfway = (through_seeds(model, [4, 5], psi=(1, 1), label=each)(0.5).w for each in (0, 2))
    torch.testing.assert_close(way(0.5).w, sum(halfway) / 2)
