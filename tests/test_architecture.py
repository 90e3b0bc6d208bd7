"""The direction of imports, measured from the source: a room uses only the rooms that the table allows it.

A room is a module or a folder of graftlab. The table stands in docs/architecture.md too, for people, and the two agree.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import graftlab
from graftlab.cli.lazy import Group, headline
from graftlab.cli.table import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "graftlab"
LONGEST = 350  # lines of a file

# Room -> the rooms it may import, at the top of a module, inside a function or for type checking alike.
# `graftlab` is the package's own face, its __init__.
ROOMS = {
    "errors": "",
    "work": "errors",
    "distributed": "errors",
    "artifacts": "errors work",
    "hardware": "errors work",
    "config": "errors work",
    "images": "errors work",
    "figures": "errors work images",
    "codes": "errors artifacts",
    "networks": "errors artifacts hardware config codes",
    "download": "errors work hardware",
    "data": "errors work artifacts hardware download images",
    "kinds": "config networks",
    "objectives": "errors config networks perception language",
    "checkpoints": "errors work artifacts hardware download config codes networks kinds",
    "perception": "errors",
    "language": "errors config hardware networks checkpoints perception",
    "training": "errors distributed work artifacts hardware config images figures codes networks kinds data objectives "
    "checkpoints blending editing perception evaluation language",
    "blending": "errors work artifacts config images figures codes networks checkpoints editing inversion",
    "editing": "errors work artifacts config images figures codes data checkpoints language objectives",
    "rendering": "errors work artifacts hardware images figures codes networks data checkpoints editing inversion",
    "video": "errors work hardware images figures codes networks data blending editing rendering",
    "inversion": "errors distributed work artifacts hardware config images figures codes networks checkpoints editing "
    "perception language objectives",
    "evaluation": "errors work artifacts config images figures codes data objectives perception",
    "films": "errors codes networks blending editing rendering video",
    "showing": "errors images figures codes networks",
    "graftlab": "errors images codes networks checkpoints training blending editing inversion video films showing",
    "exporting": "errors work images networks editing",
    "benchmarking": "errors work figures hardware networks editing evaluation graftlab",
    "studio": "errors work config images figures codes networks objectives checkpoints training blending language "
    "editing rendering video graftlab",
    "cli": "errors work artifacts hardware config images figures codes networks kinds data objectives checkpoints "
    "training blending editing video inversion rendering perception evaluation language graftlab benchmarking "
    "exporting films studio",
}
ALLOWED = {room: set(rooms.split()) for room, rooms in ROOMS.items()}

# Packages that any module may import at its top; all others cost time or may be missing, so only functions import them.
EVERYWHERE = {"graftlab", "torch", "numpy", "PIL", "safetensors", "jinja2", "platformdirs"}
AT_THE_TOP_OF = {"cli": {"typer", "rich"}, "studio": {"fastapi", "starlette", "pydantic", "pydantic_core", "uvicorn"}}
HEAVY_PARTS = {"torch.utils.tensorboard", "torch.distributed.run"}  # of a package that is otherwise welcome
BANNED = {"torchvision", "timm", "open_clip", "lpips"}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path) -> str:
    """graftlab/data/scan.py -> graftlab.data.scan, and a folder's __init__ -> the folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in python_files(PACKAGE)}


def room_of(module: str) -> str:
    if module == "graftlab.__main__":  # the command under another name
        return "cli"
    return module.split(".")[1] if "." in module else module


def imports(module: str, nodes: Iterator[ast.AST]) -> Iterator[tuple[str, str]]:
    """(where, what) of every import among the nodes: `from a import b` is a.b, whether b is a module or not."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            names = [".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            yield f"{MODULES[module].relative_to(ROOT).as_posix()}:{node.lineno}", name


def run_on_import(tree: ast.AST) -> Iterator[ast.AST]:
    """What importing the module executes: neither the bodies of functions nor what is for type checkers."""
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    yield tree
    for_types = isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test)
    for child in tree.orelse if for_types else ast.iter_child_nodes(tree):
        yield from run_on_import(child)


def own(name: str) -> str | None:
    """The module of graftlab that an import reaches, if it is one of ours."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


@cache
def trees() -> dict[str, ast.Module]:
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in MODULES.items()}


@cache
def all_imports() -> dict[str, list[tuple[str, str]]]:
    return {module: list(imports(module, ast.walk(tree))) for module, tree in trees().items()}


# -- rooms ------------------------------------------------------------------------------------------------------------


def test_every_module_is_in_a_room_and_every_room_is_there():
    rooms = {room_of(module) for module in MODULES}
    assert rooms - set(ROOMS) == set(), "these belong to no room of the table"
    assert set(ROOMS) - rooms == set(), "these rooms do not exist"


def test_the_table_names_only_rooms_and_has_no_circle():
    assert {room for rooms in ALLOWED.values() for room in rooms} <= set(ROOMS)
    order = list(TopologicalSorter(ALLOWED).static_order())  # CycleError if there is one
    assert order[0] == "errors"
    assert order[-1] == "cli"


