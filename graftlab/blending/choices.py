"""Clusters that people choose by name, as options that they write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graftlab.blending.clusters import Clusters
from graftlab.blending.kinship import family_of
from graftlab.errors import GraftError
from graftlab.networks.model import Network

MOST = 10  # amount of a cluster that is taken: 1 is all of it, and beyond that it is exaggerated


@dataclass(frozen=True)
class Choice:
    """Clusters of one file, of which some are meant, each by an amount."""

    path: Path
    clusters: Clusters
    amounts: dict[str, float]

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """ "parts.json:3,sky=0.5". GraftError for anything else."""
        path, _, names = text.rpartition(":")
        if not path or not names.strip():
            raise GraftError(f"--clusters takes a file and names of clusters such as parts.json:3,5, not '{text}'.")
        clusters = Clusters.load(path)
        choice = cls(Path(path), clusters, dict(_amount(name.strip(), clusters) for name in names.split(",")))
        choice.clusters.share(choice.amounts)  # refuses unknown ones before any work is done
        return choice

    @property
    def names(self) -> list[str]:
        """The clusters that are meant. GraftError if they have amounts."""
        if any(amount != 1 for amount in self.amounts.values()):
            raise GraftError("Amounts of clusters, as sky=0.5, do not go with --local and --query; leave them out.")
        return [*self.amounts]


def _amount(text: str, clusters: Clusters) -> tuple[str, float]:
    """ "sky", or with an amount "sky=0.5", if no cluster has that as its name."""
    name, sign, amount = text.rpartition("=")
    if not sign or text in clusters.names:
        return text, 1.0
    try:
        share = float(amount)
    except ValueError:
        share = -1
    if not 0 <= share <= MOST:
        raise GraftError(
            f"The amount of a cluster is a number from 0 to {MOST}, as in sky=0.5, not '{text}' (--clusters)."
        )
    return name.strip(), share


def doubt(path: Path, clusters: Clusters, networks: Sequence[Network]) -> str:
    """A sentence if clusters were found in a network that is none of these, nor a parent of one; else nothing."""
    if clusters.model in frozenset().union(*map(family_of, networks)):
        return ""
    return (
        f"{path} was made of another model ({str(clusters.model)[:12]}); its channels mean the same here only if one "
        "was fine-tuned from the other, or both from a third."
    )
