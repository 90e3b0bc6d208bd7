"""`python -m benchmarks`: its arithmetic, its workers, and checkouts of others, for which a tiny one stands here."""

import json
import multiprocessing
import shutil
import sys
from contextlib import nullcontext
from functools import partial
from xml.etree import ElementTree

import pytest
import torch
from tiny import lay_beside

from benchmarks import films, growth, ours, own, peers, rosinality, soak, worker
from benchmarks.__main__ import main
from benchmarks.growth import Point
from benchmarks.ours import STEPS, Ours, network
from benchmarks.peers import Found
from benchmarks.result import markdown
from benchmarks.rounds import LeftOutError, Ratio, Rounds, interleaved
from benchmarks.studio import Server
from benchmarks.worker import Worker
from graftlab.benchmarking.machine import Ceiling
from graftlab.benchmarking.speed import Case
from graftlab.checkpoints.load import load
from graftlab.config import preset
from graftlab.figures.tables import Table

BEST = Ceiling({"float32": 1e9, "bfloat16": 2e9}, {"float32": 3e9, "bfloat16": 4e9}, 5e9)

# Named as theirs is, and with the same needs: a package that is missing, a kernel to compile, modules of plain names.
MODEL = """
import dominate.tags, torch
from torch.utils.cpp_extension import load
from util import halved
from visdom.server import Application

kernel = load("kernel", sources=["kernel.cu"])
assert kernel is None and torch.version.cuda == "9.0"


class Board(Application):
    pass


class Encoder(torch.nn.Module):
    def __init__(self, channel):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, images):
        print("what it prints is dropped")
        size = images.shape[-1]
        if size == 40:
            raise ValueError("40 is too many\\nreally")
        if size == 48:
            torch.empty(2**50)
        if size == 56:
            import time
            time.sleep(600)
        if size == 72:
            import os
            os._exit(1)
        return halved(self.conv(images)), self.conv(images).mean((2, 3))


class Generator(torch.nn.Module):
    def __init__(self, channel):
        super().__init__()
        self.conv = torch.nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, structure, texture):
        return self.conv(structure * texture[:, :, None, None])
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "model.py").write_text(MODEL)
    (folder / "util.py").write_text("def halved(x):\n    return x[:, :, ::2, ::2]\n")
    return folder


@pytest.fixture
def fork(monkeypatch):
    """From its call on workers come of this process, which has PyTorch already, where that is safe; and time is no
    matter."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

    def fork():
        monkeypatch.setattr(multiprocessing, "get_context", lambda method: context)
        monkeypatch.setattr(worker, "TURN", 1e-9)

    return fork


# -- arithmetic -------------------------------------------------------------------------------------------------------


def test_ratio():
    assert Ratio.of([2, 4, 6], [1, 2, 2]) == Ratio(2, 2, 2.5)
    assert Ratio.of([3], [2]) == Ratio(1.5, 1.5, 1.5)
    assert str(Ratio(2, 1.5, 2.25)) == "2.00 (1.50–2.25)"


def test_rounds_go_in_turn_and_without_those_who_fail():
    said = []

    def turn(name):
        said.append(name)
        if name == "b" and said.count("b") == 2:
            raise LeftOutError("tired")
        return float(len(said))

    found = interleaved({name: partial(turn, name) for name in "abc"}, 3, budget=60)
    assert "".join(said[:5]) == "abcab"
    assert found.left_out == {"b": "tired"}
    assert {name: len(seconds) for name, seconds in found.seconds.items()} == {"a": 3, "c": 3}
    assert found.median("b") is found.ratio("b", "a") is None
    assert found.ratio("c", "a") == Ratio.of(found.seconds["c"], found.seconds["a"])
    assert len(interleaved({"a": lambda: 1.0}, 9, budget=0).seconds["a"]) == 2


def test_exponents_alternation_and_growth():
    assert growth.exponent([(x, 3 * x) for x in (1, 2, 10)]) == pytest.approx(1)
    assert growth.exponent([(x, x**2) for x in (1, 2, 10)]) == pytest.approx(2)
    assert growth.exponent([(1, 1), (2, 0)]) is None
    points = [Point(Case("swap", size, 1), size**2 / 5, 7000 + 3 * size**2) for size in (8, 16, 64)]
    assert growth.of_seconds(points) == growth.of_memory(points) == pytest.approx(1)
    assert growth.of_memory([]) is None
    assert peers.alternation([3, 2, 1.6]) == pytest.approx(5.1)
    assert peers.alternation([3, None, 1.6]) is None
    memory = films.Memory([(50, 10), (300, 40), (350, 45), (400, 43)])
    assert memory.growth == 5


