"""A run's configuration in its folder, config.json: written by the run, read when it goes on and by its report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from graftlab.checkpoints.readers import open_model
from graftlab.config import Config, TrainConfig
from graftlab.errors import GraftError
from graftlab.kinds import KINDS
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.work.files import atomic_write


def write_settings(path: Path, config: TrainConfig) -> None:
    kind = next(kind.name for kind in KINDS.values() if kind.training is type(config))
    text = json.dumps({"kind": kind, **config.to_dict()}, indent=1)
    atomic_write(path, lambda file: file.write(text.encode()))


def read_settings(path: Path, lenient: bool = False) -> TrainConfig:
    """The configuration in a run's config.json. `lenient` leaves fields out that we do not know, for they may be of
    another version. ValueError, GraftError among them, or an error of the system's if it is no such file."""
    try:
        values = json.loads(path.read_bytes())
    except RecursionError:
        values = None
    if not isinstance(values, dict):
        raise GraftError(f"{path} holds no configuration.")
    kind = values.pop("kind", SwappingAutoencoder.kind)  # the first kind there was
    settings = KINDS[kind].training if kind in KINDS else None
    if settings is None:
        raise GraftError(f"{path} is of a run that trains '{kind}', which this graftlab does not know.")
    return settings.from_dict(keep_known(settings, values) if lenient else values)


def keep_known(cls: type[Config], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a configuration has, and of its parts those that they have."""
    values = cls.rename(values)
    found = {field.name: field.type for field in fields(cls) if field.name in values}
    return {
        name: keep_known(kind, values[name]) if isinstance(kind, type) and issubclass(kind, Config) else values[name]
        for name, kind in found.items()
    }


def check_states(run: Path, states: Sequence[Path], settings: TrainConfig) -> None:
    """Refuse to begin a run anew over its model where its states are missing, as in a copy of the models alone.

    Of a run that was killed in its first snapshot there may be a model and no state, but then no report either."""
    model = run / "last.safetensors"
    if states or not model.exists():
        return
    seen = open_model(model).about.get("images_seen", 0)
    if seen >= 2 * settings.snapshot_every or (run / "report.html").exists():
        raise GraftError(
            f"{run} has a model that saw {seen:,} images, but no states/ to go on from; copy them too, or begin with "
            f"that model in another folder (graft finetune {model})."
        )
