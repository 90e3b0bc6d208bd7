#!/usr/bin/env python3
"""Every picture of the documents that the bundled models make, and `docs/gallery.md`, which shows them.

    python docs/gallery.py                    # all entries except those that train networks, in a few minutes
    python docs/gallery.py panorama tuning    # named entries, including those that train networks
    python docs/gallery.py --text             # only the document

`docs/gallery.toml` holds the entries: a title, a sentence, and the commands that make the pictures. The document is
written from them, so it shows the commands that were run. Intermediate files go to `demo/` and `runs/`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from graftlab import cli

ROOT = Path(__file__).parents[1]
IMAGES = "docs/images/"
PHOTOS = "graftlab/bundled/photos/"
LONGEST = 110  # characters of a line of a command
GROUPS = ("film", "directions", "textures")  # commands whose name has two words


@dataclass(frozen=True)
class Entry:
    """One thing to be seen, and how it was made."""

    chapter: str
    name: str
    title: str
    text: str  # what is to be seen
    commands: tuple[str, ...]  # as one types them, each on one line
    slow: bool = False  # trains networks

    @classmethod
    def read(cls, commands: str, **others: Any) -> "Entry":
        """An entry of the file, where @peaks stands for a photo's path."""
        lines = re.sub(r"@([\w-]+)", PHOTOS + r"\1.jpg", commands).strip().splitlines()
        return cls(commands=tuple(lines), **others)

    @property
    def pictures(self) -> list[str]:
        """The files in `docs/images` that the commands write; of films that are only previewed, the preview."""
        written = [word for command in self.commands for word in command.split() if word.startswith(IMAGES)]
        return [re.sub(r"\.mp4$", "-preview.jpg", path.removeprefix(IMAGES)) for path in written]

    @property
    def needs_renderer(self) -> bool:
        return any(command.startswith("python recipes/") for command in self.commands)

    @property
    def mark(self) -> str:
        """What the commands need, for `tests/test_docs_shell.py`, which runs the others."""
        if self.needs_renderer:
            return "skip: needs POV-Ray"
        trains = self.slow or any(command.startswith("graft train") for command in self.commands)
        return "skip: trains a network" if trains else "given: a checkout"

    @property
    def what(self) -> str:
        """The command that matters, without its arguments."""
        words = [command for command in self.commands if command.startswith("graft ")][-1].split()
        return " ".join(words[: 3 if words[1] in GROUPS else 2])


FILE: dict[str, list[dict[str, Any]]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
ENTRIES = {each["name"]: Entry.read(**each) for each in FILE["entry"]}


# -- the document -----------------------------------------------------------------------------------------------------

OPENING = """\
# Gallery

This page shows each picture and film with the commands that made it, run in the repository's root, from files in the
repository and with the bundled models. [`docs/gallery.toml`](gallery.toml) holds the commands, and
[`docs/gallery.py`](gallery.py) runs them and writes this page:

<!-- skip: takes minutes, in a checkout -->
```sh
python docs/gallery.py            # everything except entries that train networks
python docs/gallery.py panorama   # one entry
```

Films are shown as contact sheets of twelve frames, as written by `--preview`; without it the same command writes the
film. More about the commands: [stills](stills.md), [directions](directions.md), [films](films.md). Authors of the
photos: [CREDITS.md](../graftlab/bundled/photos/CREDITS.md).

## Published experiments
"""


def document() -> str:
    """The text of `docs/gallery.md`."""
    parts = [OPENING, *(table(**each) for each in FILE["parity"])]
    for chapter, entries in groupby(ENTRIES.values(), lambda entry: entry.chapter):
        parts += [f"## {chapter}\n", *map(section, entries)]
    return "\n".join(parts)


def table(source: str, rows: list[tuple[str, list[str]]]) -> str:
    """The experiments of a publication, beside the entries that do the same."""
    lines = [f"{source}:\n", "| published | in graftlab | picture |", "|---|---|---|"]
    for there, names in rows:
        entries = [ENTRIES[name] for name in names]
        here = "<br>".join(f"[{entry.title}](#{anchor(entry.title)}): `{entry.what}`" for entry in entries)
        shown = " ".join(f'<img src="images/{entry.pictures[-1]}" height="110" alt="">' for entry in entries)
        lines.append(f"| {there} | {here or 'not implemented yet'} | {shown} |")
    return "\n".join(lines) + "\n"


def section(entry: Entry) -> str:
    """An entry: its sentence, its pictures and its commands."""
    pictures = "\n\n".join(f"![{entry.title}](images/{picture})" for picture in entry.pictures)
    code = "\n".join(map(folded, entry.commands))
    note = " Needs POV-Ray, for the renderings." if entry.needs_renderer else ""
    note += " Trains a network first, for a quarter of an hour or more." if entry.slow else ""
    text = textwrap.fill(entry.text + note, 120, break_on_hyphens=False, break_long_words=False)
    return f"### {entry.title}\n\n{text}\n\n{pictures}\n\n<!-- {entry.mark} -->\n```sh\n{code}\n```\n"


def anchor(title: str) -> str:
    """The fragment by which GitHub finds a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def folded(command: str) -> str:
    """A command on lines of a bearable length; an option and its value stay together."""
    lines = [""]
    for words in re.findall(r"""-\S+ (?:"[^"]*"|[^-"\s]\S*)|"[^"]*"|\S+""", command):
        if len(lines[-1]) + len(words) > LONGEST:
            lines.append("   ")
        lines[-1] += f"{' ' if lines[-1] else ''}{words}"
    return " \\\n".join(lines)


# -- making -----------------------------------------------------------------------------------------------------------


def make(entries: Sequence[Entry]) -> None:
    """Run the commands of entries in the current folder, each once even where several entries need it."""
    done: set[str] = set()
    for entry in entries:
        if entry.needs_renderer and not shutil.which("povray"):
            print(f"{entry.name} stays as it is, because there is no povray here.", file=sys.stderr)
            continue
        for command in entry.commands:
            if command not in done:
                print(command, flush=True)
                run(command)
                done.add(command)


def run(command: str) -> None:
    """One line of a shell; graft's own in this process, which has PyTorch already."""
    program, *arguments = shlex.split(command)
    if program == "graft":
        code = cli.run(arguments)
    elif program == "python":
        code = subprocess.run([sys.executable, *arguments]).returncode
    else:
        code = subprocess.run(["bash", "-c", command]).returncode
    if code:
        sys.exit(f"'{command}' ended with {code}.")


def main(arguments: list[str]) -> None:
    names = [name for name in arguments if name != "--text"]
    if unknown := [name for name in names if name not in ENTRIES]:
        sys.exit(f"There is no {unknown[0]} in the gallery, only {', '.join(ENTRIES)}.")
    (ROOT / "docs" / "gallery.md").write_text(document(), encoding="utf-8")
    if "--text" not in arguments:
        make([ENTRIES[name] for name in names] or [entry for entry in ENTRIES.values() if not entry.slow])


if __name__ == "__main__":
    os.chdir(ROOT)
    main(sys.argv[1:])
