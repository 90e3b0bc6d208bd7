"""What is known of a picture, and captions that say some of it.

A claim is a factor and its value, such as ("hour", "night"). Facts say of claims whether they are true of a picture;
what is in between, or cannot be seen, is left out. A caption makes claims, so whatever picture it meets, it is known
to be right there, wrong, or neither.
"""

import csv
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Claim = tuple[str, str]
Facts = dict[Claim, bool]


def listed(text: str) -> list[str]:
    return [" ".join(words.split()) for words in text.split(",")]


_FILE = tomllib.loads(Path(__file__).with_name("wordings.toml").read_text("utf-8"))
HEADS, OPENINGS = (listed(_FILE.pop(name)) for name in ("heads", "openings"))
WORDINGS: dict[str, dict[str, dict[str, list[str]]]] = {  # factor, value, place in a sentence
    factor: {value: {part: listed(text) for part, text in parts.items()} for value, parts in values.items()}
    for factor, values in _FILE.items()
}

CLAIMS: list[Claim] = [(factor, value) for factor, values in WORDINGS.items() for value in values]
DULL = {"sun", "stars", "aurora", "flowers", "boulders", "tree", "fog", "snow"}  # whose absence is seldom worth a word
DULLNESS = 0.15  # how much rarer it is told
LENGTHS = ((1, 0.25), (2, 0.15), (3, 0.15), (4, 0.1), (99, 0.35))  # claims of a caption, and how often
SEASONS = ("winter", "spring", "summer", "autumn")
CLIMATES = ("desert", "tropical", "savanna", "volcanic")
VALLEY = "valley"  # the place of every picture of the renderer's first version


# -- facts ------------------------------------------------------------------------------------------------------------


def only(factor: str, value: str | None, perhaps: tuple[str, ...] = ()) -> Facts:
    """One value is true, none if it is None, and the others are false; but for those of which one cannot say."""
    known = [other for other in WORDINGS[factor] if other not in perhaps or other == value]
    return {(factor, other): other == value for other in known}


def yes_or_none(factor: str, amount: float, little: float, much: float) -> Facts:
    """Whether something is there: not up to `little`, for certain from `much` on, and in between one cannot say."""
    if little < amount < much:
        return {}
    return only(factor, "yes" if amount >= much else "none")


def facts(row: Mapping[str, str]) -> Facts:
    """Of a rendering, by its row of index.csv. Columns that the renderer's first version lacks are zero there."""

    def number(name: str) -> float:
        return float(row.get(name) or 0)

    kind, place = row["archetype"], row.get("place") or VALLEY
    hour = kind if kind in ("sunset", "dawn", "night") else "day"
    found = only("hour", hour)
    if hour in ("day", "night"):
        found |= only("sun", "none" if kind in ("overcast", "storm", "night") else "yes")
    found |= only("climate", kind if kind in CLIMATES else None)
    found |= season_and_snow(number, kind, place) | sky(number, kind) | terrain(number, kind, place)
    found |= water(number, place) | trees(number, kind, place)
    lit_from = abs(number("sun_azimuth"))
    if kind not in ("night", "overcast", "storm"):
        found |= yes_or_none("backlight", -lit_from, -115, -35) if number("sun_elevation") < 22 or lit_from > 35 else {}
    found |= yes_or_none("stars", number("stars"), 0, 0.35)
    found |= yes_or_none("aurora", number("aurora"), 0, 0.2)
    found |= yes_or_none("fog", number("mist"), 0.15, 0.45)
    if kind != "night":
        found |= yes_or_none("flowers", number("flowers") if number("growth") > 0.3 else 0, 0.04, 0.45)
    if number("camera_height") < 30:
        found |= yes_or_none("boulders", number("boulders"), 0, 12)
    return found | between("view", number("camera_height"), "ground", 12, 60, "above") | colour(number, kind)


def between(factor: str, amount: float, below: str, low: float, high: float, above: str) -> Facts:
    """One value of two up to `low`, the other from `high` on, and in between one cannot say."""
    return {} if low < amount < high else only(factor, below if amount <= low else above)


def colour(number, kind: str) -> Facts:
    """Of the open ground, by day."""
    if kind == "winter":
        return only("ground", None)
    if kind in ("night", "sunset"):
        return {}
    return between("ground", number("grass_r") / number("grass_g"), "green", 0.8, 1.1, "golden")


