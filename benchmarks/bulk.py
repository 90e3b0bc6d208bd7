"""Bulk work by one process, by two, and on a Ray cluster of two nodes: `python -m benchmarks bulk`.

Some hundred pictures are encoded. Every way has to give the same bytes. What a worker does is told in pictures for each
second of its processor, because others may use the machine. On the cluster a worker is killed in the midst of the work,
and in another run a node, which needs the extra `scale`.
"""

import os
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter, sleep
from typing import Any

import torch
from PIL import Image

from benchmarks.result import Result, add_output, positive
from benchmarks.worker import CPU
from graftlab.benchmarking.machine import Machine
from graftlab.benchmarking.speed import figure
from graftlab.checkpoints.load import load
from graftlab.figures.tables import Table
from graftlab.networks.swapping import SwappingModel
from graftlab.rendering import many
from graftlab.rendering.renderer import Renderer
from graftlab.work.bulk import Bulk
from graftlab.work.examples import examples
from graftlab.work.files import read_table
from graftlab.work.memory import keep_freed_memory
from graftlab.work.shards import folder_of


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--model", default="landscapes-256", help="file, or name")
    parser.add_argument("--pictures", type=positive, default=640)
    parser.add_argument("--no-ray", action="store_true", help="leave out the cluster")
    add_output(parser)


def run(options: Namespace) -> Result:
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as `graft` and all workers do
    renderer = Renderer(load(options.model, SwappingModel, device="cpu"), square=True)
    ways: dict[str, tuple[Bulk, int, Callable[[Any, Path], None] | None]] = {
        "one process": (Bulk(), 1, None),
        "two processes": (Bulk(workers=2), 2, None),
    }
    if not options.no_ray:
        ray = Bulk(engine="ray")
        ways |= {"Ray": (ray, 2, None), "Ray, a worker killed": (ray, 2, kill), "Ray, a node killed": (ray, 2, remove)}
    found: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as folder:
        photos, out, report = Path(folder) / "photos", Path(folder) / "codes.safetensors", Path(folder) / "report.json"
        photos.mkdir()
        for i in range(options.pictures):
            draw(i, photos)
        (photos / "broken.jpg").write_bytes(b"no picture")
        for name, (bulk, workers, accident) in ways.items():
            bulk = Bulk(workers=bulk.workers, engine=bulk.engine, report=report)
            with cluster(accident, out) if bulk.engine == "ray" else here():
                begun = perf_counter()
                many.encode(renderer, many.pictures_of([photos]), out, bulk)
                wall = perf_counter() - begun
            told = read_table(report)
            found[name] = {
                "workers": workers,
                "wall": wall,
                "processor": told["processor seconds"],
                "failed": len(told["failed"]),
                "sha256": sha256(out.read_bytes()).hexdigest(),
            }
            out.unlink()
    alone = found["one process"]
    rows = [
        (
            name,
            [
                figure(each["wall"]),
                figure(options.pictures / each["processor"]),
                f"{100 * alone['processor'] / each['processor']:.0f}%",
                str(each["failed"]),
                "yes" if each["sha256"] == alone["sha256"] else "NO",
            ],
        )
        for name, each in found.items()
    ]
    columns = ["seconds", "pictures per second of a processor", "of one process", "failed", "same bytes"]
    return Result(Machine.here(CPU), [Table(f"{options.pictures} pictures encoded", columns, rows)], found)


def draw(number: int, folder: Path) -> None:
    """A picture of its own: one of the bundled photos, turned a little."""
    chosen = examples()[number % len(examples())]
    with Image.open(chosen) as photo:
        photo.rotate(number / 10).save(folder / f"{number:05d}.jpg")


@contextmanager
def here() -> Iterator[None]:
    yield


@contextmanager
def cluster(accident: Callable[[Any, Path], None] | None, out: Path) -> Iterator[None]:
    """Two nodes of one processor each on this machine; the accident happens once two shards are done."""
    import ray
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 200 << 20, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=small)
    nodes.add_node(num_cpus=1, object_store_memory=200 << 20)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")

    def watch() -> None:
        while len(list(folder_of(out).glob("*.done"))) < 2:
            sleep(0.05)
        accident(nodes, out)  # type: ignore[misc]

    watching = Thread(target=watch, daemon=True)
    try:
        if accident:
            watching.start()
        yield
        if accident:
            watching.join()
    finally:
        ray.shutdown()
        nodes.shutdown()


def kill(nodes: Any, out: Path) -> None:
    """One process that makes a shard now."""
    raylets = {process.pid for node in nodes.list_all_nodes() for process, *_ in node_raylets(node)}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            words = (place / "cmdline").read_text()
        except (OSError, ValueError):
            continue
        if parent in raylets and words.startswith("ray::_make_elsewhere"):
            os.kill(int(place.name), signal.SIGKILL)
            return
    raise RuntimeError("no worker was found to be killed")


def node_raylets(node: Any) -> Iterator[tuple[Any, ...]]:
    return ((info.process,) for info in node.all_processes["raylet"])


def remove(nodes: Any, out: Path) -> None:
    """The second node, with what it makes."""
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
