"""`graft help`: the commands and sliders that some words are about."""

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer

from graftlab.checkpoints import load
from graftlab.cli.lazy import Panels, headline
from graftlab.cli.progress import console
from graftlab.cli.table import COMMANDS
from graftlab.editing.directions import Directions
from graftlab.errors import GraftError

BEST = 6  # answers, at most

# What people say, and the word that commands and sliders have for it.
SYNONYMS = {
    "hour": "night day noon evening dusk dawn dark darker morning midnight time",
    "golden": "sunset sunrise warm warmer orange glow",
    "season": "snow snowy winter summer spring ice",
    "dryness": "dry autumn fall ochre brown green lush wet",
    "haze": "weather cloud cloudy overcast rain rainy storm stormy hazy fog foggy mist",
    "guide": "text words phrase prompt clip sentence caption cloud cloudy overcast rain rainy storm stormy",
    "text": "cloud cloudy overcast rain rainy storm stormy",
    "swap": "style transfer apply repaint hybrid mix two combine exchange own",
    "encode": "own",
    "scan": "own dataset",
    "interpolate": "morph between fade two",
    "film": "video movie animation animate gif mp4 clip",
    "recurse": "zoom endless infinite dream",
    "upscale": "larger bigger enlarge resolution sharper superresolution",
    "train": "learn dataset own",
    "finetune": "transfer adapt further own",
    "blend": "merge interpolate layers toonify",
    "toonify": "cartoon redraw face",
    "invert": "project projection encode",
    "select": "mask segment region area",
    "panorama": "wide stitch join",
    "eval": "measure fid kid quality metric score",
    "models": "download weights pretrained checkpoint",
    "convert": "export import pkl pickle format safetensors",
    "directions": "slider sliders edit attribute",
}
NO_SLIDER = "cloud cloudy overcast rain rainy storm stormy"  # that people look for
IDLE = "a an and the of on to in with by from for it i is my me make how do can what more less graft photo picture"


class Answer(NamedTuple):
    """What to type, and what it does."""

    command: str
    help: str


def find(
    words: Annotated[list[str] | None, typer.Argument(help="What you would like to do, in a few words.")] = None,
) -> None:
    """Find the command or slider for a task that you describe in your own words.

    graft help more snow
    """

    sentence = " ".join(words or [])
    said = tokens(sentence)
    if not said:
        raise GraftError(
            "Say what you would like to do, as in 'graft help more snow'; 'graft --help' lists all commands."
        )
    answers = [*sliders(), *commands(COMMANDS)]
    scored = sorted(((score(said, answer), answer) for answer in answers), key=lambda pair: -pair[0])
    found = [answer for points, answer in scored[:BEST] if points]
    if not found:
        raise GraftError(f"No command or slider matches '{sentence}'; 'graft --help' lists all commands.")
    if missing := [word for word in sentence.split() if tokens(word) & {*NO_SLIDER.split()}]:
        typer.echo(f"There is no slider for {missing[0]}. What comes near:")
    for answer in found:
        typer.echo(f"{answer.command}\n    {answer.help}")
    console.print("Any of them with --help tells the rest.")


def commands(panels: Panels, before: str = "graft") -> Iterator[Answer]:
    """All commands of a table, those of groups too."""
    for entries in panels.values():
        for name, entry in entries.items():
            if isinstance(entry, str):
                yield Answer(f"{before} {name}", headline(entry))
            else:
                yield from commands({"": entry.commands}, f"{before} {name}")


def sliders() -> Iterator[Answer]:
    """The directions that come with the models, apart from components without a meaning."""
    for file in sorted(load.BUNDLED.glob("*.directions.safetensors")):
        model = file.name.removesuffix(".directions.safetensors")
        for name, end in Directions.load(file).about["toward"].items():
            sweep = f'graft directions sweep PHOTO {model} -m {model} --name "{name}"'
            yield Answer(sweep, f"A slider toward {end}, and away from it.")


def score(said: set[str], answer: Answer) -> int:
    """How much an answer is about some words: its name, and what they mean, counts more than its description."""
    name, text = tokens(answer.command), tokens(answer.help)
    meant = [(tokens(each), tokens(words)) for each, words in SYNONYMS.items()]
    return sum(
        3 * (word in name) + 3 * any(word in words and each & name for each, words in meant) + (word in text)
        for word in said
    )


def tokens(text: str) -> set[str]:
    """The words of a text that say something, without the s of many."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]+", text.lower())} - {*IDLE.split()}
