"""What every configuration has in common: it is checked when it is made, and is JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import inf
from typing import Annotated, Any, ClassVar, Self, get_origin

from graftlab.errors import GraftError


@dataclass(frozen=True)
class Within:
    """Smallest and largest value of a field: a file may come from anybody, and must not ask for the impossible."""

    low: float
    high: float = inf
    unit: str = ""  # for people

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"at least {self.low:g}" if self.high == inf else f"between {self.low:g} and {self.high:g}"


Weight = Annotated[float, Within(0, 1e6)]
Share = Annotated[float, Within(0, 1)]
Steps = Annotated[int, Within(1, 2**16)]
IMAGES = Within(1, unit="images")
Images = Annotated[int, IMAGES]
Seed = Annotated[int, Within(0, 2**32 - 1)]  # what the seeds of single steps are made of must fit 64 bits


def type_and_limits(annotation: Any) -> tuple[Any, Within | None]:
    """The type of a field, and its limits if it has any."""
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, annotation.__metadata__[0]
    return annotation, None


@dataclass(frozen=True)
class Config:
    """A dataclass that is JSON. Unknown fields are errors, never guesses; missing ones have their defaults.

    A field says once what it is: its limits are in its type, and what is an option of a command has a docstring, which
    is the option's help."""

    former: ClassVar[Mapping[str, str]] = {}
    """Names of fields in earlier files, and what they are called now."""

    def __post_init__(self) -> None:
        for field in fields(self):
            (kind, limits), name, value = type_and_limits(field.type), field.name, getattr(self, field.name)
            if isinstance(kind, type):
                fits = isinstance(value, (int, float) if kind is float else kind)
                fits = fits and isinstance(value, bool) == (kind is bool)  # which Python counts among the whole numbers
                require(fits, f"{name} must be {KINDS.get(kind, kind.__name__)}, not {value!r:.40}.")
            if limits is not None:
                require(value in limits, f"{name} must be {limits}, not {value}.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        require(isinstance(values, Mapping), f"{cls.__name__} is made of named fields, not of {values!r:.40}.")
        values, known = cls.rename(values), {field.name: field for field in fields(cls)}
        if unknown := sorted(map(str, set(values) - set(known))):
            raise GraftError(f"{cls.__name__} has no field {', '.join(unknown)}; the file may be of a newer graftlab.")
        if missing := [name for name, field in known.items() if field.default is MISSING and name not in values]:
            raise GraftError(f"{cls.__name__} lacks {', '.join(missing)}; the file is incomplete.")
        for name, field in known.items():
            if isinstance(field.type, type) and issubclass(field.type, Config):
                values[name] = field.type.from_dict(values[name])
        return cls(**values)

    @classmethod
    def rename(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the names that fields have now."""
        return {cls.former.get(name, name): value for name, value in values.items()}

    def _whole_numbers(self, name: str, most: int, top: int) -> None:
        """A field of whole numbers from 1 to `top`, made a tuple: JSON brings a list."""
        value = getattr(self, name)
        numbers = isinstance(value, list | tuple) and len(value) <= most and all(type(item) is int for item in value)
        require(numbers, f"{name} must be at most {most} whole numbers, not {value!r:.40}.")
        require(all(1 <= item <= top for item in value), f"{name} must be between 1 and {top}, not {value!r:.40}.")
        object.__setattr__(self, name, tuple(value))

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
