"""The photographs that come with graftlab, by name: `@peaks` is one wherever a picture is named."""

import os
import re
from pathlib import Path

from graftlab.errors import GraftError

FOLDER = Path(__file__).parents[1] / "bundled" / "photos"
NAMED = re.compile(r"(^|[:=])@([a-z0-9-]+)(?=$|:)")  # alone, or as in 3:@peaks, mask.png=@peaks and @peaks:0.5
PATH = re.compile(re.escape(f"{FOLDER}{os.sep}") + r"([a-z0-9-]+)\.jpg")


def examples() -> list[Path]:
    """All of them, by name."""
    return sorted(FOLDER.glob("*.jpg"))


def example(name: str) -> Path:
    """The file of a bundled photograph. GraftError with the names there are, if it has none."""
    path = FOLDER / f"{name}.jpg"
    if not path.is_file():
        known = ", ".join(f"@{photo.stem}" for photo in examples())
        raise GraftError(f"There is no bundled photograph '@{name}'; there are {known}.")
    return path


def with_examples(text: str) -> str:
    """What people write, with the path of each bundled photograph in the place of its name."""
    return NAMED.sub(lambda found: f"{found[1]}{example(found[2])}", text)


def by_name(text: object) -> str:
    """The other way: what people read, with the name of each bundled photograph in the place of its path."""
    return PATH.sub(r"@\1", str(text))
