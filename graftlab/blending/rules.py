"""The rule of a blend as options that people write: how much of which model every layer gets.

    BlendConfig(swap_at=32, mapping="a").rule_for(a)
    BlendConfig(curve="4:0,16:0.2,64:1").rule_for(a)

Rules themselves are in `weights`; who has numbers and no texts takes those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase

from torch import Tensor

from graftlab.blending import weights as shares
from graftlab.blending.blend import check_resolutions
from graftlab.blending.channels import channels, features_at, together
from graftlab.blending.choices import Choice
from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.local import Where
from graftlab.blending.weights import Rule, Share
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.work.texts import parse_band, parse_curve

LETTERS = ascii_lowercase  # the models of a blend
SWITCHES = ("mapping", "average", "affine", "to_rgb", "noise", "strength")


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Two models, one of which takes over at a resolution, by a share, or both."""

    swap_at: int | None = None
    """Up to and including this resolution from A, finer ones from B."""
    level: int | None = None
    """1: the switch of --swap-at one convolution later."""
    width: float | None = None
    """Of a gradual switch, such as 0.5; a hard one by default."""
    reverse: bool = False
    """A and B the other way round."""
    alpha: float | None = None
    """The same share of B everywhere; may lie beyond 0 and 1."""
    part: str | None = None
    """Of autoencoders: encoder, generator or both (the default)."""

    def rule(self) -> Rule[Share]:
        """The share of B, of the whole network; with a resolution, `alpha` counts in what is not A's alone.

        GraftError for levels, widths and shares that no blend can have."""
        whole = shares.interpolate(1.0 if self.alpha is None else self.alpha)
        if self.swap_at is None:
            return shares.reversed_(whole) if self.reverse else whole
        swap = shares.layer_swap(self.swap_at, self.level or 0, self.width)
        swap = shares.reversed_(swap) if self.reverse else swap
        if self.alpha is None:
            return swap
        return replace(swap, share=lambda layer: whole(layer) * swap(layer), about={**swap.about, **whole.about})

    def check(self, network: Network) -> None:
        """GraftError for options that this kind of model does not have."""
        if self.part not in (None, "both", "encoder", "generator"):
            raise GraftError(f"--part is encoder, generator or both, not '{self.part}'.")
        if network.takes == "seeds" and self.part is not None:
            raise GraftError(f"--part is for autoencoders, and these are {network.kind}; leave it out.")

    def layers(self, network: Network) -> list[Layer]:
        """The layers of the part that is blended."""
        return [layer for layer in layers_of(network) if self.part in (None, "both", layer.part)]


