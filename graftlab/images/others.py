"""Pictures of other people's making, which ours are not written over."""

from pathlib import Path

from graftlab.errors import GraftError
from graftlab.images import read_recipe


def spare_others(path: str | Path) -> None:
    """GraftError if a file is there that is no picture of ours: who names a folder may not know what is in it."""
    path = Path(path)
    try:
        ours = not path.exists() or read_recipe(path) is not None
    except GraftError:  # no picture at all
        ours = False
    if not ours:
        raise GraftError(f"{path} is not a picture that graftlab made; choose another folder or name, or remove it.")
