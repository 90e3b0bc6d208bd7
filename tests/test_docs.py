"""What the documents show, works: Python is run, command lines are held against the real parser, links lead somewhere.

How a document is written so that it can be checked:

- ```python blocks of one file (other than a recipe's) are run in order, in one namespace and one empty folder. Before
  a block is run, every picture it names ("fuji.jpg") is one of the bundled photos, every model file that it gives to
  graftlab.load is the bundled autoencoder, and `photos` is a folder of all bundled photos.
- ```sh and ```console blocks are run by test_docs_shell.py. Of every `graft` and `make` line in them, and of every
  `graft ...` between single backticks in the text, the command and its options must exist.
- `<!-- skip: the reason -->` on the line before a block exempts it from being run.
"""

import ast
import re
import shlex
import shutil
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from graftlab.checkpoints.load import bundled_models
from graftlab.cli import app

ROOT = Path(__file__).parents[1]
PHOTOS = sorted((ROOT / "graftlab" / "bundled" / "photos").glob("*.jpg"))
RUN = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
DOCUMENTS = [*RUN, *sorted((ROOT / "recipes").rglob("*.md"))]  # recipes tell of scripts that need other programs
PICTURE = re.compile(r"\.(jpe?g|png|webp|tiff?)$", re.IGNORECASE)
FENCE = re.compile(r"^( *)```+ *(\w*)")
SKIP, GIVEN = (re.compile(rf"^\s*<!-- *{word}\b:? *(.*?) *-->\s*$") for word in ("skip", "given"))
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|\b(?:src|href)=\"([^\"]+)\"")
CONTROL = {"|", "||", "&", "&&", ";", ">", ">>", "<"}


@dataclass(frozen=True)
class Block:
    language: str
    line: int  # of its first line of code, from 1
    code: str
    skip: str | None  # the reason, "" if none is given
    given: str = ""  # what of the reader's own a block of shell needs (test_docs_shell)


def blocks_and_prose(text: str) -> tuple[list[Block], str]:
    """The fenced blocks of a document, and everything else of it."""
    blocks: list[Block] = []
    prose: list[str] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        if not (fence := FENCE.match(lines[number])):
            prose.append(lines[number])
            number += 1
            continue
        above = next((line for line in reversed(lines[:number]) if line.strip()), "")
        skip, given = SKIP.match(above), GIVEN.match(above)
        start = number + 1
        end = next((i for i in range(start, len(lines)) if lines[i].strip().startswith("```")), len(lines))
        code = textwrap.dedent("\n".join(lines[start:end])) + "\n"
        blocks.append(Block(fence[2], start + 1, code, skip[1] if skip else None, given[1] if given else ""))
        number = end + 1
    return blocks, "\n".join(prose)


def parsed(path: Path) -> tuple[list[Block], str]:
    return blocks_and_prose(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


# -- Python -----------------------------------------------------------------------------------------------------------


def python_blocks(path: Path) -> list[Block]:
    return [block for block in parsed(path)[0] if block.language in ("python", "py") and block.skip is None]


@pytest.mark.parametrize("path", [*filter(python_blocks, RUN)], ids=name_of)
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_features):
    monkeypatch.chdir(tmp_path)
    run_blocks(python_blocks(path), name_of(path))


def run_blocks(blocks: list[Block], name: str) -> dict[str, Any]:
    """Run blocks in the current folder, after laying out the files they name. Returns their namespace."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    supply = cycle(PHOTOS)
    for block in blocks:
        source = "\n" * (block.line - 1) + block.code  # so that a traceback shows the document's own line
        lay_out(ast.parse(source, name), supply)
        exec(compile(source, name, "exec"), namespace)
    return namespace


def lay_out(tree: ast.AST, photos: Iterator[Path]) -> None:
    """Put the files that a block reads where it looks for them; what an earlier block wrote stays."""
    if not Path("photos").exists():
        Path("photos").mkdir()
        for photo in PHOTOS:
            shutil.copy(photo, "photos")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PICTURE.search(node.value):
            wanted = Path(node.value)
            if not wanted.is_absolute() and "\n" not in node.value and not wanted.exists():
                wanted.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(next(photos), wanted)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("graftlab.load", "load") and node.args:
            name = getattr(node.args[0], "value", None)
            if isinstance(name, str) and name.endswith(".safetensors") and not Path(name).exists():
                put_model(Path(name))


def put_model(path: Path) -> None:
    """The bundled autoencoder under that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(bundled_models()["landscapes-128"], path)


# -- command lines ----------------------------------------------------------------------------------------------------


def command_lines(block: Block) -> Iterator[tuple[int, list[str]]]:
    """(line in the document, words) of every simple command in a block; `console` blocks mark theirs with a $."""
    lines = block.code.splitlines()
    index = 0
    while index < len(lines):
        start, line = index, lines[index].strip()
        while line.endswith("\\") and index + 1 < len(lines):
            index += 1
            line = line[:-1] + " " + lines[index].strip()
        index += 1
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        for words in simple_commands(line):
            yield block.line + start, words


