"""How much of which model: against the table of the best-known script, and against closed forms."""

import json
from itertools import product
from math import exp, log2
from pathlib import Path

import pytest
import torch
from claims import refused

from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.weights import (
    band,
    curve,
    held,
    interpolate,
    layer_swap,
    logistic,
    matrix,
    only,
    pair,
    pinkney,
    read_rows,
    reversed_,
)
from graftlab.config import StyleGAN2Config
from graftlab.networks.stylegan2 import StyleGAN2

TABLE = json.loads((Path(__file__).parent / "fixtures" / "stylegan2" / "blend_weights.json").read_text())["table"]


def layers(size: int) -> list[Layer]:
    with torch.device("meta"):
        return layers_of(StyleGAN2(StyleGAN2Config(channels=(1,) * round(log2(size) - 1), mapping_layers=1)))


def at(resolution: int, step: int = 0, role: str = "convolution", name: str = "synthesis.x") -> Layer:
    return Layer(name, role, resolution, 2 * log2(resolution) + step)  # type: ignore[arg-type]


def script_layer(layer: Layer) -> str | None:
    """The script's name of the layer that a tensor belongs to; None for those that it never blends."""
    if layer.role in ("mapping", "average", "noise"):
        return None
    if layer.role == "constant":
        return "4x4/Const"
    module = layer.name.replace("rgb_bias", "to_rgb").split(".")[3]
    theirs = {"up": "Conv0_up", "conv": "Conv1", "to_rgb": "ToRGB"}[module]
    return None if (layer.resolution, theirs) == (4, "Conv1") else f"{layer.resolution}x{layer.resolution}/{theirs}"


def test_every_row_of_the_scripts_table():
    rows = 0
    for size, swaps in TABLE.items():
        tensors = layers(int(size))
        for resolution, levels in swaps.items():
            for level, widths in levels.items():
                for width, wanted in widths.items():
                    number = None if width == "None" else float(width)
                    ours = layer_swap(int(resolution), int(level), number)
                    theirs = pinkney(int(resolution), int(level), number)
                    rows += 1
                    for layer in tensors:
                        share = wanted.get(script_layer(layer), 0.0)
                        assert theirs(layer) == pytest.approx(share, abs=1e-12), (size, resolution, level, width, layer)
                        if number is None and script_layer(layer):  # and ours agrees where theirs is hard
                            assert ours(layer) == share
                    assert {script_layer(layer) for layer in tensors} - {None} == set(wanted)
    assert rows == 5 * 8 + 6 * 8 + 7 * 8 + 8 * 8 + 9 * 8


def test_the_script_leaves_behind_what_ours_takes():
    tensors = layers(64)
    taken = {layer.name for layer in tensors if reversed_(layer_swap(32))(layer) == 1}
    left = {layer.name for layer in tensors if pinkney(4, 0)(layer) == 0}
    assert "mapping.average" in taken & left
    assert "synthesis.blocks.1.up.noise" in taken & left
    assert "synthesis.blocks.0.conv.conv.weight" in taken & left


def test_the_hard_switch_is_the_limit_of_the_smooth_one():
    for resolution, level in product((4, 16, 64), (0, 1)):
        hard, smooth = layer_swap(resolution, level), layer_swap(resolution, level, 1e-4)
        for layer in layers(128):
            assert smooth(layer) == hard(layer) == layer_swap(resolution, level, 5e-324)(layer)


def test_the_smooth_switch_is_a_logistic_curve_around_the_hard_one():
    smooth = layer_swap(16, 0, 0.5)
    assert smooth(at(16, 1)) == pytest.approx(1 / (1 + exp(0.5 / 0.5)))
    assert smooth(at(32, 0)) == pytest.approx(1 / (1 + exp(-0.5 / 0.5)))
    assert smooth(at(16, 1)) + smooth(at(32, 0)) == pytest.approx(1)
    assert smooth(at(8, 0)) == pytest.approx(1 / (1 + exp(3.5 / 0.5)))


def test_a_resolution_up_to_and_including_comes_from_a():
    swap = layer_swap(16)
    assert [swap(at(side, step)) for side in (8, 16, 32) for step in (0, 1)] == [0, 0, 0, 0, 1, 1]
    later = layer_swap(16, level=1)
    assert [later(at(side, step)) for side in (8, 16, 32) for step in (0, 1)] == [0, 0, 0, 0, 0, 1]
    back = reversed_(swap)
    assert [back(at(side)) for side in (8, 16, 32)] == [1, 1, 0]
    assert back.about == {"swap_at": 16, "level": 0, "width": None, "reverse": True}


