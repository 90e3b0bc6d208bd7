"""The page about a training run."""

import json
import re
from base64 import b64decode
from math import sin
from xml.etree import ElementTree

import pytest
from claims import refused

from graftlab.config import Recipe, SwappingTrainConfig, preset
from graftlab.figures import charts
from graftlab.figures.charts import chart, short, smooth, thin, ticks
from graftlab.training import report
from graftlab.training.report import evenly, read_stats, write_report

pytestmark = pytest.mark.usefixtures("small_features")

CONFIG = SwappingTrainConfig(preset("small"), Recipe(), "photos of <hills> & lakes", images=200_000, batch=32)
TRAINING = [
    *("G_L1", "G_GAN_rec", "G_GAN_mix", "G_mix", "D_real", "D_rec", "D_mix", "PatchD_real", "PatchD_mix"),
    *("D_R1", "PatchD_R1", "D_accuracy_real", "D_accuracy_rec", "D_accuracy_mix"),
    *("PatchD_accuracy_real", "PatchD_accuracy_mix"),
]


def make(run, records=(), config=CONFIG):
    run.mkdir()
    (run / "config.json").write_text(json.dumps(config.to_dict() | {"version": "9.9"}))
    (run / "stats.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return run


def training(seen, keys=TRAINING):
    return {"seen": seen, **{key: 0.5 + 0.2 * sin(seen + i) for i, key in enumerate(keys)}, "skipped": seen // 50_000}


def add_sheets(run, counts, content=b"sheet"):
    (run / "samples").mkdir()
    for count in counts:
        (run / "samples" / f"{count:09}.jpg").write_bytes(content + b" %d" % count)


def page(run):
    return write_report(run).read_text(encoding="utf-8")


def svgs(html):
    """Every <svg> of a page, parsed as XML."""
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def titles(html):
    return [svg.get("aria-label") for svg in svgs(html)]


def embedded(html):
    return [b64decode(data) for data in re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html)]


def polylines(html):
    return [line for svg in svgs(html) for line in svg.iter("{http://www.w3.org/2000/svg}polyline")]


def test_a_whole_run(tmp_path):
    records = [training(seen) for seen in range(1000, 100_001, 1000)]
    records += [{"seen": 100_000, "validation_l1": 0.125, "validation_psnr": 18.34, "validation_error": 0.25}]
    run = make(tmp_path / "hills", records)
    add_sheets(run, [0, 50_000, 100_000])
    (run / "samples" / "reals.jpg").write_bytes(b"reals")
    html = page(run)
    assert "<title>hills</title>" in html
    assert "photos of &lt;hills&gt; &amp; lakes" in html
    for fact in (
        "128 × 128 pixels",
        "100,000 of 200,000 (50%)",
        "<dd>official</dd>",
        "<dd>structure 8 × 16 × 16, texture 256</dd>",
        "<dt>Skipped steps</dt><dd>2</dd>",
        "error 0.2500, 18.3 dB at 100,000 images",
    ):
        assert fact in html
    assert len(titles(html)) == 9
    assert embedded(html) == [b"sheet 0", b"sheet 50000", b"sheet 100000", b"reals"]
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


def test_the_page_needs_nothing_else(tmp_path):
    run = make(tmp_path / "run", [training(1000)])
    add_sheets(run, [0, 1000])
    html = page(run)
    assert set(re.findall(r"https?://[^\"' ]*", html)) == {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r'(?:src|href)="(.{11})', html)) == {"data:image/"}


@pytest.mark.parametrize(
    "stats", [None, b"", b"\n\n", b'{"seen": 10', b"null\n3\n[]\n", b'{"seen": "x"}\n', b'{"seen": NaN}\n', b"\xff\xfe"]
)
def test_no_figures_yet(tmp_path, stats):
    run = make(tmp_path / "run")
    (run / "stats.jsonl").unlink()
    if stats is not None:
        (run / "stats.jsonl").write_bytes(stats)
    html = page(run)
    assert "No figures yet" in html
    assert "No sample sheets yet" in html
    assert "0 of 200,000 (0%)" in html
    assert titles(html) == []


def test_a_cut_off_line_is_ignored(tmp_path):
    run = make(tmp_path / "run", [training(1000), training(2000)])
    whole = page(run)
    with (run / "stats.jsonl").open("a") as file:
        file.write('{"seen": 3000, "G_L1": 0.')
    assert page(run) == whole


def test_a_run_that_diverged(tmp_path):
    records = [training(seen) for seen in range(1000, 300_000, 1000)]
    records[100] |= {"G_L1": 1e29, "D_real": float("nan"), "D_R1": float("inf"), "skipped": 10**400}
    html = page(make(tmp_path / "run", records))
    assert len(titles(html)) == 8
    assert not re.search(r"\b(nan|inf)\b", html)


def test_missing_keys_leave_charts_out(tmp_path):
    run = make(tmp_path / "run", [{"seen": 16, "D_real": 0.7}, {"seen": 32, "G_L1": 0.4}])
    assert titles(page(run)) == [
        "Losses of the generator",
        "L1 of reconstructions",
        "Losses of the image discriminator",
    ]


