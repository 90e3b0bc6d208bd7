"""`blend_files`: model files to a blend, with all that is known of it.

blended = blend_files(["faces.pkl", "cartoons.pkl"], BlendConfig(swap_at=32))
blended.save("toon.safetensors")
print(blended.summarize())
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import Tensor

from graftlab.blending.blend import blend_many, doubt_noise
from graftlab.blending.choices import doubt
from graftlab.blending.family import Family, Tell, ignore
from graftlab.blending.inputs import Inputs
from graftlab.blending.kinship import Kinship
from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.rules import LETTERS, BlendConfig
from graftlab.blending.weights import Share
from graftlab.codes import Codes
from graftlab.errors import GraftError
from graftlab.figures.sheets import fit_scale, sheet
from graftlab.inversion.sources import USUAL, Finding
from graftlab.networks.alike import adopt
from graftlab.networks.model import Network
from graftlab.work.progress import Watch, unwatched

Column = tuple[str, Tensor | None, Callable[[Any], Tensor]]
Shares = Sequence[tuple[Layer, Sequence[list[float]]]]
"""Every tensor with the shares that each model has in it: one number, or one for each of its channels."""


@dataclass(frozen=True, eq=False)
class Blended:
    """A blend of models, and where each of its tensors came from."""

    network: Network
    parents: Sequence[Network]  # A, B and so on
    kinships: Sequence[Kinship]  # of B and all others with A
    shares: Shares

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Write the network, which knows its parents, its rule, and what of theirs it inherits."""
        return self.network.save(path, half=half)

    def summarize(self) -> str:
        """The shares by part and resolution, a line for each."""
        groups: dict[tuple[str, int], list[Sequence[list[float]]]] = {}
        for layer, shares in self.shares:
            groups.setdefault((layer.part, layer.resolution), []).append(shares)
        return "\n".join(
            f"{part:10} {resolution:5} px  " + "  ".join(_span([*chain(*model)]) for model in zip(*rows, strict=True))
            for (part, resolution), rows in sorted(groups.items())
        )

    def explain(self) -> str:
        """The shares of every tensor, a line for each."""
        longest = max(len(layer.name) for layer, _ in self.shares)
        return "\n".join(
            f"{layer.name:{longest}}  {layer.role:11} {layer.resolution:5} px  " + "  ".join(map(_span, shares))
            for layer, shares in self.shares
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON; of channels that have shares of their own the mean."""
        tensors = {
            layer.name: {"role": layer.role, "resolution": layer.resolution, "shares": list(map(fmean, shares))}
            for layer, shares in self.shares
        }
        kin = [found.to_dict() for found in self.kinships]
        return {"fingerprint": self.network.fingerprint, "kinship": kin, "tensors": tensors}

    def draw_samples(
        self, inputs: Inputs, watch: Watch = unwatched, tell: Tell = ignore, finding: Finding = USUAL
    ) -> Tensor:
        """A sheet (1, 3, H, W) of the same latents, or the same photos, by all models: a row for each.

        Codes of a StyleGAN2's photos are searched for in A (`find_codes`), and all models draw those. GraftError for
        inputs of the other kind of model, and for a sheet that would be too large."""
        first, *others = self.parents
        networks: Sequence[Any] = [first, self.network, *others]
        columns = self._columns(inputs, watch, tell, finding)
        pictured = any(picture is not None for _, picture, _ in columns)
        scale = fit_scale(len(networks) + pictured, len(columns), self.network.config.size)
        rows: list[list[Tensor | None]] = [[picture for _, picture, _ in columns]] if pictured else []
        with watch("drawing", len(networks) * len(columns)) as progress:
            for number, network in enumerate(networks):
                rows.append([])
                for _, _, drawn_by in columns:
                    rows[-1].append(drawn_by(network))
                    progress(number * len(columns) + len(rows[-1]))
        one, *rest = [
            f"{letter} {each.name}".rstrip() for letter, each in zip(LETTERS.upper(), self.parents, strict=False)
        ]
        labels = [*(["photo"] if pictured else []), one, "blend", *rest]
        heads = [] if self.network.takes == "photos" else [name for name, _, _ in columns]
        return sheet(rows, labels, heads, scale=scale)

    def _columns(self, inputs: Inputs, watch: Watch, tell: Tell, finding: Finding) -> list[Column]:
        """What is drawn: its name, its picture if there is one, and how a network draws it."""
        first: Any = self.parents[0]
        if first.takes == "photos":
            inputs.refuse_seeds()
            return [("", image, _recode(image)) for image in inputs.read(first)]
        if not inputs.photo:
            return [(str(seed), None, _sample(seed, inputs)) for seed in inputs.numbers]
        kin = {each.fingerprint for each in self.parents}.union(*(each.ancestors for each in self.parents))
        shown = inputs.shown(first, None, kin, finding, watch, tell)
        return [(each.name, each.picture, _draw(each.codes, first)) for each in shown.sources]


def _recode(image: Tensor) -> Callable[[Any], Tensor]:
    return lambda network: network.decode(network.encode(image))


def _sample(seed: int, inputs: Inputs) -> Callable[[Any], Tensor]:
    return lambda network: network.sample([seed], inputs.psi, inputs.label)


def _draw(codes: Codes, base: Network) -> Callable[[Any], Tensor]:
    return lambda network: network.decode(adopt(codes, base, network))


def blend_files(
    models: Sequence[str | Path],  # paths or names: A and B, or with a table of weights any number
    config: BlendConfig,
    force: bool = False,  # blend networks that seem unrelated all the same
    device: str | None = None,
    watch: Watch = unwatched,
    tell: Tell = ignore,  # of clusters that may be of another network, and of noise that is unlike
) -> Blended:
    """Open models and blend them, which leaves their files as they are.

    GraftError for models that are damaged, of different layers or, unless forced, no kin, and for a rule that does not
    fit them."""
    if len(models) < 2 or (len(models) > 2 and config.weights is None):
        raise GraftError(f"A blend is of two models, or with --weights of any number, not of {len(models)}.")
    family = Family(models, force, device, watch=watch)
    networks = [family.load(name) for name in family.names]
    rule = config.rule_for(networks[0], len(networks))
    for choice in config.choices:
        if sentence := doubt(choice.path, choice.clusters, networks):
            tell(sentence)
    if sentence := doubt_noise(networks, rule):
        tell(sentence)
    shares = [(layer, [_numbers(share) for share in rule(layer)]) for layer in layers_of(networks[0])]
    blended = config.confine(networks[0], blend_many(networks, rule))
    return Blended(blended, networks, family.kinships, shares)


def _numbers(share: Share) -> list[float]:
    """A share, or all those of a tensor's channels."""
    return [share] if isinstance(share, float | int) else share.flatten().tolist()


def _span(shares: Sequence[float]) -> str:
    low, high = min(shares), max(shares)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