def simple_commands(line: str) -> Iterator[list[str]]:
    """A shell line cut at pipes, && and redirections, each part without assignments before it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if token not in CONTROL:
            words.append(token)
            continue
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        if words:
            yield words
        words = []


def complaint(words: list[str], whole: bool = True) -> str | None:
    """Why a `graft` line would be refused before any work begins; None if it would not.

    words: what follows `graft`. With `whole`, arguments that the command requires must be there too. Values are not
    looked at, so files need not exist."""
    command = typer.main.get_command(app)
    path = "graft"
    while hasattr(command, "commands"):
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        while words and words[0] in {*options, "--help"}:
            words = words[1:]
        if not words:
            return None  # `graft`, `graft --help` or the name of a group
        if words[0] not in command.commands:
            return f"there is no command '{path} {words[0]}'"
        _, command, words = command.resolve_command(typer.Context(command), [*words])  # imports it
        path = f"{path} {command.name}"
    if "--help" in words:
        return None
    context = typer.Context(command, info_name=path)
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
    except Exception as error:  # of Typer's own Click, which has no public name
        return f"{path}: {getattr(error, 'message', None) or error}"
    if rest:
        return f"{path} takes no further {' '.join(rest)}"
    given = {name for name, value in values.items() if isinstance(value, str | tuple | list) and value}
    missing = [parameter.name for parameter in command.params if parameter.required and parameter.name not in given]
    return f"{path} needs {', '.join(missing)}" if missing and whole else None


@each_document
def test_command_lines_exist(path: Path):
    blocks, prose = parsed(path)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = []
    for block in blocks:
        if block.language not in ("sh", "bash", "shell", "console"):
            continue
        for line, words in command_lines(block):
            if "graft" in words:  # not always the first: torchrun --no-python graft train ...
                if problem := complaint(words[words.index("graft") + 1 :]):
                    wrong.append(f"{name_of(path)}:{line}: {problem}")
            elif words[0] == "make":
                unknown = {word for word in words[1:] if "=" not in word and not word.startswith("-")} - targets
                wrong += [f"{name_of(path)}:{line}: there is no target '{target}'" for target in unknown]
    for span in re.findall(r"`(graft [^`]*)`", " ".join(prose.split())):
        words = [word for word in shlex.split(span)[1:] if word not in ("...", "…")]
        if problem := complaint(words, whole=False):
            wrong.append(f"{name_of(path)}: `{span}`: {problem}")
    assert wrong == []


# -- the rest ---------------------------------------------------------------------------------------------------------


@each_document
def test_links_and_extras_exist_and_skipped_blocks_give_a_reason(path: Path):
    blocks, prose = parsed(path)
    targets = [one or other for one, other in LINK.findall(prose)]
    files = [unquote(target.split("#")[0]) for target in targets if not re.match(r"[a-z]+:|#", target)]
    assert [target for target in files if not (path.parent / target).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"(?:graftlab|\.)\[([\w,]+)\]", path.read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= set(project["optional-dependencies"])
    assert [block.line for block in blocks if block.skip == ""] == []


def test_nothing_is_left_to_be_filled_in():
    for path in [*DOCUMENTS, *(ROOT / "graftlab" / "bundled").glob("*.md")]:
        prose = re.sub(r"`[^`]*`", "", parsed(path)[1])
        assert re.findall(r"\b[A-Z]{2,}_[A-Z]+\b", prose) == [], path


# -- the checks themselves --------------------------------------------------------------------------------------------

EXAMPLE = """
Text with `graft train` in it and a [link](somewhere.md).

```python
import graftlab
x = graftlab.read("fuji.jpg", size=32)
```

1. In a list:

   ```console
   $ SEED=1 graft train photos \\
       --run "a b" | cat
   printed
   $ make test && torchrun --no-python graft data
   ```

<!-- skip: needs a fast machine -->
```python
1 / 0
```

```python
y = x.mean()
model = graftlab.load("models/mine.safetensors", device="cpu")
```
"""


def test_documents_are_taken_apart():
    blocks, prose = blocks_and_prose(EXAMPLE)
    assert [(block.language, block.line, block.skip) for block in blocks] == [
        ("python", 5, None),
        ("console", 12, None),
        ("python", 20, "needs a fast machine"),
        ("python", 24, None),
    ]
    assert "link" in prose
    assert "import" not in prose
    assert list(command_lines(blocks[1])) == [
        (12, ["graft", "train", "photos", "--run", "a b"]),
        (12, ["cat"]),
        (15, ["make", "test"]),
        (15, ["torchrun", "--no-python", "graft", "data"]),
    ]


def test_blocks_share_a_namespace_and_find_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in blocks_and_prose(EXAMPLE)[0] if block.language == "python" and block.skip is None]
    namespace = run_blocks(blocks, "example.md")
    assert namespace["x"].shape[1] == 3
    assert namespace["y"] == namespace["x"].mean()
    assert namespace["model"].config.size > 0
    with pytest.raises(NameError):
        run_blocks([Block("python", 3, "nobody_defined_this", None)], "example.md")


def test_right_command_lines_pass():
    for line in ("", "--help", "train --help", "train p --run r --size 64 --no-mirror", "train --run=r p", "data"):
        assert complaint(shlex.split(line)) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("tarin photos", "there is no command 'graft tarin'"),
        ("data pakc", "there is no command 'graft data pakc'"),
        ("train photos --run r --colour", "--colour"),
        ("train photos --run", "--run"),
        ("train photos more --run r", "takes no further more"),
        ("train photos", "needs run"),
        ("train --run r", "needs photos"),
    ],
)
def test_wrong_command_lines_are_caught(line: str, says: str):
    assert says in (complaint(shlex.split(line)) or "")
    incomplete = says.startswith("needs")
    assert (complaint(shlex.split(line), whole=False) is None) == incomplete