def test_resuming_replaces_what_was_recorded_beyond_the_state(tmp_path):
    path = tmp_path / "stats.jsonl"
    lines = [(10, 1), (20, 2), (20, 3), (30, 4), (40, 5), (20, 6), (25, 7)]
    path.write_text("".join(json.dumps({"seen": seen, "G_L1": value}) + "\n" for seen, value in lines))
    assert read_stats(path) == [{"seen": 10, "G_L1": 1}, {"seen": 20, "G_L1": 6}, {"seen": 25, "G_L1": 7}]


def test_terms_are_drawn_as_they_were_recorded(tmp_path):
    config = SwappingTrainConfig(preset("small"), Recipe(l1=2.0, crops=4), "data")
    html = page(make(tmp_path / "run", [{"seen": 1000, "G_L1": 0.5}], config))
    assert re.findall(r"</i>([\w ]+) <output>([\d.]+)", html) == [("L1", "0.5"), ("training", "0.5")]
    assert "official, but l1 2.0, crops 4" in html


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"network": {}, "recipe": {}}', '{"network": 3}'])
def test_a_folder_that_is_no_run_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    refused("not a training run", write_report, tmp_path)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("name", ['<img src=x onerror="alert(1)">', "$title & ${facts} 'quoted'", "山 \udcff"])
def test_the_name_of_the_folder_is_only_text(tmp_path, name):
    try:
        run = make(tmp_path / name)
    except (OSError, UnicodeError):
        pytest.skip("this disk does not take the name")
    html = page(run)
    heading = re.search(r"<h1>(.*)</h1>", html)[1]
    assert "<" not in heading
    assert ElementTree.fromstring(f"<h1>{heading}</h1>").text == name.replace("\udcff", "?")


def test_a_long_run_shows_a_dozen_sheets(tmp_path):
    run = make(tmp_path / "run")
    add_sheets(run, range(0, 1_000_000, 10_000))
    (run / "samples" / "notes.jpg").write_bytes(b"not a sheet")
    sheets = embedded(page(run))
    assert len(sheets) == 12
    assert (sheets[0], sheets[-1]) == (b"sheet 0", b"sheet 990000")


def test_large_sheets_are_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MOST_SHEET_BYTES", 5000)
    run = make(tmp_path / "run")
    add_sheets(run, range(20), b"x" * 1000)
    assert [sheet[1000:] for sheet in embedded(page(run))] == [b" 0", b" 6", b" 13", b" 19"]
    monkeypatch.setattr(report, "MOST_SHEET_BYTES", 1)
    assert [sheet[1000:] for sheet in embedded(page(run))] == [b" 19"]


def test_evenly():
    assert evenly([], 12) == []
    assert evenly(list("abc"), 3) == ["a", "b", "c"]
    assert evenly(list("abcde"), 3) == ["a", "c", "e"]


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, "0 0.2 0.4 0.6 0.8 1"),
        (0, 500_000, "0 100k 200k 300k 400k 500k"),
        (0, 1_100_000, "0 200k 400k 600k 800k 1M"),
        (0, 7_300, "0 2k 4k 6k"),
        (0, 0.0034, "0 0.001 0.002 0.003"),
        (-0.6, 1.7, "-0.5 0 0.5 1 1.5"),
        (0, 3e-7, "0 5e-08 1e-07 1.5e-07 2e-07 2.5e-07 3e-07"),
    ],
)
def test_ticks(low, high, labels):
    assert " ".join(map(short, ticks(low, high))) == labels


@pytest.mark.parametrize(
    "points",
    [[(0, 0)], [(1000, 0.3)], [(x, 0.7) for x in range(500)], [(x, 0) for x in range(5)], [(5, -2.0), (6, -2.0)], []],
)
def test_plain_series(points):
    (svg,) = svgs(chart("Plain", {"one": points, "none": []}))
    for element in svg.iter():
        for value in (*element.attrib.values(), element.text or ""):
            assert not re.search(r"\b(nan|inf)", value)


def test_charts_escape_and_keep_colours():
    html = chart("a < b", {"<i>": [], "x & y": [(0, 1)]}, note="<>")
    ElementTree.fromstring(html)
    assert charts.COLOURS[0] not in html
    assert charts.COLOURS[1] in html


def test_long_lines_are_smoothed_and_thinned():
    points = [(x, x % 2) for x in range(20_000)]
    points[7_777] = (7_777, 90.0)
    smoothed = smooth(points)
    assert len(smoothed) == len(points)
    assert smoothed[3_000][1] == pytest.approx(0.5, abs=0.02)
    thinned = thin(points)
    assert len(thinned) <= 600
    assert thinned == sorted(thinned)
    assert {points[0], points[7_777], points[-1]} <= set(thinned)
    html = chart("Long", {"loss": points})
    assert len(html) < 25_000
    raw, _ = polylines(html)
    assert raw.get("stroke-opacity")
    heights = [float(point.split(",")[1]) for point in raw.get("points").split()]
    assert min(heights) == charts.TOP  # the peak leaves the axis, and stays on the chart
    assert smooth(points[:200]) == points[:200]
    assert len(polylines(chart("Short", {"loss": points[:200]}))) == 1
