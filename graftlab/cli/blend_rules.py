"""The options of `graft blend` as a rule: how much of which model every layer gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graftlab.blending import weights as rules
from graftlab.blending.channels import channels, features_at, together
from graftlab.blending.clusters import Clusters
from graftlab.blending.kinship import ancestors
from graftlab.blending.weights import Rule, Share, held, only, pair, reversed_
from graftlab.cli.progress import console
from graftlab.errors import GraftError
from graftlab.networks.model import Network

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def chosen(
    swap_at: int | None,
    level: int | None,
    width: float | None,
    reverse: bool,
    alpha: float | None,
    curve: str | None,
    band: str | None,
    weights: Path | None,
    clusters: "Sequence[Chosen] | None",
    hard: bool,
    compat: str | None,
) -> Callable[[Network], Rule[Sequence[Share]]]:
    """The rule that the options name, once the network is known.

    GraftError unless it is one, and for options that do not go with it."""

    ways: dict[str, object] = {
        "--swap-at": swap_at,
        "--alpha": alpha,
        "--curve": curve,
        "--band": band,
        "--weights": weights,
    }
    ways["--clusters"] = clusters
    if sum(value is not None for value in ways.values()) != 1:
        raise GraftError(f"Say how to blend by one of {', '.join(ways)}.")
    if swap_at is None and not level is width is compat is None:
        raise GraftError("--level, --width and --compat belong to --swap-at; leave them out or give that.")
    if hard and clusters is None:
        raise GraftError("--hard belongs to --clusters; leave it out or give that.")
    if compat not in (None, "pinkney"):
        raise GraftError(f"--compat must be pinkney, not '{compat}'.")
    if weights is not None:
        if reverse:
            raise GraftError("--reverse is for two models without --weights; name the models in another order.")
        rows = rules.matrix(rules.read_rows(weights))
        return lambda network: rows
    if clusters is not None:
        return lambda network: paired(by_channels(network, clusters, hard), reverse)
    if swap_at is not None:
        rule = (rules.pinkney if compat else rules.layer_swap)(swap_at, level or 0, width)
    elif alpha is not None:
        rule = rules.interpolate(alpha)
    elif curve is not None:
        rule = rules.curve(anchors(curve))
    else:
        rule = rules.band(*ends(str(band)))
    both = paired(rule, reverse)
    return lambda network: both


def paired(rule: Rule[Share], reverse: bool) -> Rule[Sequence[Share]]:
    """A rule for the two models, A and B the other way round if asked for."""

    return pair(reversed_(rule) if reverse else rule)


@dataclass(frozen=True)
class Chosen:
    """Clusters of one file, of which some are meant."""

    path: Path
    clusters: Clusters
    names: list[str]

    @classmethod
    def read(cls, text: str) -> "Chosen":
        """ "parts.json:3,sky". GraftError for anything else."""

        path, _, names = text.rpartition(":")
        if not path or not names.strip():
            raise GraftError(f"--clusters takes a file and names of clusters such as parts.json:3,5, not '{text}'.")
        chosen = cls(Path(path), Clusters.load(path), [name.strip() for name in names.split(",")])
        chosen.clusters.share(chosen.names)  # refuses unknown ones before any work is done
        return chosen


def by_channels(network: Network, chosen: Sequence[Chosen], hard: bool) -> Rule[Share]:
    """The channels of chosen clusters from B, of one or more layers. GraftError for a layer that comes twice."""

    layers = [each.clusters.layer for each in chosen]
    if twice := [layer for layer in layers if layers.count(layer) > 1]:
        raise GraftError(
            f"--clusters names {twice[0]} twice; choose all its clusters at once, as {chosen[0].path}:3,5."
        )
    return together(
        *(channels(features_at(network, each.clusters.layer), each.clusters.share(each.names, hard)) for each in chosen)
    )


def anchors(text: str) -> dict[int, float]:
    """ "4:0,16:0.2" as numbers. GraftError for anything else, and for a resolution that is named twice."""
    try:
        named = [(int(key), float(value)) for key, value in (part.split(":") for part in text.split(","))]
    except ValueError:
        raise GraftError(f"--curve takes resolutions with shares of B such as 4:0,16:0.2,64:1, not '{text}'.") from None
    if len(dict(named)) < len(named):
        raise GraftError(f"--curve {text} names a resolution twice; leave one of the two out.")
    return dict(named)


def ends(text: str) -> tuple[int, int]:
    """ "16-64" as numbers. GraftError for anything else."""
    try:
        low, high = map(int, text.split("-"))
    except ValueError:
        raise GraftError(f"--band takes two resolutions such as 16-64, not '{text}'.") from None
    return low, high


def switched(
    rule: Rule[Sequence[Share]], switches: Mapping[str, str | None], part: str | None, count: int
) -> Rule[Sequence[Share]]:
    """The rule, for one part if that is asked for, with the models that are named for some roles."""

    def all_of(letter: str, option: str) -> Sequence[Share]:
        number = LETTERS.find(letter.lower()) if len(letter) == 1 else -1
        if not 0 <= number < count:
            raise GraftError(f"--{option.replace('_', '-')} is one of {', '.join(LETTERS[:count])}, not '{letter}'.")
        return [float(number == i) for i in range(count)]

    fixed = {role: all_of(letter, role) for role, letter in switches.items() if letter is not None}
    rule = held(rule, **fixed) if fixed else rule
    return rule if part in (None, "both") else only(str(part), rule, all_of("a", "part"))


def fitting(network: Network, compat: str | None, part: str | None, channels: bool) -> None:
    """GraftError for options that this kind of model does not have."""

    if part not in (None, "both", "encoder", "generator"):
        raise GraftError(f"--part is encoder, generator or both, not '{part}'.")
    if network.takes == "seeds" and part is not None:
        raise GraftError("--part is for autoencoders, and these are StyleGAN2s; leave it out.")
    if channels and part == "encoder":
        raise GraftError("--clusters selects channels of a generator; leave out --part encoder.")
    if compat and network.takes != "seeds":
        raise GraftError(f"--compat is for StyleGAN2s, and these are {network.kind}; leave it out.")


def tell_origin(path: Path, found: Clusters, networks: Sequence[Network], stories: Sequence[Mapping[str, Any]]) -> None:
    """Say so if clusters were found in a network that neither is one of these nor named by their files."""

    known = {name for pair in zip(networks, stories, strict=True) for name in ancestors(*pair)}
    if found.model not in known:
        console.print(
            f"{path} was made of another model ({str(found.model)[:12]}); its channels mean the same here only if "
            "one was fine-tuned from the other, or both from a third.",
            soft_wrap=True,
        )