def season_and_snow(number, kind: str, place: str) -> Facts:
    found = only("season", kind) if kind in SEASONS else only("season", None, ("spring", "summer"))
    if kind == "winter":
        return found | only("snow", "ground", ("peaks",))
    if kind in ("desert", "savanna", "tropical") or number("snowline") > 0.95:
        return found | only("snow", "none", ("peaks", "none") if kind == "night" else ())
    if place in (VALLEY, "mesas") and number("skyline") > 0.3 and number("snowline") < 0.55 and kind != "night":
        return found | only("snow", "peaks")
    return found | {("snow", "ground"): False}


def sky(number, kind: str) -> Facts:
    if kind in ("overcast", "storm"):
        return only("sky", kind, ("clouds", *(("overcast",) if kind == "storm" else ())))
    cover, heaps = number("cloud_cover"), number("cumulus")
    if cover > 0.85:
        return {("sky", "clear"): False}
    if cover > 0.2 or heaps > 0.25:
        found = only("sky", "clouds")
        if heaps < 0.3:
            found |= between("cover", cover, "few", 0.28, 0.5, "many")
        if kind != "night" and number("streaks"):
            found |= between("form", heaps - number("streaks"), "streaks", -0.5, 0.1, "heaps")
        return found
    return only("sky", "clear") if cover < 0.04 and heaps < 0.03 else only("sky", None, ("clear", "clouds"))


def terrain(number, kind: str, place: str) -> Facts:
    high = number("skyline")
    found = between("relief", number("horizon") + high, "low", 0.55, 0.85, "high")
    if place == VALLEY:
        steep = high >= 0.3 and number("ruggedness") >= 0.45
        value = "mountains" if steep else "hills" if high <= 0.24 else None
        return found | only("place", value, ("dunes",) if kind == "desert" else () if value else ("mountains", "hills"))
    if place == "dunes" and number("sandy") < 0.35:  # a meadow, or snow, on smooth hills
        return found | only("place", "hills", ("fields", "dunes"))
    perhaps = {"fields": ("hills",), "dunes": ("hills",), "mesas": ("mountains",)}.get(place, ("mountains", "hills"))
    found |= only("place", place, (*perhaps, *(("coast",) if place == "islands" else ())))
    if place != "islands":
        return found
    peaks = number("peaks")
    return found | (only("count", "one" if peaks == 1 else "few" if peaks < 4 else "many") if peaks != 4 else {})


def water(number, place: str) -> Facts:
    level = number("lake")
    sea = place in ("coast", "islands")
    if not sea and 0 < level < 0.4:
        return {}
    found = only("water", "sea" if sea else "lake" if level else "none")
    if not sea and not level:
        return found | only("surface", None)
    ice, wind = number("ice"), number("wind")
    if 0.15 < ice < 0.5:
        return found
    value = "ice" if ice >= 0.5 else "calm" if wind < 0.2 else "waves" if wind > 0.65 else None
    return found | only("surface", value, () if value else ("calm", "waves"))


def trees(number, kind: str, place: str) -> Facts:
    wooded, shrubs, leafy = number("wooded"), number("tree_scale") < 0.6, number("leafy")
    dry, framed, big = place in ("dunes", "fields") or not number("lake"), number("framing") > 0, number("big_tree")
    found: Facts = {}
    if wooded < 0.12 and not framed and not big:
        found |= only("trees", "none", ("few",))
    elif 0.2 < wooded < 0.35 and not shrubs:
        found |= only("trees", "few", ("none",))
    elif wooded > 0.6 and not shrubs:
        found |= only("trees", "forest", () if dry else ("few",))
    if wooded > 0.3 and not shrubs:
        palms, broad = number("palms") > 0.4, leafy > 0.6 and not number("palms") and number("umbrellas") < 0.3
        value = "palms" if palms else "conifers" if leafy < 0.25 else "leafy" if broad else None
        found |= only("kind", value, () if value else ("palms", "conifers", "leafy"))
    if dry:
        found |= only("tree", "yes") if big > 0.25 else {} if framed or big else only("tree", "none")
    return found


# -- photographs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Photo:
    """A photograph that somebody looked at."""

    name: str
    use: str  # "train", or "judge": kept out of the training
    facts: Facts
    captions: list[str]


def photos(path: Path) -> list[Photo]:
    """The rows of photos.csv. What it does not say of a factor is unknown, but for what would have been said."""
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Photo(row["name"], row["use"], told(row["facts"]), row["captions"].split("|"))
            for row in csv.DictReader(file)
        ]


