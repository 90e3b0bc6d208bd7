"""Is this file what it says it is?"""

import hashlib
from pathlib import Path
from typing import Any

from graftlab.checkpoints.catalogue import registry
from graftlab.checkpoints.readers import open_model
from graftlab.errors import GraftError, refuse
from graftlab.networks.model import fingerprint

PIECE = 2**20  # bytes read at a time


def verify(path: Path) -> dict[str, Any]:
    """Read every byte of a model's file, and compare what it says with what it is.

    Returns SHA-256 of the file, fingerprint of the weights, whether the file tells the same one, and the name under
    which the registry knows the file, if it does. GraftError if the weights are not those the file tells of, or some
    are no finite numbers."""
    file = open_model(path)
    bad = [name for name, tensor in file.tensors.items() if not tensor.isfinite().all()]
    refuse(path, "holds weights that are not finite numbers", bad)
    found = fingerprint(file.tensors)
    if file.fingerprint not in (None, found):
        raise GraftError(
            f"{path} was changed after it was written: its weights are {found[:12]}, and it says "
            f"{file.fingerprint[:12]}; fetch or make it again."
        )
    digest = sha256(path)
    known = [entry.name for entry in registry.known() if entry.sha256 == digest]
    return {
        "file": str(path),
        "sha256": digest,
        "fingerprint": found,
        "recorded": file.fingerprint is not None,
        "known_as": known[0] if known else None,
    }


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
