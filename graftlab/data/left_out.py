"""What a source passes over: every file that is there and becomes no image, by kind, and what to do about it.

The same account is in the report of `scan`, in that of `pack`, in what a run says when it starts, and in the sentence
that refuses a source without images.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from os.path import splitext

from graftlab.images.plugins import HELPERS, VIDEO, can_read, recognise, remedy

SHOWN = 20  # names kept of a kind
ARCHIVE, RECORDS, HIDDEN, RUN = "archive", "records", "hidden", "run folder"
LINK, SPECIAL, FORBIDDEN, OTHER = "broken link", "pipe or device", "forbidden", "other"
PICKLE, DATABASE, BOOKKEEPING = "pickle", "sub-database", "bookkeeping"  # in an LMDB
SMALLER, MISSING = "smaller copy", "missing entry"
SYSTEM, CLOUD = "system folder", "in iCloud"
# Where systems keep thumbnails, and what was deleted: Synology's disks, Windows and Linux.
SYSTEMS = {"@eaDir", "#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
REMEDIES = {
    **{kind: remedy(kind) for kind in HELPERS},
    VIDEO: "take pictures out of it first",
    ARCHIVE: "unpack it; of tar shards make an index with 'graft data index'",
    RECORDS: "export the pictures as files; an LMDB and a pack are sources of their own",
    RUN: "of graftlab or a StyleGAN: its pictures are no photos",
    HIDDEN: "rename it if it is a photo",
    LINK: "it leads nowhere or to itself",
    SPECIAL: "no file",
    FORBIDDEN: "change the permissions",
    OTHER: "no picture by its content",
    SYSTEM: "thumbnails, or what was deleted",
    CLOUD: "not on this disk; download it in the Finder",
    PICKLE: "a program in a value, which is not run; export the pictures as files",
    DATABASE: "export its pictures as files, or as an LMDB of their own",
    BOOKKEEPING: "no picture",
    SMALLER: "of the sizes of a photo the largest is taken",
    MISSING: "preparing this LMDB was cut short, so photos may be missing; prepare it again",
}
EXTENSIONS = {  # of what its content does not tell
    ARCHIVE: ".7z .bz2 .gz .rar .tar .tgz .xz .zip .zst",
    RECORDS: ".arrow .bin .ckpt .feather .h5 .hdf5 .mat .mdb .npy .npz .pack .parquet .pkl .pt .pth .rec .safetensors "
    ".tfrecord .tfrecords",
    VIDEO: ".avi .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm .wmv",
}
KIND_OF = {extension: kind for kind, listed in EXTENSIONS.items() for extension in listed.split()}
ARCHIVES = (b"PK\3\4", b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


@dataclass
class Finding:
    """How many images share a trait, and the first of their names; `name: reason` where there is one."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.names) < SHOWN:
            self.names.append(name)


class LeftOut(dict[str, Finding]):
    """Kind -> how many, and the first of them."""

    def add(self, kind: str, name: str) -> None:
        self.setdefault(kind, Finding()).add(name)

    def told(self) -> str:
        """All of it as a sentence, "Left out: 8 HEIC (a.heic, ...: pip install ...), 1 other (...).", or nothing."""
        kinds = ", ".join(f"{found.count:,} {kind} ({first(found)}{REMEDIES[kind]})" for kind, found in self.items())
        return f"Left out: {kinds}." if kinds else ""

    def lines(self) -> list[str]:
        """A line for each kind, with the first names."""
        return [
            f"  left out   {found.count:,} {kind} ({REMEDIES[kind]}): {first(found, 3)}".rstrip(": ")
            for kind, found in self.items()
        ]


def first(found: Finding, shown: int = 1) -> str:
    """The first names of a finding, as the beginning of what is said about it."""
    more = ", ..." if found.count > shown else ""
    return f"{', '.join(found.names[:shown])}{more}: " if found.names else ""


def judged(head: bytes, name: str) -> str | None:
    """None for an image that is read; what else a file is that begins so."""
    kind = recognise(head, name)
    if can_read(kind):
        return None
    if head.startswith(ARCHIVES):
        return ARCHIVE
    if head.startswith(b"\x93NUMPY"):
        return RECORDS
    return kind or KIND_OF.get(splitext(name)[1].lower(), OTHER)


def aside(parts: Sequence[str]) -> str | None:
    """HIDDEN and the like, if a file or folder of this path is passed over by its name alone; None if it is not."""
    name = parts[-1]
    if name in SYSTEMS or (name == "resources" and parts[-2:-1] and parts[-2].endswith(".photoslibrary")):
        return SYSTEM
    if name.startswith(".") or name == "__MACOSX":
        return CLOUD if name.endswith(".icloud") else HIDDEN
    return None


def is_run(names: Collection[str]) -> bool:
    """Whether a folder with these files and folders is one of a training run, ours or of any StyleGAN of NVIDIA's."""
    there = set(names)
    options, results = {"config.json", "training_options.json"}, {"stats.jsonl", "samples", "reals.png"}
    drawn = "reals.png" in there and any(re.fullmatch(r"fakes(\d+|_init)\.png", name) for name in there)
    return drawn or (bool(there & options) and bool(there & results))