@dataclass(frozen=True, kw_only=True)
class BlendConfig(Where, Switch):
    """How models are blended: in one of six ways, with other shares for some roles, and in which part of the picture.

    GraftError unless it is one, for options that do not go with it, and for texts and numbers that make no sense."""

    curve: str | None = None
    """Shares of B by resolution: 4:0,16:0.2,64:1."""
    band: str | None = None
    """These resolutions from B, all others from A: 16-64."""
    weights: Path | None = None
    """JSON or YAML: each resolution with the shares of all models."""
    hard: bool = False
    """Channels of --clusters belong to one cluster wholly, not to all in proportion."""
    query: float | None = None
    """Whole channels of --clusters, the clusters' own first, until they make up this share of them: 0.5."""
    mapping: str | None = None
    """Whose mapping network (and its average, unless told): a, b, ...; as its layer by default."""
    average: str | None = None
    """Whose w_avg, the average of w, towards which truncation draws: a, b, ...; as its layer by default."""
    affine: str | None = None
    """Whose affine layers, from w or texture to the convolutions: a, b, ...; as its layer by default."""
    to_rgb: str | None = None
    """Whose layers to red, green, blue: a, b, ...; as its layer by default."""
    noise: str | None = None
    """Whose constant noise: a, b, ...; as its layer by default."""
    strength: str | None = None
    """Whose strengths of the noise: a, b, ...; as its layer by default."""
    compat: str | None = None
    """pinkney: as the best-known script does --swap-at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ways = ("swap_at", "alpha", "curve", "band", "weights")
        count = self.by_channels + sum(getattr(self, way) is not None for way in ways)
        if count != 1 and (count or not self.somewhere):
            named = ", ".join("--" + way.replace("_", "-") for way in (*ways, "clusters"))
            raise GraftError(f"Say how to blend by one of {named}.")
        if self.somewhere and (self.mapping or self.average):
            raise GraftError("Local blends draw A's w; leave --mapping and --average out.")
        if self.reverse and not count:
            raise GraftError("There is nothing to reverse; name the models in another order, or add a way to blend.")
        if self.swap_at is None and not self.level is self.width is self.compat is None:
            raise GraftError("--level, --width and --compat belong to --swap-at; leave them out or give that.")
        if (self.hard or self.query is not None) and not self.clusters:
            raise GraftError("--hard and --query belong to --clusters; leave them out or give that.")
        if self.query is not None and (self.hard or not 0 < self.query <= 1):
            raise GraftError(f"--query is a share above 0 and up to 1, without --hard, not {self.query:g}.")
        if self.compat not in (None, "pinkney"):
            raise GraftError(f"--compat knows pinkney, not '{self.compat}'.")
        if self.weights is not None and self.reverse:
            raise GraftError("--reverse is for two models without --weights; name the models in another order.")
        if not (self.weights or self.by_channels):
            self.rule()  # refuses what makes no sense before any model is opened

    @property
    def by_channels(self) -> bool:
        """Whether the clusters choose channels, and not only places."""
        return bool(self.clusters) and (not self.local or self.hard or self.query is not None)

    @property
    def files(self) -> list[Path]:
        """What it is read from."""
        return [*([self.weights] if self.weights else []), *super().files]

    def rule(self) -> Rule[Share]:
        """The share of B, of the whole network, where that needs no network to be known."""
        if self.curve is not None:
            rule = shares.curve(parse_curve(self.curve))
        elif self.band is not None:
            rule = shares.band(*parse_band(self.band))
        elif self.compat and self.swap_at is not None:
            rule = shares.pinkney(self.swap_at, self.level or 0, self.width)
        else:
            return super().rule()
        return shares.reversed_(rule) if self.reverse else rule

    def rule_for(self, network: Network, count: int = 2) -> Rule[Sequence[Share]]:
        """The shares of so many models that are built as this one is.

        GraftError for resolutions, parts, clusters and letters that they do not have."""
        self.check(network)
        rule = self._with_switches(self._shares(network), count)
        if self.somewhere and network.takes == "photos":  # which A encodes
            rule = shares.only("generator", rule, _all_of("a", "part", count))
        check_resolutions(rule, self.layers(network))
        return rule

    def check(self, network: Network) -> None:
        super().check(network)
        if self.clusters and self.part == "encoder":
            raise GraftError("--clusters are of a generator's channels; leave --part encoder out.")
        if self.somewhere and self.part not in (None, "generator"):
            raise GraftError("In a part of the picture only generators are blended; leave --part out.")
        if self.compat and network.kind != "stylegan2":
            raise GraftError(f"--compat is for StyleGAN2s, and these are {network.kind}; leave it out.")

    def _shares(self, network: Network) -> Rule[Sequence[Share]]:
        if self.weights is not None:
            return shares.matrix(shares.read_rows(self.weights))
        if not self.by_channels:
            return shares.pair(self.rule())
        layers = [choice.clusters.layer for choice in self.choices]
        if twice := [layer for layer in layers if layers.count(layer) > 1]:
            raise GraftError(
                f"--clusters names {twice[0]} twice; choose all its clusters at once, as {self.choices[0].path}:3,5."
            )
        rule = together(
            *(channels(features_at(network, each.clusters.layer), self._channels(each)) for each in self.choices)
        )
        return shares.pair(shares.reversed_(rule) if self.reverse else rule)

    def _channels(self, choice: Choice) -> Tensor:
        if self.query is None:
            return choice.clusters.share(choice.amounts, self.hard)
        return choice.clusters.share(choice.names, query=self.query)

    def _with_switches(self, rule: Rule[Sequence[Share]], count: int) -> Rule[Sequence[Share]]:
        """With the models that are named for some roles, and for one part if that is asked for."""
        letters: Mapping[str, str | None] = {role: getattr(self, role) for role in SWITCHES}
        letters = {**letters, "average": self.average or self.mapping}
        if self.somewhere:
            letters |= {"mapping": "a", "average": "a"}
        fixed = {role: _all_of(letter, role, count) for role, letter in letters.items() if letter is not None}
        rule = shares.held(rule, **fixed) if fixed else rule
        if self.part in (None, "both"):
            return rule
        return shares.only(str(self.part), rule, _all_of("a", "part", count))


def _all_of(letter: str, option: str, count: int) -> Sequence[Share]:
    """The shares of so many models of which one, by its letter, has all."""
    number = LETTERS.find(letter.lower()) if len(letter) == 1 else -1
    if not 0 <= number < count:
        raise GraftError(f"--{option.replace('_', '-')} is one of {', '.join(LETTERS[:count])}, not '{letter}'.")
    return [float(number == i) for i in range(count)]
