"""The one exception people are meant to read."""

from importlib.util import find_spec
from pathlib import Path

LISTED = 10  # problems named in one sentence


class GraftError(ValueError):
    """Input that cannot be used.

    The message is one sentence that names the file or option at fault and says what to do about it; the command line
    prints it alone and exits with code 2.
    """


def needs(what: str, module: str, package: str, extra: str) -> None:
    """GraftError if a package that only some people install is missing: what needs it, and how to get it."""
    if find_spec(module) is None:
        raise GraftError(f"{what} need the package {package}: pip install 'graftlab[{extra}]'.")


def refuse(path: Path | str, what: str, problems: list[str]) -> None:
    """GraftError that lists the first of the problems, if there are any."""
    if problems:
        more = f" and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise GraftError(f"{path} {what}: {'; '.join(problems[:LISTED])}{more}.")