def test_imports_stay_inside_the_table():
    wrong = []
    for module, found in all_imports().items():
        for where, name in found:
            target = own(name)
            if target and room_of(target) not in ALLOWED[room_of(module)] | {room_of(module)}:
                wrong.append(f"{where}: {room_of(module)} may not import {room_of(target)}")
    assert wrong == []


def test_modules_form_no_circle():
    """Not even inside a room, where the table is silent."""
    graph = {module: {own(name) for _, name in found} - {None, module} for module, found in all_imports().items()}
    list(TopologicalSorter(graph).static_order())  # CycleError names the circle


def test_the_table_for_people_is_the_same():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", text, re.MULTILINE)
    assert {room: set(re.findall(r"\w+", rooms)) for room, rooms in rows} == ALLOWED


# -- other people's packages ------------------------------------------------------------------------------------------


def test_heavy_and_optional_packages_are_imported_inside_functions():
    wrong = []
    for module, tree in trees().items():
        welcome = EVERYWHERE | sys.stdlib_module_names | AT_THE_TOP_OF.get(room_of(module), set())
        for where, name in imports(module, run_on_import(tree)):
            heavy = any(name == part or name.startswith(part + ".") for part in HEAVY_PARTS)
            if heavy or name.split(".")[0] not in welcome:
                wrong.append(f"{where}: {name}")
    assert wrong == []


def test_nothing_imports_a_banned_package():
    names = "|".join(BANNED)
    line = re.compile(rf"^\s*(?:from +(?:{names})\b|import .*\b(?:{names})\b)", re.MULTILINE)
    assert line.search("if True:\n    from timm.models import x")
    assert line.search("import os, lpips")
    paths = [path for folder in ("graftlab", "benchmarks", "recipes", "tests") for path in python_files(ROOT / folder)]
    assert [path for path in paths if line.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("module", ["graftlab", "graftlab.cli"])
def test_importing_is_light(module: str):
    """`import graftlab` and `graft --help` wait for no large package."""
    unwanted = ["torch", "lmdb", "av", "transformers", "tensorboard", "sklearn", "scipy", "matplotlib"]
    unwanted += ["torchmetrics", "efficientnet_lite_pytorch"]
    unwanted += ["typer", "rich"] if module == "graftlab" else []
    code = f"import sys, {module}; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_commands_compute_nothing():
    """They read options, call the library and write; what needs tensors lies there, for who calls it from Python."""
    users = {
        module
        for module, found in all_imports().items()
        if module.startswith("graftlab.cli.") and any(name.split(".")[0] in ("torch", "numpy") for _, name in found)
    }
    assert users == set()


def test_only_the_face_and_the_command_line_import_by_name():
    """What `import_module` brings is invisible to this file; in the face it is what its TYPE_CHECKING block lists, and
    in the command line what its table lists (the next test)."""
    users = {
        module
        for module, tree in trees().items()
        if re.search("import_module|__import__", MODULES[module].read_text(encoding="utf-8"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
    }
    assert users <= {"graftlab", "graftlab.cli.lazy"}
    listed = {name for _, name in all_imports()["graftlab"] if own(name) != "graftlab"}
    by_name = {
        ".".join(filter(None, ["graftlab", home, name])) for name, home in getattr(graftlab, "_HOME", {}).items()
    }
    assert {name for name in listed if own(name)} == by_name


def test_the_help_of_a_group_shows_the_first_paragraph_of_each_command():
    """Read in the source, which is not imported; and every command is where the table says that it is."""
    entries = [entry for panel in COMMANDS.values() for entry in panel.values()]
    inner = [home for entry in entries if isinstance(entry, Group) for home in entry.commands.values()]
    homes = [*(entry for entry in entries if isinstance(entry, str)), *inner]
    defined = {
        f"{module.removeprefix('graftlab.cli.')}.{node.name}": node
        for module, tree in trees().items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    paragraphs = {home: ast.get_docstring(defined[home.removesuffix("_app")]).split("\n\n")[0] for home in homes}
    assert {home: headline(home) for home in homes} == paragraphs


# -- size -------------------------------------------------------------------------------------------------------------


def test_no_file_is_too_long_to_read():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST} == {}


# -- the checks themselves --------------------------------------------------------------------------------------------


def test_imports_are_found_wherever_they_hide():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import av
else:
    import rich
try:
    from lmdb import open
except ImportError:
    pass
class A:
    import sklearn.decomposition
    def f(self):
        import scipy
        from . import parallel
        from ..images import read
"""
    tree = ast.parse(source)
    everything = {name for _, name in imports("graftlab.data.scan", ast.walk(tree))}
    assert {"av", "rich", "lmdb.open", "scipy", "graftlab.data.parallel", "graftlab.images.read"} <= everything
    at_once = {name for _, name in imports("graftlab.data.scan", run_on_import(tree))}
    assert at_once == {"typing.TYPE_CHECKING", "rich", "lmdb.open", "sklearn.decomposition"}
    assert own("graftlab.images.read") == "graftlab.images"
    rooms = {"graftlab": "graftlab", "graftlab.codes": "codes", "graftlab.data.scan": "data"}
    assert {name: room_of(name) for name in rooms} == rooms