def test_tables_of_what_was_found():
    """Who is left out has a dash, and the alternation is made of its three steps."""
    names = ["graftlab", "graftlab bf16", "authors"]
    steps = [
        Found(
            Case(step, 64, 4),
            Rounds({"graftlab": [seconds], "authors": [2 * seconds]}, {"graftlab bf16": "tired"}),
            {"graftlab": 10**9, "authors": None},
            10**9,
        )
        for step, seconds in zip(STEPS, (3, 2, 16), strict=True)
    ]
    (table,) = peers.training_tables(steps, names)
    assert table.columns[:5] == [*names, "authors / graftlab", "authors / graftlab bf16"]
    name, cells = table.rows[-1]
    assert name == "alternation, 64 px, batch 4"
    assert cells == ["6.00", "–", "12.0", "2.00", "–", "", "", ""]
    assert table.rows[0][1][3:] == ["2.00 (2.00–2.00)", "–", "1.00", "–", "–"]
    arithmetic = peers.arithmetic_table(steps, BEST)
    assert arithmetic.rows[1] == ("G step, 64 px, batch 4", ["0.500", "50%", "–", "–"])
    assert peers.inference_tables(steps, names) == []


def test_networks_are_the_authors_at_every_size():
    """With fewer halvings only where their texture branch would have nothing left."""
    for size in (32, 64, 96, 128, 256, 512, 1024):
        config, church = network(size), preset("church256")
        assert config.smallest_grid * config.stride <= size
        assert config == church or config.size == size
        assert config.encoder_channels(0) == church.encoder_channels(0)
        assert (config.downsamplings == church.downsamplings) == (size >= church.smallest_grid * church.stride)


# -- what is printed --------------------------------------------------------------------------------------------------


def test_markdown():
    table = Table("Title", ["a|b", "c"], [("first", [1.5, None]), ("second", ["x", "y"])], "A note.")
    assert markdown(table).splitlines() == [
        "**Title**",
        "",
        "|  | a\\|b | c |",
        "| --- | --: | --: |",
        "| first | 1.500 | – |",
        "| second | x | y |",
        "",
        "A note.",
    ]


