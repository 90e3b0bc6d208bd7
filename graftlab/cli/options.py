"""Options that several commands share: a dataclass of them, or fields of a configuration, is one parameter of each."""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import wraps
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from graftlab.config.base import IMAGES, KINDS, Config, Within, type_and_limits

DEFAULT_MODEL = "landscapes-256"
NONE = inspect.Parameter.empty
THOUSANDS = {"k": 1_000, "m": 1_000_000}  # after a number of images

command_line: ContextVar[list[str]] = ContextVar("command_line")
"""The arguments of the command that is running, for the recipe of its pictures."""


@dataclass(frozen=True)
class Fields:
    """Fields of a configuration as options: `x: Annotated[dict[str, Any], Fields(TrainConfig)]` is a dict of them.

    Defaults, limits and help are the configuration's; the help is what stands under a field. An option without a
    default is not in the dict unless it is given."""

    config: type[Config]
    names: str = ""  # with spaces between; all if there are none
    unset: Mapping[str, str] | str = field(default_factory=dict)  # what holds without: by name, or for all of them
    changed: Mapping[str, Any] = field(default_factory=dict)  # defaults other than the configuration's

    def parameters(self) -> Iterator[inspect.Parameter]:
        """The options, in order."""
        known, helps = {each.name: each for each in fields(self.config)}, docstrings(self.config)
        for name in self.names.split() or known:
            (kind, limits), default, help = type_and_limits(known[name].type), known[name].default, helps[name]
            default = self.changed.get(name, default)
            if otherwise := self.unset if isinstance(self.unset, str) else self.unset.get(name):
                default, help = None, f"{help.removesuffix('.')}; by default {otherwise}."
            about: dict[str, Any] = {"help": help}
            if kind == tuple[str, ...]:
                default = default if default is None else ",".join(default)
                kind, about = str, {**about, "parser": split, "metavar": "<str>"}
            elif limits is not None:
                about |= {"parser": number(kind, limits), "metavar": f"<{limits.unit or kind.__name__}>"}
            option = typer.Option(default, **about)
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)

    def collect(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Group:
    """The fields of a dataclass as options, whose defaults are those of `chosen` if there is one.

    What is annotated with no option has for its help what stands under the field. `heading` is theirs in the help."""

    dataclass: Any
    chosen: Any
    heading: str | None = None

    def parameters(self) -> Iterator[inspect.Parameter]:
        hints = get_type_hints(self.dataclass, include_extras=True)
        bare = any(get_origin(hints[each.name]) is not Annotated for each in fields(self.dataclass))
        helps = docstrings(self.dataclass) if bare else {}  # which takes milliseconds
        for each in fields(self.dataclass):
            default = each.default if self.chosen is NONE else getattr(self.chosen, each.name)
            default, hint = NONE if default is MISSING else default, hints[each.name]
            if each.name in helps and get_origin(hint) is not Annotated:
                flags = [f"--{each.name.replace('_', '-')}"]  # of a switch, the only one
                default = typer.Option(default, *flags, help=helps[each.name], rich_help_panel=self.heading)
            yield inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)

    def collect(self, values: dict[str, Any]) -> Any:
        return self.dataclass(**values)


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """A command in which each parameter that is a dataclass, or annotated with `Fields`, stands for options, which
    follow the others.

    Their defaults are those of the parameter's default, `options: ReadingOptions = ReadingOptions(square=True)`, or
    else those of the dataclass; `Annotated[BlendConfig, "How to blend"]` is their heading in the help."""
    signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
    groups: dict[str, tuple[Fields | Group, list[inspect.Parameter]]] = {}
    for name, parameter in signature.parameters.items():
        kind, *notes = get_args(hints[name]) if get_origin(hints[name]) is Annotated else [hints[name]]
        annotated = next((note for note in notes if isinstance(note, Fields)), None)
        if annotated or is_dataclass(kind):
            group = annotated or Group(kind, parameter.default, *notes)
            groups[name] = group, list(group.parameters())
    own = [parameter for name, parameter in signature.parameters.items() if name not in groups]
    shared = [option for _, options in groups.values() for option in options]

    @wraps(function)
    def command(**given: Any) -> None:
        for name, (group, options) in groups.items():
            given[name] = group.collect({option.name: given.pop(option.name) for option in options})
        function(**given)

    command.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    return command


def docstrings(config: type) -> dict[str, str]:
    """The sentence under each field of a dataclass, those of the classes that it extends among them."""
    found: dict[str, str] = {}
    for one in reversed([each for each in config.__mro__ if is_dataclass(each) and each is not Config]):
        (body,) = ast.parse(dedent(inspect.getsource(one))).body
        for statement, under in pairwise(body.body):  # type: ignore[attr-defined]
            match statement, under:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = " ".join(text.split())
    return found


def number(kind: type, limits: Within) -> Callable[[Any], Any]:
    """What makes a number of an option's text; of images also 500k and 25M."""

    def parse(given: Any) -> Any:
        text = str(given)
        factor = THOUSANDS.get(text[-1:].lower(), 1) if limits.unit else 1
        try:
            value = int(float(text[:-1]) * factor) if factor > 1 else kind(text)
        except (ValueError, OverflowError):
            wanted = "a number of images; write 500000, 500k or 25M" if limits.unit else KINDS[kind]
            raise typer.BadParameter(f"'{text}' is not {wanted}.") from None
        if value not in limits:
            raise typer.BadParameter(f"it must be {limits}, not {text}.")
        return value

    return parse


def count_option(help: str) -> Any:
    """An option that takes a number of images."""
    return typer.Option(parser=number(int, IMAGES), metavar="<images>", help=help)


def split(names: str) -> tuple[str, ...]:
    """Names with commas between."""
    return tuple(filter(None, map(str.strip, names.split(","))))
