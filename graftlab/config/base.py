"""What every configuration has in common: it is checked when it is made, and is JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import inf
from typing import Any, ClassVar, Self

from graftlab.errors import GraftError


@dataclass(frozen=True)
class Config:
    """A dataclass that is JSON. Unknown fields are errors, never guesses; missing ones have their defaults."""

    limits: ClassVar[dict[str, tuple[float, float]]] = {}
    """Smallest and largest value of a field: a file may come from anybody, and must not ask for the impossible."""

    def __post_init__(self) -> None:
        for field in fields(self):
            name, kind, value = field.name, field.type, getattr(self, field.name)
            if isinstance(kind, type):
                fits = isinstance(value, (int, float) if kind is float else kind)
                fits = fits and isinstance(value, bool) == (kind is bool)  # which Python counts among the whole numbers
                require(fits, f"{name} must be {KINDS.get(kind, kind.__name__)}, not {value!r:.40}.")
            if name in self.limits:
                low, high = self.limits[name]
                span = f"at least {low:g}" if high == inf else f"between {low:g} and {high:g}"
                require(low <= value <= high, f"{name} must be {span}, not {value}.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        require(isinstance(values, Mapping), f"{cls.__name__} is made of named fields, not of {values!r:.40}.")
        known = {field.name: field for field in fields(cls)}
        if unknown := sorted(map(str, set(values) - set(known))):
            raise GraftError(f"{cls.__name__} has no field {', '.join(unknown)}; the file may be of a newer graftlab.")
        if missing := [name for name, field in known.items() if field.default is MISSING and name not in values]:
            raise GraftError(f"{cls.__name__} lacks {', '.join(missing)}; the file is incomplete.")
        values = dict(values)
        for name, field in known.items():
            if isinstance(field.type, type) and issubclass(field.type, Config):
                values[name] = field.type.from_dict(values[name])
        return cls(**values)

    def _pair(self, name: str) -> tuple[float, float]:
        """A field of two numbers, made a tuple: JSON brings a list."""
        value = getattr(self, name)
        numbers = isinstance(value, list | tuple) and [type(number) in (int, float) for number in value]
        require(numbers == [True, True], f"{name} must be two numbers, not {value!r:.40}.")
        object.__setattr__(self, name, tuple(value))
        return tuple(value)


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise GraftError(sentence)
