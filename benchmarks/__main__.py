"""Speed and memory on this machine, in one run, beside the machine's own ceiling.

    python -m benchmarks [--model MODEL] [--threads N] [--json]

Every figure is the median of repeats; rates of convolution work are also given as a share of what one large
convolution reaches here in the same minute, so that figures of different machines can be compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

import graftlab
from graftlab.checkpoints.load import BUNDLED
from graftlab.config import TrainConfig, preset, recipe
from graftlab.editing import swaps
from graftlab.hardware import training_precision
from graftlab.training.estimate import estimate

REPEATS = 15
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def seconds(work: Callable[[], Any]) -> float:
    """Median duration of a call, after three that are not counted."""
    durations = []
    for i in range(REPEATS + 3):
        start = time.perf_counter()
        work()
        if i >= 3:
            durations.append(time.perf_counter() - start)
    return median(durations)


def ceiling(dtype: torch.dtype) -> float:
    """FLOP/s of a 3x3 convolution of 128 channels, large enough to show the machine at its best."""
    x = torch.randn(4, 128, 96, 96, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(128, 128, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    return 2 * 9 * 128 * 128 * x[:, 0].numel() / seconds(lambda: F.conv2d(x, weight, padding=1))


def flops(work: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@torch.no_grad()
def inference(name: str) -> list[dict[str, Any]]:
    """Images per second of encode, decode and swap, at the model's size."""
    rows = []
    for precision, dtype in PRECISIONS.items():
        model, best = graftlab.load(name, "cpu", precision), ceiling(dtype)
        for batch in (1, 8):
            images = torch.rand(batch, 3, model.config.size, model.config.size) * 2 - 1
            codes = model.encode(images)
            cases: dict[str, Callable[[], Any]] = {
                "encode": lambda images=images, model=model: model.encode(images),
                "decode": lambda codes=codes, model=model: model.decode(codes),
                "swap": lambda images=images, model=model: swaps.swap(model, images, images),
            }
            for case, work in cases.items():
                duration = seconds(work)
                share = flops(work) / duration / best
                rows.append(
                    {
                        "case": f"{case}, {model.config.size} px, batch {batch}, {precision}",
                        "images_per_second": batch / duration,
                        "share_of_ceiling": share,
                    }
                )
    return rows


def cold_start(name: str) -> float:
    """Seconds of `graft swap A B` in a new process, pictures read and written: the median of three."""
    photos = BUNDLED / "photos"
    durations = []
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "swap.png")
        command = [sys.executable, "-c", "from graftlab.cli import main; main()", "swap"]
        for _ in range(3):
            start = time.perf_counter()
            pair = [str(photos / "peaks.jpg"), str(photos / "render-sunset.jpg")]
            subprocess.run([*command, *pair, "-m", name, "-o", out], check=True, capture_output=True)
            durations.append(time.perf_counter() - start)
    return median(durations)


def training(size: int) -> dict[str, Any]:
    """Images per second and peak memory of the preset `small`."""
    device = torch.device("cpu")
    config = TrainConfig(preset("small", size), recipe("official"), "", precision=training_precision(device))
    costs = estimate(config, device)
    case = f"training, preset small, {size} px, batch {config.batch}, {config.precision}"
    return {"case": case, "images_per_second": costs.images_per_second, "memory_gb": (costs.memory or 0) / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="landscapes-64")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [{"case": "graft swap, cold start", "seconds": cold_start(options.model)}, *inference(options.model)]
    rows += [training(64), training(128)]  # memory is the process's peak so far, so the larger comes last
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=1))
        return
    for row in rows:
        figures = [f"{key.replace('_', ' ')} {value:.3g}" for key, value in row.items() if key != "case"]
        print(f"{row['case']:56}", "   ".join(figures))


if __name__ == "__main__":
    main()
