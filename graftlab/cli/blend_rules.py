"""The options of `graft blend` as a rule: how much of which model every layer gets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graftlab.errors import GraftError

if TYPE_CHECKING:
    from graftlab.blending.weights import Rule, Share
    from graftlab.networks.model import Model as Network

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
    compat: str | None,
) -> "Rule[Sequence[Share]]":
    """The rule that the options name. GraftError unless it is one, and for options that do not go with it."""
    from graftlab.blending import weights as rules

    ways = {"--swap-at": swap_at, "--alpha": alpha, "--curve": curve, "--band": band, "--weights": weights}
    if sum(value is not None for value in ways.values()) != 1:
        raise GraftError(f"Say how to blend by one of {', '.join(ways)}.")
    if swap_at is None and not level is width is compat is None:
        raise GraftError("--level, --width and --compat belong to --swap-at; leave them out or give that.")
    if compat not in (None, "pinkney"):
        raise GraftError(f"--compat knows pinkney, not '{compat}'.")
    if weights is not None:
        if reverse:
            raise GraftError("--reverse is for two models without --weights; name the models in another order.")
        return rules.matrix(rules.read_rows(weights))
    if swap_at is not None:
        rule = (rules.pinkney if compat else rules.layer_swap)(swap_at, level or 0, width)
    elif alpha is not None:
        rule = rules.interpolate(alpha)
    elif curve is not None:
        rule = rules.curve(dict(anchors(curve)))
    else:
        rule = rules.band(*ends(str(band)))
    return rules.pair(rules.reversed_(rule) if reverse else rule)


def anchors(text: str) -> list[tuple[int, float]]:
    """ "4:0,16:0.2" as numbers. GraftError for anything else."""
    try:
        return [(int(key), float(value)) for key, value in (part.split(":") for part in text.split(","))]
    except ValueError:
        raise GraftError(f"--curve takes resolutions with shares of B such as 4:0,16:0.2,64:1, not '{text}'.") from None


def ends(text: str) -> tuple[int, int]:
    """ "16-64" as numbers. GraftError for anything else."""
    try:
        low, high = map(int, text.split("-"))
    except ValueError:
        raise GraftError(f"--band takes two resolutions such as 16-64, not '{text}'.") from None
    return low, high


def switched(
    rule: "Rule[Sequence[Share]]", switches: Mapping[str, str | None], part: str | None, count: int
) -> "Rule[Sequence[Share]]":
    """The rule, for one part if that is asked for, with the models that are named for some roles."""
    from graftlab.blending.weights import held, only

    def all_of(letter: str, option: str) -> "Sequence[Share]":
        number = LETTERS.find(letter.lower()) if len(letter) == 1 else -1
        if not 0 <= number < count:
            raise GraftError(f"--{option.replace('_', '-')} is one of {', '.join(LETTERS[:count])}, not '{letter}'.")
        return [float(number == i) for i in range(count)]

    fixed = {role: all_of(letter, role) for role, letter in switches.items() if letter is not None}
    rule = held(rule, **fixed) if fixed else rule
    return rule if part in (None, "both") else only(str(part), rule, all_of("a", "part"))


def fitting(network: "Network", compat: str | None, part: str | None) -> None:
    """GraftError for options that this kind of model does not have."""
    from graftlab.networks.stylegan2 import StyleGAN2

    if part not in (None, "both", "encoder", "generator"):
        raise GraftError(f"--part is encoder, generator or both, not '{part}'.")
    if isinstance(network, StyleGAN2) and part is not None:
        raise GraftError("--part is for autoencoders, and these are StyleGAN2s; leave it out.")
    if compat and not isinstance(network, StyleGAN2):
        raise GraftError(f"--compat is for StyleGAN2s, and these are {network.kind}; leave it out.")