def told(text: str) -> Facts:
    found = {
        claim: value for name in ("stars", "aurora", "flowers", "fog") for claim, value in only(name, "none").items()
    }
    words = text.split()
    if "hour=night" in words or "sky=overcast" in words or "sky=storm" in words:
        found |= only("sun", "none")
    elif "hour=day" in words:
        found |= only("sun", "yes")
    for word in words:
        factor, _, value = word.partition("=")
        if value not in WORDINGS[factor]:
            raise SystemExit(f"photos.csv: {word} is no claim")
        found |= only(factor, value)
    return found


# -- captions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Caption:
    """Words, and the claims that they make; of a sentence written for one photograph also which."""

    text: str
    claims: tuple[Claim, ...]
    photo: str | None = field(default=None)


def caption(
    known: Facts, rng: np.random.Generator, length: int | None = None, rarity: Mapping[Claim, float] | None = None
) -> Caption:
    """A caption that is true of a picture; `length` claims of those that are, None: now few and now all.

    Of claims with a `rarity` the rarer are chosen more often."""
    true = [claim for claim in CLAIMS if known.get(claim)]
    worth = np.array([DULLNESS if value == "none" and factor in DULL else 1.0 for factor, value in true])
    weight = worth * [(rarity or {}).get(claim, 1.0) for claim in true]
    if length is None:
        length = int(rng.choice([count for count, _ in LENGTHS], p=[share for _, share in LENGTHS]))
    if length >= len(true):  # all that is worth a word
        chosen = [claim for claim, each in zip(true, worth, strict=True) if each == 1 or rng.random() < DULLNESS]
    else:
        picked = rng.choice(len(true), length, replace=False, p=weight / weight.sum())
        chosen = [true[index] for index in picked]
    chosen = chosen or [true[0]]
    return Caption(phrase(chosen, rng), tuple(chosen))


def phrase(claims: list[Claim], rng: np.random.Generator) -> str:
    """Words for some claims: a list of phrases, or a sentence."""
    if len(claims) <= 4 and rng.random() < (0.6 if len(claims) == 1 else 0.35):
        parts = [pick(alone(claim), rng) for claim in claims]
        return (" and " if len(parts) == 2 and rng.random() < 0.5 else ", ").join(parts)
    return sentence(claims, rng)


def sentence(claims: list[Claim], rng: np.random.Generator) -> str:
    """Adjectives before a noun, things after "with", and whatever ends a sentence."""
    order = list(claims)
    rng.shuffle(order)
    head, adjectives, things, tails = "", [], [], []
    for claim in order:
        ways = {part: found for part, found in WORDINGS[claim[0]][claim[1]].items() if part != "alone"}
        if head or "noun" not in ways:
            ways.pop("noun", None)
        elif rng.random() < 0.8:
            ways = {"noun": ways["noun"]}
        if len(adjectives) == 2:
            ways.pop("adjective", None)
        part = pick(sorted(ways), rng) if ways else "thing"
        words = pick(ways[part] if ways else alone(claim), rng)
        if part == "noun":
            head = words
        else:
            {"adjective": adjectives, "thing": things, "tail": tails}[part].append(words)
    head = with_article(" ".join([*adjectives, head or pick(HEADS, rng)]), rng)
    opening = pick(OPENINGS, rng) + " " if rng.random() < 0.25 else ""
    middle = ("with " + " and ".join(things)) if things else ""
    ends = [middle, *tails] if rng.random() < 0.7 else [*tails, middle]
    return (opening + " ".join([head, *filter(None, ends)])).strip()


def with_article(words: str, rng: np.random.Generator) -> str:
    """The noun with an article, if it is one of a kind and somebody cares."""
    last = words.rsplit(" ", 1)[-1]
    if (last.endswith("s") and not last.endswith("ss")) or rng.random() < 0.35:
        return words
    return ("an " if words[0] in "aeiou" else "a ") + words


def pick(choices: list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def of_photo(photo: Photo, rng: np.random.Generator, rarity: Mapping[Claim, float]) -> Caption:
    """One of the sentences that were written for it, or one made of its facts."""
    if rng.random() < 0.5:
        return caption(photo.facts, rng, rarity=rarity)
    claims = tuple(claim for claim, true in photo.facts.items() if true)
    return Caption(pick(photo.captions, rng), claims, photo.name)


def everything(sentences: list[str]) -> Iterator[str]:
    """All that is ever said: every wording, and the sentences of photographs."""
    yield from (
        text for values in WORDINGS.values() for parts in values.values() for part in parts.values() for text in part
    )
    yield from (*HEADS, *OPENINGS, "a", "an", "the", "with", "and", *sentences)


def alone(claim: Claim) -> list[str]:
    """The wordings of a claim that stand by themselves."""
    return WORDINGS[claim[0]][claim[1]]["alone"]
