"""What a film has so far: numbered files in a hidden folder, from which it is continued.

.NAME.parts/plan.json           what the film is; parts belong to it if it is equal
.NAME.parts/00000064.ab12.nut   frames 64 to 127, and the first digits of their SHA-256
.NAME.parts/chain-*             frames of a recursion as they were before encoding, to go on from
.NAME.parts/codes-*             with refined codes: what every 64th frame's began with
.NAME.parts/lock                held by the one process that works here

A part is given its digest when it is whole (`seal`); one without, or that no longer has it, is made again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any

from graftlab.errors import GraftError
from graftlab.work.files import atomic_write, lock, taken_back

DIGITS = 32  # of a digest, in a part's name


@dataclass
class Parts:
    """The parts of one film, each a whole file of `length` frames (the last of as many as are left)."""

    folder: Path
    suffix: str
    length: int
    note: str = ""  # what people should know before work goes on
    finished: bool = False  # set when the parts are of no more use: the folder is then removed
    _whole: set[Path] = field(default_factory=set)  # compared already

    def path(self, first: int) -> Path:
        """Where to write the part that begins with frame number `first`, to be sealed then."""
        return self.folder / f"{first:08d}{self.suffix}"

    def files(self) -> list[Path]:
        """The parts from the film's beginning up to the first that is missing or damaged, which is removed."""
        there: dict[str, list[Path]] = {}
        for path in self.folder.iterdir():
            if path.suffix == self.suffix:
                there.setdefault(path.name.partition(".")[0], []).append(path)
        paths: list[Path] = []
        while found := there.get(f"{len(paths) * self.length:08d}"):
            whole = [path for path in found if path in self._whole or is_whole(path)]
            if not whole:
                break
            self._whole.update(whole)
            paths.append(whole[0])
        return paths

    def done(self) -> int:
        """How many frames they hold; more than the film has if its last part is there."""
        return len(self.files()) * self.length


def seal(path: Path) -> Path:
    """Give a file that is whole the first digits of its SHA-256 in its name; returns that."""
    sealed = path.with_name(f"{path.stem}.{digest(path)}{path.suffix}")
    path.replace(sealed)
    return sealed


def unsealed(path: Path) -> Path | None:
    """The file that was sealed under this name and is whole; None, and it is removed, if it is not."""
    return next((each for each in path.parent.glob(f"{escape(path.stem)}.*{path.suffix}") if is_whole(each)), None)


def is_whole(path: Path) -> bool:
    """Whether a part has the digest in its name; else it is removed, as one that was killed before it got one."""
    _, *told, _ = path.name.split(".")
    if told == [digest(path)]:
        return True
    path.unlink()
    return False


def digests(paths: Iterable[str | Path | None]) -> dict[str, str]:
    """What a plan holds of files that are read, so that it is another when one of them is edited; of their names,
    those that are no files are left out. GraftError for one that cannot be read."""
    return {str(path): digest(Path(path)) for path in paths if path and Path(path).is_file()}


def digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
    except OSError as error:
        raise GraftError(
            f"{path} cannot be read ({error.strerror or error}); bring it back, or leave it out."
        ) from error


@contextmanager
def open_parts(out: Path, suffix: str, length: int, plan: Mapping[str, Any], resume: bool) -> Iterator[Parts]:
    """The parts of a film that is to become `out`, those of an earlier call if its plan (JSON) was equal.

    GraftError if another process holds them or the folder cannot be written."""
    folder = _folder(out)
    begun = taken_back(folder, {"plan.json", "lock"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = lock(folder / "lock", f"{out} is being written by another process: wait for it, or choose another name.")
    except OSError as error:
        reason = error.strerror or error
        raise GraftError(f"{out} could not be written ({reason}): choose a folder you may write to.") from error
    parts = Parts(folder, suffix, length)
    with held, begun:
        wanted = json.loads(json.dumps(dict(plan), default=str))
        earlier = plan_in(folder)
        if earlier != wanted or not resume:
            if earlier is not None and resume:
                parts.note = f"begun again, because {difference(earlier, wanted)} changed"
            clear(folder)
            atomic_write(folder / "plan.json", lambda file: file.write(json.dumps(wanted).encode()))
        yield parts
    if parts.finished:
        shutil.rmtree(folder, ignore_errors=True)


def forget(out: str | Path) -> None:
    """Remove what is kept for a file, if there is anything."""
    shutil.rmtree(_folder(Path(out)), ignore_errors=True)


def _folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.parts")


def plan_in(folder: Path) -> Any:
    """The plan of a folder, JSON; None if it has none that can be read."""
    try:
        return json.loads((folder / "plan.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def difference(earlier: Any, wanted: dict[str, Any]) -> str:
    """Which entries of the plan, or of the recipe in it, are not as they were."""
    a, b = ({**_table(_table(plan).get("recipe")), **_table(plan)} for plan in (earlier, wanted))
    names = [name for name in {**a, **b} if name != "recipe" and a.get(name) != b.get(name)]
    return ", ".join(names) or "the recipe"


def _table(value: Any) -> dict[str, Any]:
    """Of what somebody may have damaged, tables."""
    return value if isinstance(value, dict) else {}


def clear(folder: Path, *spared: str) -> None:
    """Remove everything but the lock and what is spared; the plan last, so that parts are never without theirs."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "plan.json"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in ("lock", *spared):
            path.unlink(missing_ok=True)
