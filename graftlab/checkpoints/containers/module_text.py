"""The program text that some checkpoints carry, read as text: it is never run.

NVIDIA's pickles hold the source of the module that defines each network. Networks are made of arithmetic, so a text
that reaches for files, processes or the net was put there for another purpose, and its file is not worth opening.
This is a warning to people, not a wall: the wall is that nothing here runs text.
"""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 1 << 18  # characters of one text; NVIDIA's longest has 60,000
KEYS = ("module_src", "build_module_src")  # where pickles keep it: NVIDIA's PyTorch and TensorFlow generation

FUNCTIONS = frozenset({"eval", "exec", "compile", "open", "breakpoint", "__import__", "__builtins__"})
MODULES = (
    "builtins code ctypes ftplib http importlib marshal multiprocessing nt os pickle posix pty requests runpy shutil "
    "smtplib socket subprocess telnetlib urllib webbrowser"
)
PARTS = ("sys.modules", "sys.meta_path", "torch.load", "torch.hub")
ATTRIBUTES = frozenset({"__subclasses__", "__globals__", "__builtins__", "__import__", "__code__"})
FREE = ("os.path", "os.sep", "os.linesep", "os.fspath", "os.PathLike")  # reach for nothing
REACHING = frozenset(MODULES.split())


def suspicious_uses(text: str) -> list[tuple[str, int]]:
    """What a program text uses that no network needs, by full name and line; only names that are used, not imported.

    SyntaxError if it is no Python, or too long or too deep to be read."""
    if len(text) > LONGEST:
        raise SyntaxError("too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from None
    text_names = Names(dict(imported_names(tree)), frozenset(bound_names(tree)), frozenset(owners(tree)))
    return sorted({use for node in ast.walk(tree) for use in uses(node, text_names)}, key=lambda use: (use[1], use[0]))


@dataclass(frozen=True)
class Names:
    """What names stand for in a text."""

    imported: dict[str, str]  # name -> full name
    bound: frozenset[str]  # by arguments, assignments, functions and classes
    owners: frozenset[int]  # id() of the nodes of `a` in `a.b`


def bound_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def owners(tree: ast.AST) -> Iterator[int]:
    return (id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def imported_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that imports bind -> what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module or ''}.{alias.name}"


def uses(node: ast.AST, names: Names) -> Iterator[tuple[str, int]]:
    """Dangerous names that a node of the syntax tree uses."""
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        if dangerous(f"{node.module}.*"):
            yield f"{node.module}.*", node.lineno
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        yield node.func.id, node.lineno  # whatever the text says it means
    elif isinstance(node, ast.Name):
        full = names.imported.get(node.id)
        if full is None:
            if node.id in FUNCTIONS and node.id not in names.bound:
                yield node.id, node.lineno
        elif dangerous(full if "." in full or id(node) in names.owners else f"{full}.*"):
            yield full, node.lineno
    elif isinstance(node, ast.Attribute):
        full = dotted(node, names.imported)
        if node.attr in ATTRIBUTES or dangerous(full):
            yield full or node.attr, node.lineno


def dotted(node: ast.Attribute, aliases: dict[str, str]) -> str:
    """`a.b.c` as text with imports resolved, "" if it does not begin with an imported name."""
    parts = [node.attr]
    inner = node.value
    while isinstance(inner, ast.Attribute) and len(parts) < 8:
        parts.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name) or inner.id not in aliases:
        return ""
    return ".".join([aliases[inner.id], *reversed(parts)])


def dangerous(full: str) -> bool:
    """Whether a full name lies in a module that networks have no use for."""
    root, _, rest = full.partition(".")
    within = any(full == part or full.startswith(f"{part}.") for part in FREE)
    special = any(full == part or full.startswith(f"{part}.") for part in PARTS)
    return special or (bool(rest) and root in REACHING and not within)
