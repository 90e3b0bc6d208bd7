"""`graft bench`: its lines and its JSON are right for what it measured; its measures count what they say."""

import json
import mmap
from pathlib import Path

import pytest
import tiny
import torch

from graftlab.benchmarking import clock, machine, speed
from graftlab.benchmarking.machine import Ceiling, Machine
from graftlab.benchmarking.speed import Case
from graftlab.checkpoints.native import save_model

CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch):
    """No time is spent on the machine's ceiling, and everything is measured once."""
    best = Ceiling({"float32": 1e9, "bfloat16": 2e9}, {"float32": 3e9, "bfloat16": 4e9}, 5e9)
    monkeypatch.setattr(machine, "ceiling", lambda device, precisions: best)
    monkeypatch.setattr(speed, "durations", lambda work, device: [clock.once(work, device)] * clock.LEAST)
    return best


def test_lines(graft, quick):
    done = graft("bench", "--preset", "tiny", "--sizes", 32, "--batches", "2,1", "--precision", "float32,bfloat16")
    assert done.code == 0, done.err
    first, second, third, title, head, *lines = done.out.splitlines()
    assert first.startswith(machine.processor())
    assert f"{torch.get_num_threads()} thread" in first
    assert f"PyTorch {torch.__version__}" in second
    assert "bfloat16" in second
    assert third.endswith("matrix product 3 GFLOP/s in float32, 4 GFLOP/s in bfloat16; copying 5.0 GB/s")
    assert title == "tiny"
    assert head.split("  ")[-1].strip() == "GB at the peak"
    names = [f"{what}, 32 px, batch {batch}" for batch in (1, 2) for what in speed.WHAT]
    wanted = [f"{name}, {precision}" for precision in ("float32", "bfloat16") for name in names]
    assert [line.strip().split("  ")[0] for line in lines] == wanted


def test_json(graft, quick):
    done = graft("bench", "--sizes", 45, "--batches", 1, "--precision", "float32", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["model"] == "landscapes-256"
    assert found["ceiling"] == quick.to_dict()
    assert found["machine"]["versions"]["PyTorch"] == torch.__version__
    assert [(case["what"], case["size"], case["batch"]) for case in found["cases"]] == [
        (what, 45, 1) for what in speed.WHAT
    ]
    for case in found["cases"]:
        assert case["repeats"] >= clock.LEAST
        assert case["images_per_second"] == pytest.approx(1 / case["seconds"])
        assert case["flops_per_second"] == pytest.approx(case["flops"] / case["seconds"])
        assert case["share"] == pytest.approx(case["flops_per_second"] / 1e9)
    encode, decode, swap = (case["flops"] for case in found["cases"])
    assert swap == 2 * encode + decode


def test_samples_of_a_stylegan2(graft, quick):
    save_model(Path("net.safetensors"), tiny.stylegan2(classes=2))
    arguments = ("bench", "-m", "net.safetensors", "--batches", "1,2", "--precision", "float32")
    found = json.loads(graft(*arguments, "--json").out)
    assert [(case["what"], case["size"], case["batch"]) for case in found["cases"]] == [
        ("sample", 32, 1),
        ("sample", 32, 2),
    ]
    one, two = (case["flops"] for case in found["cases"])
    assert two == 2 * one > 0
    assert "--sizes" in graft(*arguments, "--sizes", "64").refusal()


def test_the_models_own_size_by_default(graft, quick):
    found = json.loads(graft("bench", "--batches", 1, "--json", "--precision", "float32").out)
    assert sorted({case["size"] for case in found["cases"]}) == [32, 256]


def test_refused(refuses, quick):
    mistakes = (
        (("--sizes", "64,big"), "64,big"),
        (("--batches", "0"), "'0'"),
        (("--precision", "float8"), "float8"),
        (("--preset", "large"), "large"),
        (("--sizes", "4"), "too small"),
        (("--device", "abacus"), "abacus"),
    )
    refuses(mistakes, "bench", "--model", "landscapes-128")


def test_the_ceiling_counts_its_arithmetic_right(monkeypatch):
    """Where a repeat takes a second per operation, one operation a second is reached."""
    monkeypatch.setattr(machine, "durations", lambda work, device: [float(clock.flops(work))])
    assert machine.convolution(CPU, "float32") == 1
    assert machine.matrix(CPU, "float32") == 1
    monkeypatch.setattr(machine, "durations", lambda work, device: [2.0 * work().nbytes])
    assert machine.copy(CPU) == 1


@pytest.mark.parametrize(("seconds", "repeats", "warm"), [(0.01, 15, 3), (0.2, 5, 1), (60, clock.LEAST, 1)])
def test_repeats(monkeypatch, seconds, repeats, warm):
    """Many where they are short, and no more than must be where they are long."""
    calls = []
    monkeypatch.setattr(clock, "once", lambda work, device: calls.append(work) or seconds)
    assert clock.durations(None, CPU) == [seconds] * repeats
    assert len(calls) == repeats + warm


def test_peak_counts_what_was_held():
    if clock.of_process("VmHWM") is None:
        pytest.skip("the system does not tell")
    clock.forget_peak(CPU)
    before = clock.of_process("VmRSS")
    with mmap.mmap(-1, 200_000_000) as held:  # past the allocator, which may have kept as much that was freed
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
    assert clock.peak(CPU) > before + 150_000_000
    clock.forget_peak(CPU)
    assert clock.peak(CPU) < before + 150_000_000


def test_memory_and_bfloat16_may_be_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(clock, "PROCESS", tmp_path)
    assert clock.peak(CPU) is None
    here = Machine("abacus", 1, 2, None, "System", "cpu", "DEFAULT", [], {"graftlab": "1"})
    assert (
        here.summary()
        == "abacus, 1 core, 2 threads, System\ngraftlab 1, instructions DEFAULT, bfloat16 not in hardware"
    )
    unknown = speed.Speed(Case("swap", 8, 2), "float32", 0.5, 3, 1000, 0.25, None)
    (_, cells), *_ = speed.table("title", [unknown]).rows
    assert cells == ("4.00", "2.00e-06", "25%", "–")


def test_cases_go_from_few_pixels_to_many():
    assert [str(case) for case in speed.cases([256, 64], [8, 1], ["swap"])] == [
        "swap, 64 px, batch 1",
        "swap, 64 px, batch 8",
        "swap, 256 px, batch 1",
        "swap, 256 px, batch 8",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.01234, "0.0123"), (1, "1.00"), (99.96, "100"), (123.4, "123"), (12345, "12,345")],
)
def test_figures_have_three_digits(value, text):
    assert speed.figure(value) == text