def test_curves_are_linear_in_the_logarithm():
    rule = curve({64: 1, 4: 0, 16: 0.2})
    assert [rule(at(side)) for side in (4, 8, 16, 32, 64, 128)] == pytest.approx([0, 0.1, 0.2, 0.6, 1, 1])
    assert curve({16: 0.3})(at(4)) == 0.3
    assert rule.about == {"curve": {"4": 0, "16": 0.2, "64": 1}}


def test_bands_include_both_ends():
    assert [band(16, 64)(at(side, 1)) for side in (8, 16, 32, 64, 128)] == [0, 1, 1, 1, 0]
    assert band(16, 64).resolutions == (16, 64)


def test_anchors_may_lie_anywhere_beyond_the_network():
    assert curve({4: 0.0, 4 * 10**400: 1.0})(at(8)) == pytest.approx(log2(2) / log2(10**400))


def test_rows_of_many_models():
    rule = matrix({4: (1, 0, 0), 16: (0, 0.5, 0.5)})
    assert list(rule(at(8))) == pytest.approx([0.5, 0.25, 0.25])
    assert list(rule(at(64))) == [0, 0.5, 0.5]
    assert list(pair(interpolate(0.3))(at(4))) == [0.7, 0.3]


def test_roles_and_parts_have_switches_of_their_own():
    rule = held(interpolate(0.5), mapping=0, to_rgb=1.0)
    assert [rule(at(4, role=role)) for role in ("mapping", "to-rgb", "average", "noise")] == [0, 1, 0.5, 0.5]
    assert rule.about == {"alpha": 0.5, "held": {"mapping": 0, "to-rgb": 1.0}}
    part = only("generator", interpolate(0.5), 0.0)
    assert [part(at(4, name=f"{name}.x")) for name in ("encoder", "generator")] == [0, 0.5]
    refused(r"affine, .*not colour", held, interpolate(0.5), colour=0)


def test_the_logistic_function_takes_any_number():
    assert [logistic(x) for x in (-1e308, -701, 0, 701, 1e308)] == [0, 0, 0.5, 1, 1]


@pytest.mark.parametrize("name", ["rows.json", "rows.yaml"])
def test_rows_come_from_files(tmp_path, name):
    if name.endswith("yaml"):
        pytest.importorskip("yaml")
    path = tmp_path / name
    path.write_text('{"4": [1, 0], "16": [0.5, 0.5]}', "utf-8-sig")  # as some editors of Windows write
    assert read_rows(path) == read_rows(str(path)) == {4: [1, 0], 16: [0.5, 0.5]}


def test_other_files_are_no_rows(tmp_path):
    path = tmp_path / "rows.json"
    texts = ["", "[1, 2]", '{"4": 1}', '{"a": [1]}', '{"4": ["x"]}', '{"4": null}', '{"4": "10"}', "[" * 10_000]
    for text in (*texts, f'{{"4": [1{"0" * 400}]}}'):
        path.write_text(text)
        refused(r"rows.json is no table of weights; .*\.$", read_rows, path)
    refused("no such file", read_rows, tmp_path / "none.json")
    path.write_text('{"4": [1, 0], "04": [0, 1]}')
    refused(r"rows.json names a resolution twice", read_rows, path)


def test_what_makes_no_sense_is_refused():
    for make, says in (
        (lambda: layer_swap(16, 2), "--level"),
        (lambda: layer_swap(0), "--swap-at"),
        (lambda: layer_swap(16, 0, 0.0), "--width"),
        (lambda: layer_swap(16, 0, float("nan")), "--width"),
        (lambda: pinkney(16, 0, -1.0), "--width"),
        (lambda: interpolate(float("inf")), "--alpha"),
        (lambda: curve({}), "--curve"),
        (lambda: curve({0: 1}), "--curve"),
        (lambda: interpolate(-1000.1), "--alpha"),
        (lambda: curve({4: float("nan")}), "--curve"),
        (lambda: matrix({4: (1e30, 1 - 1e30)}), "--weights"),
        (lambda: band(64, 16), "--band"),
        (lambda: matrix({4: (1, 0), 8: (1,)}), "--weights"),
        (lambda: matrix({}), "--weights"),
    ):
        refused(rf"{says}\)\.$", make)
