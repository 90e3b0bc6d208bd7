#!/usr/bin/env python3
"""How far parts of pictures stay apart: what blends change inside a cluster's region, over what they change outside.

    python recipes/blending/apart.py alpine-128 woodblock-128 neon-128

Clusters are those of A's features at 32 pixels. Of every seed, the mean absolute change of A's pixels inside the region
is divided by that outside, over all seeds together: for blends of the clusters' channels, and for local blends. Below
stands the processor's time of a local blend as a share of that of A's and B's pictures, all measured in turn. Needs the
extra `clusters`.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from graftlab import StyleGAN2, blend, load
from graftlab.blending import Clusters, confine, features_at, probe_seeds
from graftlab.blending.channels import channels
from graftlab.blending.clusters import fit
from graftlab.codes import StyleCodes
from graftlab.figures.tables import Cell, Table
from graftlab.networks.local import LocalStyleGAN2

ROUNDS = 25  # of the clock, of which the median counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("a", help="a StyleGAN2: a file, or a name")
    parser.add_argument("others", nargs="+", help="fine-tuned from it")
    parser.add_argument("--parts", type=int, default=8, help="clusters")
    parser.add_argument("--layer", type=int, default=32, help="whose features are clustered, pixels")
    parser.add_argument("--seeds", type=int, default=40, help="pictures that are compared, psi 0.7")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    a = load(args.a, StyleGAN2, device="cpu")
    parts = fit(a, features_at(a, args.layer), args.parts, probe_seeds(range(200)))
    codes = a.codes_of(range(1000, 1000 + args.seeds), 0.7)
    for name in args.others:
        b = load(name, StyleGAN2, device="cpu")
        rows = [(part, compare(a, b, parts, part, codes)) for part in parts.names]
        print(Table(f"{args.a} and {name}", ["channels", "local", "mean change inside"], rows).text())
        print(f"a local blend takes {overhead(a, b, parts, codes[:4]):.2f} times as long as both networks\n")


def compare(a: StyleGAN2, b: StyleGAN2, parts: Clusters, name: str, codes: StyleCodes) -> list[Cell]:
    """Changes inside over outside by channels and by place, and how far pixels inside change by place."""
    local = confine(a, b, clusters=parts, names=[name])
    whole = blend(a, b, channels(features_at(a, parts.layer), parts.share([name])))
    before, inside = a.decode(codes), regions(confine(a, b, clusters=parts, names=[name], soft=0), codes)
    changes = [(model.decode(codes) - before).abs().mean(1, keepdim=True) for model in (whole, local)]
    ratios = [mean_over(change, inside) / mean_over(change, 1 - inside) for change in changes]
    return [*(f"{ratio:.1f}" for ratio in ratios), f"{mean_over(changes[1], inside):.3f}"]


def regions(local: LocalStyleGAN2, codes: StyleCodes) -> Tensor:
    """Where a local blend with hard edges draws B (N, 1, H, W): 0 or 1."""
    seen: list[Tensor] = []
    handle = local.synthesis.place.register_forward_hook(lambda module, inputs, output: seen.append(output))
    local.decode(codes)
    handle.remove()
    return seen[0]


def mean_over(change: Tensor, where: Tensor) -> float:
    return ((change * where).sum() / where.sum()).item()


def overhead(a: StyleGAN2, b: StyleGAN2, parts: Clusters, codes: StyleCodes) -> float:
    local = confine(a, b, clusters=parts, names=parts.names[:1])
    ratios = []
    for _ in range(ROUNDS):
        mine, theirs, both = (timed(lambda model=model: model.decode(codes, noise="none")) for model in (a, b, local))
        ratios.append(both / (mine + theirs))
    return median(ratios)


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
