"""Parts of pictures that a network tells apart, found once for each network and layer, and kept in the cache."""

from base64 import b64encode
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from graftlab.blending.channels import Features
from graftlab.blending.clusters import Clusters, fit
from graftlab.blending.inputs import Inputs
from graftlab.checkpoints.catalogue.cache import writable_folder
from graftlab.errors import GraftError
from graftlab.networks.model import Network
from graftlab.work.progress import Watch, steps

SEEDS = "0-199"  # whose pictures are looked at, as `graft clusters fit` does if nothing is said


def find(model: Network, features: Features, count: int, watch: Watch) -> Clusters:
    """What `graft clusters fit --layer --parts` finds, with the digits that its file has."""
    kept = None
    with suppress(GraftError):  # nothing can be written there, or what is there is of no use
        kept = writable_folder("clusters") / f"{(model.fingerprint or 'none')[:16]}-{features.name}-{count}.json"
        found = Clusters.load(kept)
        if model.fingerprint and (found.model, found.layer, len(found.names)) == (
            model.fingerprint,
            features.name,
            count,
        ):
            return found
    probes = Inputs(seeds=SEEDS if model.takes == "seeds" else None).probes(model)
    with watch("looking for parts", len(probes), unit="pictures") as progress:
        found = fit(model, features, count, steps(probes, progress, len(probes)))
    with nullcontext(str(kept.parent)) if kept else TemporaryDirectory() as folder:
        return Clusters.load(found.save(Path(folder) / (kept.name if kept else "parts.json")))


def as_text(labels: Tensor) -> str:
    """The cluster of every position (h, w), below 256, a byte each from the top left on, in base64."""
    return b64encode(labels.byte().cpu().contiguous().numpy().tobytes()).decode()
