"""Classes of photos: the folders that they lie in, or the labels of NVIDIA's dataset.json."""

import json
import os
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from graftlab.data.image_source import ImageSource, printable
from graftlab.data.left_out import RUN
from graftlab.errors import GraftError

LABELS = "dataset.json"
ADVICE = "put the photos of each class into a folder of its own"
# Folders that are parts of a data set, no classes.
SPLITS = frozenset(["train", "training", "val", "valid", "validation", "eval", "test", "testing"])
# A photo's name by NVIDIA's dataset tool, a thousand in a folder.
NUMBERED = re.compile(r"(.*/)?(\d{5})/img\2\d{3}\.\w+")


@dataclass(frozen=True, eq=False)
class Classes:
    """Names of classes in order, and which of them each photo of a source is of, (n,) int64."""

    names: tuple[str, ...]
    labels: np.ndarray

    def under(self, names: Sequence[str]) -> np.ndarray:
        """The photos' classes by their numbers among these names, in whatever order they are, (n,) int64.

        Names that are numbers from 0 on stand for any. GraftError if the two do not go together."""
        names = tuple(names)
        if len(names) == len(self.names) and (numbered(names) or numbered(self.names)):
            return self.labels
        if set(names) != set(self.names):
            raise GraftError(
                f"These are photos of {listed(self.names)}, and the model draws {listed(names)}; give it one folder of "
                "photos for each of its classes, of that name."
            )
        return np.array([names.index(name) for name in self.names])[self.labels]


def classes_of(source: ImageSource) -> Classes:
    """The classes of photos: what dataset.json says, if one with labels lies at the top of the folder or zip, or of the
    only folder in it, else by the first folders in which their paths differ, and that are not named train and test.

    GraftError for fewer than two classes, one without photos, a photo without a class, and names that only differ in
    capitals or in how accents are written."""
    told = _labels(source)
    return _by_folder(source) if told is None else _by_label(source, told)


def numbered(names: Sequence[str]) -> bool:
    """Whether names are only the numbers of their classes."""
    return list(names) == [str(number) for number in range(len(names))]


def listed(names: Sequence[str], most: int = 6) -> str:
    """How many classes there are, and the first of them, for a sentence."""
    shown = ", ".join(names[:most]) + (", ..." if len(names) > most else "")
    return f"{len(names)} class{'es' if len(names) > 1 else ''}" + ("" if numbered(names) else f" ({shown})")


def _by_folder(source: ImageSource) -> Classes:
    if all(map(NUMBERED.fullmatch, source.names)):
        raise GraftError(
            f"{source.path}: its folders are numbers that NVIDIA's dataset tool gives, and no classes; write labels "
            f"in {LABELS}, or {ADVICE}."
        )
    folders, above = [name.split("/")[:-1] for name in source.names], _shared(source)
    level, parents = len(above), {tuple(above)}
    if all(len(parts) > level and parts[level].casefold() in SPLITS for parts in folders):
        level, parents = level + 1, {tuple(parts[: level + 1]) for parts in folders}
    if alone := [name for name, parts in zip(source.names, folders, strict=True) if len(parts) == level]:
        raise GraftError(f"{source.path}: {alone[0]} is in no class's folder; {ADVICE}.")
    found = [unicodedata.normalize("NFC", parts[level]) for parts in folders]
    if empty := sorted(set().union(*(_folders(source, parent) for parent in parents)) - set(found)):
        raise GraftError(f"{source.path}: the folder of the class '{empty[0]}' has no photos; fill it, or remove it.")
    names = sorted(set(found))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    for name, count in Counter(map(str.casefold, names)).items():
        if count > 1:
            alike = " and ".join(f"'{each}'" for each in names if each.casefold() == name)
            raise GraftError(f"{source.path}: {alike} differ in capitals alone; rename one of these classes.")
    numbers = {name: number for number, name in enumerate(names)}
    return Classes(tuple(names), np.array([numbers[name] for name in found], np.int64))


def _shared(source: ImageSource) -> list[str]:
    """The folders that all photos lie in, from the top on."""
    folders = (name.split("/")[:-1] for name in source.names)
    return [level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))]


def _folders(source: ImageSource, above: Sequence[str]) -> set[str]:
    """Names of all folders that could be classes, with and without photos."""
    root = source.path.joinpath(*above)
    if not root.is_dir():
        return set()
    runs = source.left_out[RUN].names if RUN in source.left_out else []
    inside = [printable(entry.name) for entry in os.scandir(root) if entry.is_dir() and entry.name[0] != "."]
    return {unicodedata.normalize("NFC", name) for name in inside if "/".join([*above, name, ""]) not in runs}


def _by_label(source: ImageSource, told: dict[str, Any]) -> Classes:
    labels: list[Any] = [told.get(name) for name in source.names]
    for name, label in zip(source.names, labels, strict=True):
        if type(label) is not int or label < 0:
            what = "has no label" if label is None else f"is labelled {label!r:.40}, which is no whole number"
            raise GraftError(f"{source.path}: {name} {what} in {LABELS}; mend it, or leave {LABELS} out.")
    count = max(labels) + 1
    if missing := sorted(set(range(min(count, 2**16))) - set(labels)):
        raise GraftError(f"{source.path}: no photo is labelled {missing[0]} in {LABELS}; number the classes from 0 on.")
    if count < 2:
        raise GraftError(f"{source.path}: all photos have one label in {LABELS}; train without classes (--classes).")
    return Classes(tuple(map(str, range(count))), np.array(labels, np.int64))


def _labels(source: ImageSource) -> dict[str, Any] | None:
    """Labels by the photos' names, as StyleGAN2-ADA's dataset tool writes them: {"labels": [[name, number], ...]}."""
    shared = _shared(source)
    tops = ["".join(f"{folder}/" for folder in shared[:depth]) for depth in range(len(shared) + 1)]
    try:
        if source.path.is_dir():
            files = ((top, source.path / top / LABELS) for top in tops)
            top, text = next(((top, file.read_bytes()) for top, file in files if file.is_file()), ("", None))
        elif zipfile.is_zipfile(source.path):
            with zipfile.ZipFile(source.path) as archive:
                names = archive.namelist()
                found = ((top, archive.read(top + LABELS)) for top in tops if top + LABELS in names)
                top, text = next(found, ("", None))
        else:
            return None
        told = json.loads(text) if text else {}
        pairs = told.get("labels")
        pairs = pairs.items() if isinstance(pairs, dict) else pairs
        return (
            None
            if pairs is None
            else {printable(top + name.replace("\\", "/")): _whole(label) for name, label in pairs}
        )
    except (OSError, zipfile.BadZipFile, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise GraftError(f"{Path(source.path) / LABELS} holds no labels ({error}); mend it, or leave it out.") from None


def _whole(label: Any) -> Any:
    """1.0, as tables write it, is 1."""
    return int(label) if isinstance(label, float) and label.is_integer() else label
