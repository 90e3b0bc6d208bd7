"""Options that several commands share: a dataclass of them, which is one parameter of each."""

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

NONE = inspect.Parameter.empty

command_line: ContextVar[list[str]] = ContextVar("command_line")
"""The arguments of the command that is running, for the recipe of its pictures."""


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """A command in which each parameter that is a dataclass stands for its fields, options that follow the others.

    Their defaults are those of the parameter's default, `options: ReadingOptions = ReadingOptions(square=True)`, or
    else those of the dataclass."""
    signature, hints = inspect.signature(function), get_type_hints(function, include_extras=True)
    groups = {name: hints[name] for name in signature.parameters if is_dataclass(hints[name])}
    own = [parameter for name, parameter in signature.parameters.items() if name not in groups]
    shared = [option for name, group in groups.items() for option in options(group, signature.parameters[name].default)]

    @wraps(function)
    def command(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        function(**given)

    command.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    return command


def options(group: Any, chosen: Any) -> Iterator[inspect.Parameter]:
    """The fields of a dataclass as a function's parameters, whose defaults are those of `chosen` if there is one."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = field.default if chosen is NONE else getattr(chosen, field.name)
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=NONE if default is MISSING else default,
            annotation=hints[field.name],
        )
