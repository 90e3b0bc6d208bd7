"""Parts of pictures that a network tells apart, and the channels that each belongs to (Collins et al. 2020, section 3).

    clusters = fit(model, features_at(model, 32), 8, probe_seeds(range(200)))
    clusters.save("parts.json")

Wherever a network draws sky, the features of one of its layers point roughly the same way. So the positions of many
pictures are clustered by direction (spherical k-means), without anybody telling what there is to be found. A channel
belongs to the clusters in whose positions it does its work.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.artifacts import finite
from graftlab.blending.channels import Features, features_at
from graftlab.blending.inputs import Probe
from graftlab.errors import GraftError, needs
from graftlab.figures.sheets import fit_scale, sheet
from graftlab.figures.tables import Cell, Table
from graftlab.networks.layers import full
from graftlab.networks.local import likeness
from graftlab.networks.model import Network
from graftlab.work.files import atomic_write, refuse_endless
from graftlab.work.progress import Watch, steps, unwatched

PER_PICTURE = 256  # positions at most, drawn at random
BEGINNINGS = 4  # from which k-means starts, of which the best counts
HEAT = (1.0, 0.1, -0.9)  # colour of a cluster's positions, in [-1, 1]


@dataclass(frozen=True)
class Clusters:
    """K clusters of the positions of a layer's features, which has C channels.

    Names are the numbers from the largest cluster down until somebody gives better ones; those that share one are
    chosen together."""

    layer: str  # name of the module
    names: tuple[str, ...]
    areas: Tensor  # (K,): shares of all positions
    membership: Tensor  # (C, K), from 0 up: how much of a channel's activity falls into each cluster's positions
    mean: Tensor  # (C,), of the features
    deviation: Tensor  # (C,)
    centres: Tensor  # (K, C): directions of standardised features, of unit length
    model: str | None = None  # fingerprint of the network in which they were found

    def __post_init__(self) -> None:
        if not isinstance(self.layer, str) or not isinstance(self.model, str | None):
            raise GraftError("A layer and a model are named by texts.")
        count, width = len(self.names), len(self.mean)
        if not count or self.membership.shape != (width, count) or self.centres.shape != (count, width):
            raise GraftError(
                f"With {count} clusters and {width} channels, every channel needs {count} memberships, and every "
                f"centre {width} numbers."
            )
        if not finite(self.areas, self.membership, self.mean, self.deviation, self.centres):
            raise GraftError("All its numbers must be finite.")
        if bool((self.membership < 0).any()) or not bool((self.deviation > 0).all()):
            raise GraftError("Memberships are from 0 up, and deviations above 0.")

    def share(
        self, names: Sequence[str] | Mapping[str, float], hard: bool = False, query: float | None = None
    ) -> Tensor:
        """How much of each channel (C,) belongs to some of the clusters, in [0, 1]; all of them together have 1.

        Names may have amounts, with which what belongs to them is multiplied. If `hard`, a channel wholly belongs to
        the cluster in whose positions it is most active on average, so that small clusters have channels too. With a
        `query`, it is 1 for those that are the clusters' own more than others are, until they make up this share of
        what all channels do there (Collins et al. 2020, section 3). GraftError for unknown clusters, and those that no
        channel belongs to."""
        belonging = self.belonging(hard)
        chosen, total = belonging * self.chosen(names), belonging.sum(1)
        nothing = isinstance(names, Mapping) and names and not any(names.values())  # which is asked for
        if not chosen.any() and not nothing:
            raise GraftError(
                f"No channel belongs to {' or '.join(names) or 'no cluster'}; choose other clusters (--clusters)."
            )
        if isinstance(names, Mapping):
            chosen = belonging * torch.tensor([float(names.get(name, 0)) for name in self.names])
        share = chosen.sum(1) / total.where(total > 0, 1.0)
        return share if query is None else _foremost(share, query)

    def chosen(self, names: Iterable[str]) -> Tensor:
        """Which clusters (K,) have one of these names. GraftError for unknown ones."""
        names = list(names)
        if unknown := [name for name in names if name not in self.names]:
            raise GraftError(
                f"There is no cluster '{unknown[0]}', only {', '.join(dict.fromkeys(self.names))} (--clusters)."
            )
        return torch.tensor([name in names for name in self.names])

    def belonging(self, hard: bool = False) -> Tensor:
        """The memberships (C, K); if `hard`, 1 for the cluster that a channel wholly belongs to, and 0 for others."""
        if not hard:
            return self.membership
        activity = self.membership / self.areas.clamp(min=1e-9)
        return F.one_hot(activity.argmax(1), len(self.names)) * (self.membership.sum(1, keepdim=True) > 0).float()

    def to_dict(self, features: Features) -> dict[str, Any]:
        """As JSON: their shares of all positions of a layer's features, and how many channels belong to them."""
        columns = self.areas.tolist(), self._channels(hard=False), self._channels(hard=True)
        names = ("name", "area", "channels", "hard_channels")
        each = [dict(zip(names, row, strict=True)) for row in zip(self.names, *columns, strict=True)]
        place = {"layer": self.layer, "resolution": features.resolution, "channels": features.channels}
        return {**place, "clusters": each}

    def tabulate(self, features: Features) -> Table:
        """The same as a table."""
        rows: list[tuple[str, list[Cell]]] = [
            (each["name"], [f"{each['area']:.1%}", f"{each['channels']:.1f}", f"{each['hard_channels']:.0f}"])
            for each in self.to_dict(features)["clusters"]
        ]
        title = f"{self.layer}, {features.resolution} px, {features.channels} channels"
        return Table(title, ["of all positions", "channels in proportion", "channels with --hard"], rows)

    def _channels(self, hard: bool) -> list[float]:
        """How many channels belong to each cluster, their shares added up."""
        belonging = self.belonging(hard)
        return (belonging / belonging.sum(1, keepdim=True).clamp(min=1e-9)).sum(0).tolist()

    def labels(self, features: Tensor) -> Tensor:
        """The cluster of every position of features (N, C, H, W), counted from 0: (N, H, W)."""
        if features.shape[1] != len(self.mean):
            raise GraftError(
                f"These clusters are of {len(self.mean)} channels, and here are {features.shape[1]}; take those of "
                "this network, or of its kin."
            )
        mean, deviation, centres = (each.to(features) for each in (self.mean, self.deviation, self.centres))
        return likeness(features, mean, deviation, centres).argmax(1)

    def save(self, path: str | Path) -> Path:
        """Write as JSON, a line for each cluster and for each channel, to be edited by hand."""
        clusters = [
            {"name": name, "area": _short(area), "centre": _short(centre)}
            for name, area, centre in zip(self.names, self.areas, self.centres, strict=True)
        ]
        rows = [
            {"membership": _short(row), "mean": _short(mean), "deviation": _short(deviation)}
            for row, mean, deviation in zip(self.membership, self.mean, self.deviation, strict=True)
        ]
        text = (
            f'{{\n"made by": "graftlab",\n"layer": {json.dumps(self.layer)},\n"model": {json.dumps(self.model)},\n'
            f'"clusters": [\n{_lines(clusters)}\n],\n"channels": [\n{_lines(rows)}\n]\n}}\n'
        )
        return atomic_write(path, lambda file: file.write(text.encode()))

    @classmethod
    def load(cls, path: str | Path) -> "Clusters":
        """From a file that `save` wrote, and somebody may have edited. GraftError if it is something else."""
        refuse_endless(Path(path))
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8-sig"))
            clusters, rows = found["clusters"], found["channels"]
            return cls(
                found["layer"],
                tuple(str(each["name"]) for each in clusters),
                torch.tensor([float(each["area"]) for each in clusters]),
                torch.tensor([[float(share) for share in row["membership"]] for row in rows]),
                torch.tensor([float(row["mean"]) for row in rows]),
                torch.tensor([float(row["deviation"]) for row in rows]),
                torch.tensor([[float(number) for number in each["centre"]] for each in clusters]),
                found.get("model"),
            )
        except FileNotFoundError:
            raise GraftError(f"{path}: no such file.") from None
        except GraftError as error:
            reason = str(error).rstrip(".")
            raise GraftError(
                f"{path} holds no sensible clusters ({reason}); make new ones with 'graft clusters fit'."
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            raise GraftError(f"{path} holds no clusters; 'graft clusters fit' makes such files.") from None


def fit(
    model: Network,
    features: Features,
    parts: int,  # K
    probes: Iterable[Probe],  # what is shown to the model: `inputs`
    seed: int = 0,  # of the positions that are looked at, and of where the search begins
) -> Clusters:
    """Clusters of what a layer makes of many inputs.

    Features are standardised channel by channel, so that a strong channel does not drown the others, and every
    position's vector is scaled to unit length. Memberships are M of the paper: the mean square of the standardised
    channel over a cluster's positions, others counting as 0; they sum to 1. GraftError for fewer positions than
    clusters, for features that are not finite, and without scikit-learn."""
    check_clusters()
    from sklearn.cluster import KMeans

    if parts < 1:
        raise GraftError(f"Features fall into one cluster or more, not {parts} (--parts).")
    generator = torch.Generator().manual_seed(seed)
    seen = [_some(_made(model, features, probe), generator) for probe in probes]
    x = torch.cat(seen) if seen else torch.empty(0, features.channels)
    if parts > len(x):
        raise GraftError(
            f"{len(x)} positions do not make {parts} clusters; take fewer (--parts), more pictures, or a finer layer."
        )
    mean, deviation = x.mean(0), x.std(0, correction=0)
    dead = deviation == 0
    deviation[dead] = 1
    x = (x - mean) / deviation
    if not x.isfinite().all():
        raise GraftError(f"What {features.name} makes is too large to be clustered; this model is damaged.")
    found = KMeans(parts, n_init=BEGINNINGS, random_state=seed).fit(F.normalize(x).numpy())
    centres = F.normalize(torch.from_numpy(found.cluster_centers_).float())
    labels = F.one_hot((x @ centres.T).argmax(1), parts).float()
    order = labels.sum(0).argsort(descending=True, stable=True)
    labels, centres = labels[:, order], centres[order]
    areas = labels.mean(0)
    membership = x.square().T @ labels / len(x)
    membership[dead] = areas
    names = tuple(map(str, range(parts)))
    return Clusters(features.name, names, areas, membership, mean, deviation, centres, model.fingerprint)


def check_clusters() -> None:
    """GraftError if clusters cannot be looked for, because scikit-learn is missing."""
    needs("Clusters", "sklearn", "scikit-learn", "clusters")


@torch.no_grad()
def observe(model: Network, features: Features, probe: Probe) -> tuple[Tensor, Tensor]:
    """The picture that a model makes of one input, and the features (1, C, H, W) it had on the way."""
    seen: list[Tensor] = []
    with _watched(model, features, seen.append):
        picture = probe(model)
    return picture, seen[0]


def heat(picture: Tensor, inside: Tensor) -> Tensor:
    """A picture (1, 3, H, W) in [-1, 1] in dark grey, with the positions (h, w) of a cluster in colour over it."""
    grey = picture.clamp(-1, 1).mean(1, keepdim=True).expand_as(picture)
    glow = F.interpolate(inside[None, None].to(picture), picture.shape[2:], mode="bilinear", align_corners=False)
    lit = (grey + torch.tensor(HEAT).to(picture)[:, None, None]) / 2
    return torch.lerp((grey - 1) / 2, lit, glow)


def draw_heat(model: Network, clusters: Clusters, probes: Sequence[Probe], watch: Watch = unwatched) -> Tensor:
    """A sheet (1, 3, H, W): pictures, and the positions of each cluster in them. GraftError if it is too large."""
    features, rows = features_at(model, clusters.layer), []
    scale = fit_scale(len(probes), len(clusters.names) + 1, model.config.size)
    with watch("drawing", len(probes)) as progress:
        for probe in steps(probes, progress, len(probes)):
            image, seen = observe(model, features, probe)
            labels = clusters.labels(seen)[0]
            rows.append([image, *(heat(image, labels == cluster) for cluster in range(len(clusters.names)))])
    columns = [f"{name}: {area:.0%}" for name, area in zip(clusters.names, clusters.areas.tolist(), strict=True)]
    return sheet(
        rows, [], ["", *columns], f"{model.name}: {clusters.layer}" if model.name else clusters.layer, scale=scale
    )


class _Enough(Exception):  # noqa: N818  # it is no error
    """Ends a run once the features are there: the finer layers, which take the longest, are not asked."""


@torch.no_grad()
def _made(model: Network, features: Features, probe: Probe) -> Tensor:
    """The features (1, C, H, W) alone."""
    seen: list[Tensor] = []

    def enough(output: Tensor) -> None:
        seen.append(output)
        raise _Enough

    with suppress(_Enough), _watched(model, features, enough):
        probe(model)
    return seen[0]


@contextmanager
def _watched(model: Network, features: Features, see: Callable[[Tensor], None]) -> Iterator[None]:
    """In which `see` is shown what the layer makes within the picture, at least in float32."""
    crop = (-features.margin,) * 4
    handle = model.get_submodule(features.name).register_forward_hook(
        lambda module, inputs, output: see(F.pad(full(output), crop))
    )
    try:
        yield
    finally:
        handle.remove()


def _some(features: Tensor, generator: torch.Generator) -> Tensor:
    """Vectors (P, C) of positions of features (1, C, H, W) that are drawn at random."""
    vectors = features[0].flatten(1).T.cpu()
    return vectors[torch.randperm(len(vectors), generator=generator)[:PER_PICTURE]]


def _foremost(share: Tensor, query: float) -> Tensor:
    """Channels (C,) in the order of their shares, until those sum to a share of all: 1, the last one perhaps less.

    The linear programme of the paper: most of the clusters for least of all others, which only asks for order."""
    order = share.argsort(descending=True, stable=True)
    ordered = share[order]
    left = query * share.sum() - (ordered.cumsum(0) - ordered)
    return torch.zeros_like(share).scatter(0, order, (left / ordered.clamp(min=1e-9)).clamp(0, 1) * (ordered > 0))


def _short(numbers: Tensor) -> Any:
    """As JSON, with the digits that matter."""
    if numbers.ndim:
        return [_short(number) for number in numbers]
    return float(f"{numbers.item():.5g}")


def _lines(items: Sequence[dict[str, Any]]) -> str:
    return ",\n".join(map(json.dumps, items))
