"""Kin models by path or name: what a blend of files, a sheet of blends and a film of them begin with."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

from graftlab.blending.blend import doubt_noise
from graftlab.blending.kinship import Kinship, kinship
from graftlab.blending.weights import interpolate, pair
from graftlab.checkpoints.load import load
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.work.progress import Watch, part, steps, unwatched

KEPT = 8  # models held in memory at once

Tell = Callable[[str], object]
"""Is told a sentence that people should read, while there is still time to stop."""


def ignore(sentence: str) -> None:
    """The `Tell` for who looks at what a call returns."""


class Family:
    """Models that blend, each opened when it is asked for: A first.

    GraftError naming the first that is damaged, of other layers than A or, unless forced, no kin of it."""

    def __init__(
        self,
        models: Sequence[str | Path],  # paths or names
        force: bool = False,  # go on with networks that seem unrelated
        device: str | None = None,
        precision: str = "float32",
        watch: Watch = unwatched,
        tell: Tell = ignore,  # of those that are kin far apart, or none, and of constant noise that is unlike
    ) -> None:
        self.names = [str(model) if isinstance(model, Path) else model for model in models]
        self.load: Callable[[str], Network] = lru_cache(KEPT)(partial(load, device=device, precision=precision))
        self.base = self.load(self.names[0])
        self.fingerprints = [self.base.fingerprint]
        self.kinships: list[Kinship] = []  # of every other model with A
        self.kin = {self.base.fingerprint, *self.base.ancestors}  # of whom codes mean the same to all
        with watch("opening models", count := len(self.names), 1, "models") as progress:
            for name in steps(self.names[1:], part(progress, 1, count), count - 1):
                network = self.load(name)
                self.kinships.append(self._compare(name, network, force, tell))
                self.fingerprints.append(network.fingerprint)
                self.kin |= {network.fingerprint, *network.ancestors}

    def _compare(self, name: str, network: Network, force: bool, tell: Tell) -> Kinship:
        apart = f"{name} does not go with {self.names[0]}"
        try:
            found = kinship(self.base, network)
        except GraftError as error:
            raise GraftError(f"{apart}: {str(error)[0].lower()}{str(error)[1:]}") from None
        if not (found.blends or force):
            raise GraftError(f"{apart}: {found.sentence.rstrip('.')}; choose others, or go on with --force.")
        if not found.blends or found.verdict == "doubtful":
            tell(f"{name}: {found.sentence}")
        if sentence := doubt_noise([self.base, network], pair(interpolate(0.5))):
            tell(f"{name}: {sentence}")
        return found
