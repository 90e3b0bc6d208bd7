"""How fast a training will be on many GPUs, from what a few take.

    torchrun --nnodes 2 --nproc-per-node 8 recipes/cluster/scaling.py measure
    python recipes/cluster/scaling.py predict --batch 2048 --image 0.0125 --megabytes 223 --bandwidth 40 --latency 20

`measure` times all-reduces of several lengths between the processes of torchrun, and fits latency and bandwidth.
`predict` puts them into the formulas of docs/scaling.md.
"""

import argparse
import os
import time
from statistics import median

LENGTHS = (2**12, 2**16, 2**20, 2**24, 2**26)  # bytes
REPEATS = 7
COUNTS = (1, 8, 64, 512)


def measure() -> None:
    import torch
    import torch.distributed as dist

    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo")
    processes, points = dist.get_world_size(), []
    for length in LENGTHS:
        message, taken = torch.ones(length // 4, device=device), []
        for _ in range(REPEATS):
            dist.barrier()
            start = time.perf_counter()
            dist.all_reduce(message)
            if cuda:
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - start)
        points.append((length, median(taken[1:])))
    if dist.get_rank() == 0:
        for length, seconds in points:
            print(f"{length / 1e6:10.3f} MB  {seconds * 1e3:10.3f} ms")
        share, hops = 2 * (processes - 1) / processes, 2 * (processes - 1)
        latency = points[0][1] / hops
        rate = share * points[-1][0] / max(1e-9, points[-1][1] - points[0][1])
        print(f"--latency {latency * 1e6:.0f} --bandwidth {rate / 1e9:.2f}  ({processes} processes)")
    dist.destroy_process_group()


def all_reduce(count: int, megabytes: float, bandwidth: float, latency: float) -> float:
    """Seconds of a ring all-reduce: 2 (n - 1) messages one after the other, each of 1 / n of the bytes."""
    return 2 * (count - 1) * (megabytes * 1e6 / count / (bandwidth * 1e9) + latency * 1e-6)


def step(count: int, told: argparse.Namespace) -> tuple[float, float]:
    """Seconds of a step: of what each process computes, or waits for its pictures, and of the exchange."""
    share = told.batch / count
    return max(share * told.image, share / told.data if told.data else 0), all_reduce(
        count, told.megabytes, told.bandwidth, told.latency
    )


def predict(told: argparse.Namespace) -> None:
    alone = sum(step(1, told))
    print("| GPUs | images a GPU | compute ms | all-reduce ms | images/s | efficiency |")
    print("| --: | --: | --: | --: | --: | --: |")
    for count in COUNTS:
        if told.batch % count:
            continue
        work, exchange = step(count, told)
        total = work + exchange
        cells = (
            f"{told.batch / count:.0f}",
            f"{work * 1e3:.1f}",
            f"{exchange * 1e3:.1f}",
            f"{told.batch / total:,.0f}",
        )
        print(f"| {count} | {' | '.join(cells)} | {alone / total / count:.0%} |")
    over = next((n for n in range(2, 100_000) if step(n, told)[1] > step(n, told)[0]), None)
    print(f"The exchange takes longer than the computation from {over} GPUs on." if over else "It never takes over.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("measure")
    told = commands.add_parser("predict")
    told.add_argument("--batch", type=int, required=True, help="images per step, over all processes")
    told.add_argument("--image", type=float, required=True, help="seconds that one image takes, of a step on one GPU")
    told.add_argument("--megabytes", type=float, required=True, help="gradients that a step exchanges")
    told.add_argument("--bandwidth", type=float, required=True, help="GB/s between neighbours, by `measure`")
    told.add_argument("--latency", type=float, required=True, help="microseconds of a message, by `measure`")
    told.add_argument("--data", type=float, default=0.0, help="images/s that one process can read; 0: all it needs")
    chosen = parser.parse_args()
    if chosen.command == "measure":
        measure()
    else:
        predict(chosen)


if __name__ == "__main__":
    main()
