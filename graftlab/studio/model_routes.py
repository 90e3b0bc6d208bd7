"""The models that the page may name, what they are, and scenes as lines to copy."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile
from pydantic import BaseModel, Field

from graftlab.checkpoints.describe import describe
from graftlab.checkpoints.readers import open_model
from graftlab.codes import Codes
from graftlab.editing.directions import Directions, directions_beside
from graftlab.editing.edits import PARTS
from graftlab.errors import GraftError
from graftlab.networks.model import ancestors
from graftlab.objectives.words import NEUTRAL
from graftlab.studio.answers import Here, Whose
from graftlab.studio.orders.sheet import Sheet
from graftlab.studio.scenes import AnyScene
from graftlab.studio.scenes.base import Words
from graftlab.studio.sessions import LARGEST_CODES, shown

routes = APIRouter()
Told = Annotated[AnyScene | Sheet, Field(discriminator="kind")]


class ModelAnswer(BaseModel):
    """A model, in a few words."""

    name: str
    kind: str | None
    size: int
    begins: bool  # whether the page begins with it
    made: bool  # whether the visitor has had it made here
    snapshots: bool  # whether those of the run that made it are here
    parameters: int
    about: dict[str, Any]


class DirectionAnswer(BaseModel):
    """A direction, and what is known of it."""

    file: str
    name: str
    part: str
    told: str


class CardAnswer(ModelAnswer):
    """A model, and all that is known of it."""

    card: str | None  # Markdown
    config: dict[str, Any]
    directions: list[DirectionAnswer]
    components: dict[str, int]  # how many there are of texture and structure
    random: bool  # whether random textures can be drawn
    kin: list[str]  # models that it was made from, or that were made from it


class Phrase(BaseModel):
    """What pictures are to become, and what they are without it."""

    text: Words
    neutral: Words = NEUTRAL


class Read(BaseModel):
    """How a phrase was understood."""

    notice: str | None


class Found(BaseModel):
    """Codes that are kept."""

    id: str
    kind: str  # SwapCodes or StyleCodes
    model: str | None  # the name of the model that they are of, if it is here


class Line(BaseModel):
    """Text to copy."""

    text: str


@routes.get("/models")
def list_models(here: Here, whose: Whose) -> list[ModelAnswer]:
    """The models on this machine: bundled, in the cache, those that the studio was started with, and those that the
    visitor has had made."""
    found = []
    for name, path in here.networks.files_of(whose.id).items():
        try:
            found.append(ModelAnswer(**known(here, name, describe(path, weights=False))))
        except GraftError:  # one damaged file does not hide the others
            continue
    return found


@routes.get("/models/{name:path}")
def show_model(here: Here, whose: Whose, name: str) -> CardAnswer:
    """A model's card, configuration, directions and kin."""
    path = here.networks.file(name)
    card, beside = path.with_suffix(".md"), directions_beside(path)
    directions = Directions.load(beside) if beside.is_file() else None
    try:
        weather = here.turns.run(whose.id, lambda: here.networks.distribution(name)).result()
    except GraftError:
        weather = None
    told = describe(path)
    return CardAnswer(
        **known(here, name, told),
        card=card.read_text(encoding="utf-8") if card.is_file() else None,
        config=told.get("config", {}),
        directions=list(described(name, directions)) if directions else [],
        components={part: len(getattr(weather, part).axes) for part in PARTS} if weather else {},
        random=weather is not None,
        kin=kin(here.networks.files_of(whose.id), name),
    )


def described(model: str, directions: Directions) -> Iterator[DirectionAnswer]:
    for name in directions.names:
        yield DirectionAnswer(file=model, name=name, part=directions.part, told=directions.describe(name))


def kin(files: Mapping[str, Path], name: str) -> list[str]:
    """The models that one was made from, and those that were made from it, as their files tell."""
    own, found = open_model(files[name]), []
    for other, path in files.items():
        try:
            file = open_model(path)
        except GraftError:
            continue
        if file.fingerprint in ancestors(own.about) or own.fingerprint in ancestors(file.about):
            found.append(other)
    return found


@routes.post("/words")
def read_words(here: Here, whose: Whose, phrase: Phrase) -> Read:
    """Whether a phrase can be understood, and what of it will not."""

    def read() -> str | None:
        words = here.networks.words()
        for text in (phrase.text, phrase.neutral):
            words.check(text)
        told = [words.notice(text) for text in dict.fromkeys((phrase.text, phrase.neutral))]
        return " ".join(filter(None, told)) or None

    return Read(notice=here.turns.run(whose.id, read).result())


@routes.post("/codes")
def add_codes(here: Here, whose: Whose, file: Annotated[UploadFile, File()]) -> Found:
    """Keep the codes of one picture (`graft encode`, `invert`). An edit takes their texture, a blend their w."""
    id = whose.add_codes(file.file.read(LARGEST_CODES + 1), shown(file.filename or "codes"))
    codes = Codes.load(whose.found(id))
    names = (name for name, path in here.networks.files_of(whose.id).items() if fingerprint_of(path) == codes.model)
    return Found(id=id, kind=codes.kind, model=next(names, None) if codes.model else None)


def fingerprint_of(path: Path) -> str | None:
    """Of a model's file; None if it is damaged."""
    try:
        return open_model(path).fingerprint
    except GraftError:
        return None


@routes.post("/command")
def as_command(here: Here, whose: Whose, scene: Told) -> Line:
    """The `graft` command that draws a scene, or a sheet."""
    at = here.workspace(whose.id)
    return Line(text=here.turns.run(whose.id, lambda: scene.as_command(at)).result())


@routes.post("/python")
def as_python(here: Here, whose: Whose, scene: Told) -> Line:
    """The Python that draws a scene, or a sheet."""
    at = here.workspace(whose.id)
    return Line(text=here.turns.run(whose.id, lambda: scene.as_python(at)).result())


def known(here: Here, name: str, told: dict[str, Any]) -> dict[str, Any]:
    about = {key: value for key, value in told.get("about", {}).items() if isinstance(value, str | int | float)}
    return {
        "name": name,
        "kind": told["kind"],
        "size": told.get("size", 0),
        "begins": name == here.model,
        "made": name in here.networks.made,
        "snapshots": here.networks.snapshots(name) is not None,
        "parameters": told.get("parameters", 0),
        "about": about,
    }
