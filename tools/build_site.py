"""Build the documentation as a web site: python tools/build_site.py

The pages are those of docs/, the documents of the tree that they link to (recipes, cards of models, the changelog), and
a page of reference for every room, made of its docstrings. All are laid out in build/docs, where links between them
lead from page to page and links to other files of the tree to the repository; Zensical makes ./site of that, and a
warning is an error."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "docs"
OUTSIDE = {  # documents that lie elsewhere -> where they are on the site
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "recipes/landscapes/README.md": "recipes/landscapes.md",
    "recipes/blending/README.md": "recipes/blending.md",
    "recipes/words/README.md": "recipes/words.md",
    "graftlab/bundled/landscapes-256.md": "models/landscapes-256.md",
    "graftlab/bundled/landscapes-128.md": "models/landscapes-128.md",
    "graftlab/bundled/colours-128.md": "models/colours-128.md",
    "graftlab/bundled/alpine-64.md": "models/alpine-64.md",
    "graftlab/bundled/woodblock-64.md": "models/woodblock-64.md",
    "graftlab/bundled/alpine-128.md": "models/alpine-128.md",
    "graftlab/bundled/woodblock-128.md": "models/woodblock-128.md",
    "graftlab/bundled/neon-128.md": "models/neon-128.md",
    "graftlab/bundled/graft-mini.md": "models/graft-mini.md",
    "graftlab/bundled/upscale-4.md": "models/upscale-4.md",
    "graftlab/bundled/photos/CREDITS.md": "photos.md",
}
LINK = re.compile(r"(\]\(|src=\"|href=\")([^)#\s\"]*)")
FENCED = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)
HIDDEN = ("cli", "__main__")  # rooms that nobody imports


def main() -> None:
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("*.py", "*.toml"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    homes = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in documents()}
    homes |= OUTSIDE
    for source, page in homes.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        target = PAGES / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(relinked(text, source, homes, project["urls"]["Repository"]), encoding="utf-8")
    reference(PAGES / "reference")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "-f", str(ROOT / "zensical.toml")]
    sys.exit(subprocess.run(command, env=environment).returncode)


def documents() -> list[Path]:
    return sorted((ROOT / "docs").rglob("*.md"))


def relinked(text: str, source: str, homes: dict[str, str], repository: str) -> str:
    """A document's links, as they must be on the site."""

    def moved(link: re.Match[str]) -> str:
        before, target = link.groups()
        if not target or re.match(r"[a-z]+:", target):
            return link[0]
        file = os.path.normpath(PurePosixPath(source).parent / target).replace(os.sep, "/")
        page = PurePosixPath(homes[source])
        inside = homes.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else None)
        if inside is None:
            return f"{before}{repository}/{'tree' if (ROOT / file).is_dir() else 'blob'}/main/{file}"
        return before + os.path.relpath(inside, page.parent).replace(os.sep, "/")

    pieces = FENCED.split(text)
    pieces[::2] = [LINK.sub(moved, piece) for piece in pieces[::2]]  # code is left alone
    return "".join(pieces)


def reference(folder: Path) -> None:
    """A page for each room of the package, with all of its modules; docs/reference/index.md lists them at its end."""
    rooms: dict[str, list[str]] = {}
    for path in sorted((ROOT / "graftlab").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if len(parts) > 1 and parts[1] not in HIDDEN:
            rooms.setdefault(parts[1], []).append(".".join(parts))
    for room, modules in rooms.items():
        text = f"# graftlab.{room}\n" + "".join(f"\n::: {module}\n" for module in modules)
        (folder / f"{room}.md").write_text(text, encoding="utf-8")
    with (folder / "index.md").open("a", encoding="utf-8") as index:
        index.write("\n" + "".join(f"- [graftlab.{room}]({room}.md)\n" for room in rooms))


if __name__ == "__main__":
    main()
