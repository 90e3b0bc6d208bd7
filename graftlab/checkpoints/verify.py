"""Is this file what it says it is?"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from graftlab.artifacts import check_digest, parsed
from graftlab.checkpoints.build import checked, identified
from graftlab.checkpoints.catalogue import registry
from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.readers import read_model
from graftlab.errors import refuse
from graftlab.networks.model import BESIDE

PIECE = 2**20  # bytes read at a time


def verify(path: Path, check: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Read every byte of a file, and compare what it says with what it is: of models in any format, and of all that
    graftlab writes as safetensors (codes, directions, states, ...). What else is known to have a check brings its own:
    whether the file proves what it holds.

    Returns SHA-256 of the file, fingerprint of a model's weights, whether the file tells the same one, whether it
    proves all that it holds, and the name under which the registry knows it, if it does. GraftError if it does not hold
    what was written, or some weights are no finite numbers."""
    contents = open_contents(path)
    file = read_model(contents)
    told: dict[str, Any] = {"file": str(path), "sha256": (digest := sha256(path)), "fingerprint": None}
    if file is None:
        check = check or (partial(verified, contents) if contents.container == "safetensors" else contents.check)
        return {**told, "recorded": False, "proven": check is not None and check(), "known_as": None}
    proven = checked(file)
    weights = {**file.tensors, **{BESIDE + name: tensor for name, tensor in file.discriminators.items()}}
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    refuse(path, "holds weights that are not finite numbers", bad)
    known = [entry.name for entry in registry.known() if entry.sha256 == digest]
    return {
        **told,
        "fingerprint": identified(file, file.tensors, proven=False),
        "recorded": file.fingerprint is not None,
        "proven": proven,
        "known_as": known[0] if known else None,
    }


def verified(contents: Contents) -> bool:
    """Whether a file of ours that is no model proves what it holds. GraftError if it is damaged."""
    tree: Any = contents.tree
    parsed(contents.path, tree["metadata"])
    return check_digest(contents.path, tree["tensors"], tree["metadata"])


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
