"""What commands that take phrases have in common: which text model, and what it will not understand."""

from typing import Annotated

import typer

from graftlab.cli.progress import say
from graftlab.language import TextModel
from graftlab.language import text_model as open_text_model

TEXT_MODEL = typer.Option(
    "--words",
    help="What reads the phrases: graft-mini, a file like it, a CLIP or SigLIP of 'graft models' or the hub, or its "
    "folder.",
)
TextModelName = Annotated[str, TEXT_MODEL]


def open_words(name: str, device: str | None, precision: str, *phrases: str) -> TextModel:
    """A text model, which says first what it will miss of the phrases. GraftError if it knows no word of one."""
    model = open_text_model(name, device, precision)
    for phrase in phrases:
        model.check(phrase)
        if notice := model.notice(phrase):
            say(notice)
    return model