def test_plot():
    points = [Point(Case("swap", size, 1), size / 100, size * 10**6) for size in (64, 128)]
    tree = ElementTree.fromstring(growth.plot("A & B", {"larger": points, "more": points[:1]}))
    texts = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert texts.count("megapixels") == texts.count("larger") == texts.count("more") == 2
    assert {"A & B: seconds", "A & B: GB at the peak"} <= set(texts)
    assert "images seen" not in texts


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["peers"], "--authors or --rosinality"),
        (["peers", "--authors", "."], "taesungp/swapping-autoencoder-pytorch"),
        (["peers", "--rosinality", "nowhere"], "--rosinality nowhere"),
        (["peers", "--rosinality", ".", "--training", "128"], "64, 256 px, not at 128"),
        (["peers", "--rosinality", ".", "--sizes", "3"], "downsamplings"),
        (["growth", "--preset", "large"], "large"),
        (["--model", "nobody"], "nobody"),
    ],
)
def test_refused(arguments, says, checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(peers, "ceiling", lambda device, precisions: BEST)
    monkeypatch.setattr(own, "ceiling", lambda device, precisions: BEST)
    monkeypatch.setattr(own, "cold_start", lambda name: 1.0)
    assert main([*arguments, "--threads", str(torch.get_num_threads())]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("benchmarks: ")
    assert line.endswith(".")
    assert says in line
    assert printed.out == ""


# -- workers ----------------------------------------------------------------------------------------------------------


def test_a_worker(checkout, fork):
    """It works when told to, says why it cannot, and is there again after it had to be stopped."""
    worker = Worker(partial(rosinality.Rosinality, rosinality.checkout(checkout)), threads=1)
    try:
        for what in ("encode", "decode", "swap"):
            worker.call("prepare", Case(what, 32, 2))
        assert worker.call("turn") > 0
        if sys.platform == "linux":
            assert worker.call("memory") > 50_000_000
        assert worker.call("flops") > 2 * 9 * 3 * 8 * 32**2 * 2
        with pytest.raises(LeftOutError, match=r"^ValueError: 40 is too many"):
            worker.call("prepare", Case("encode", 40, 1))
        fork()
        with pytest.raises(LeftOutError, match=r"^needs more memory than is free$"):
            worker.call("prepare", Case("encode", 48, 1))
        with pytest.raises(LeftOutError, match=r"^its process ended"):
            worker.call("prepare", Case("encode", 72, 1))
        worker.call("prepare", Case("encode", 32, 1))
        with pytest.raises(LeftOutError, match=r"^not done after 1 s$"):
            worker.call("prepare", Case("encode", 56, 1), timeout=1)
    finally:
        worker.close()


def test_peers_from_end_to_end(checkout, fork, tmp_path, monkeypatch, capsys):
    fork()
    for module in (peers, ours):
        monkeypatch.setattr(module, "network", lambda size: preset("tiny"))
    monkeypatch.setattr(peers, "ceiling", lambda device, precisions: BEST)
    arguments = ["peers", "--rosinality", checkout, "--sizes", 32, "--batches", 1, "--training", "--rounds", 2]
    arguments += ["--sampling", 16, "--threads", torch.get_num_threads(), "--markdown"]
    arguments += ["--json", tmp_path / "new" / "found.json"]
    assert main(list(map(str, arguments))) == 0
    found = json.loads((tmp_path / "new" / "found.json").read_text())
    assert found["ceiling"] == BEST.to_dict()
    *mine, sampled = found["cases"]
    assert [case["what"] for case in mine] == ["encode", "decode", "swap"]
    for case in mine:
        counts = {name: len(seconds) for name, seconds in case["seconds"].items()}
        assert counts == {"graftlab": 2, "graftlab bf16": 2, "rosinality": 2}
        assert case["left_out"] == {}
        assert case["flops"] > 0
    assert (sampled["what"], sampled["size"]) == ("sample", 16)
    assert sampled["seconds"].keys() == {"graftlab", "graftlab bf16"}
    assert sampled["left_out"].keys() == {"rosinality"}  # which has none in this checkout
    printed = capsys.readouterr()
    assert printed.err.count("rosinality") == 4
    assert printed.out.count("| swap, 32 px, batch 1 |") == 3
    assert "**Pictures per second**" in printed.out


def test_ours_makes_what_the_model_makes():
    case, mine = Case("swap", 32, 2), Ours("float32", preset("tiny"))
    assert mine.work(case)().shape == (2, 3, 32, 32)
    assert mine.outputs(32)["texture"].shape == (2, preset("tiny").texture_channels)


def test_growth_in_fresh_processes(fork, tmp_path, capsys):
    fork()
    arguments = ["growth", "--preset", "tiny", "--sizes", 32, 64, "--batches", 1, "--at", 32, "--repeats", 1]
    arguments += ["--threads", torch.get_num_threads(), "--plot", tmp_path / "plot.svg", "--json"]
    assert main(list(map(str, arguments))) == 0
    found = json.loads(capsys.readouterr().out)
    assert [[point["size"] for point in series] for series in found["points"].values()] == [[32, 64], [32]]
    assert list(found["exponents"]["one picture, ever larger"]) == ["seconds", "memory"]
    ElementTree.parse(tmp_path / "plot.svg")


def test_films_beside_the_decoder(bundle, capsys):
    pytest.importorskip("av")
    arguments = ["films", "--model", bundle / "landscapes-128.safetensors", "--frames", 9, "--rounds", 2]
    arguments += ["--memory", 60]
    assert main(list(map(str, [*arguments, "--threads", torch.get_num_threads(), "--json"]))) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: len(seconds) for name, seconds in found["seconds"].items()} == {films.DECODER: 2, films.FILM: 2}
    assert found["growth"] >= 0


# -- the studio -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(bundle, tmp_path_factory):
    """A model, and the one studio on it that the tests share."""
    if sys.platform != "linux":
        pytest.skip("it looks at the process in /proc")
    model = shutil.copy(bundle / "landscapes-128.safetensors", tmp_path_factory.mktemp("studio") / "small.safetensors")
    lay_beside(model, load(model, device="cpu"))
    with Server.started(str(model), 1) as server:
        yield str(model), server


@pytest.fixture
def model(running, monkeypatch):
    monkeypatch.setattr(Server, "started", lambda model, threads: nullcontext(running[1]))
    return running[0]


def test_an_hour_of_the_studio_in_few_pictures(model, monkeypatch, capsys):
    monkeypatch.setattr(soak, "PICTURES", 10)
    assert main(["soak", "--model", model, "--size", "32", "--pictures", "50", "--threads", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["pictures"], figures["uploads"], figures["jobs"], len(figures["memory"])) == (50, 10, 7, 5)
    assert min(figures["memory"]) > 100e6


def test_the_studio_for_one_visitor_and_for_eight(model, capsys):
    assert main(["studio", "--models", model, "--moves", "3", "--seconds", "1", "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[model]
    assert len(found["alone"]) == 3
    assert len(found["pictures"]) == 8
    assert min(found["pictures"]) > 0
    assert max(found["pictures"]) - min(found["pictures"]) <= 2, "each in turn"
    assert min(found["cpu"], found["decoder_cpu"], found["first_page_cpu"]) > 0


# -- photos -----------------------------------------------------------------------------------------------------------


def test_pillow_alone_decodes_what_packing_packs(tmp_path, monkeypatch):
    """The two that are compared come to the same pictures."""
    from PIL import Image

    from graftlab.checkpoints.load import BUNDLED
    from graftlab.data import open_source, pack
    from graftlab.data.pack import Pack

    (tmp_path / "photos").mkdir()
    photo = tmp_path / "photos" / "0.jpg"
    with Image.open(BUNDLED / "photos" / "peaks.jpg") as image:
        image.resize((800, 600)).save(photo, quality=90)
    pack(open_source(photo.parent), tmp_path / "pack", own.PACKED)
    assert own.shrink(photo) == Pack(tmp_path / "pack").images[0].tobytes()
