"""A check of a data set before a night of training: every image is decoded once, and no bad image stops the scan."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import partial
from io import BytesIO
from statistics import median_low

from PIL import ExifTags, Image

from graftlab.data.image_source import ImageSource
from graftlab.data.left_out import Finding, LeftOut
from graftlab.errors import GraftError
from graftlab.images import MAX_PIXELS, TooLargeError, identified, open_rgb
from graftlab.images.srgb import FIRST, OVER_WHITE, orientation, upright_size
from graftlab.work.parallel import ordered_map
from graftlab.work.progress import Progress, silent, steps

TINY = 32  # pixels; a shorter side than this leaves nothing to learn from

# What a finding is called, and what is done about it.
FINDINGS = {
    "unreadable": "left out",
    "huge": f"above {MAX_PIXELS / 1e6:.0f} million pixels, left out",
    "tiny": f"short side below {TINY} px, enlarged",
    "animated": "first frame is used",
    "cmyk": "converted to sRGB",
    "deep": "16 bits or more per channel, reduced to 8",
    "rotated": "turned upright as their EXIF says",
    "alpha": "laid over white",
    "grayscale": "become gray RGB",
    "noted": "read, with something to know",
    "duplicated": "same bytes as an earlier one, kept",
}


@dataclass(frozen=True)
class Spread:
    """Smallest, median and largest value, in pixels; all 0 if there were none."""

    min: int = 0
    median: int = 0
    max: int = 0


@dataclass
class ScanReport:
    """Counts over all images of a source. Widths and heights are those of the usable ones, upright."""

    path: str
    kind: str
    total: int
    usable: int = 0
    findings: dict[str, Finding] = field(default_factory=lambda: {name: Finding() for name in FINDINGS})
    width: Spread = Spread()
    height: Spread = Spread()
    left_out: LeftOut = field(default_factory=LeftOut)  # files that are there and are no images, by kind

    def summary(self) -> str:
        """A readable summary in a few lines: only what was found, with the first names."""
        lines = [f"{self.path} ({self.kind}): {self.usable:,} of {self.total:,} images usable"]
        for label, spread in (("width", self.width), ("height", self.height)):
            if self.usable:
                lines.append(f"  {label:<11}{spread.min} to {spread.max} px, median {spread.median}")
        for name, finding in self.findings.items():
            if finding.count:
                more = ", ..." if finding.count > 3 else ""
                lines.append(f"  {name:<11}{finding.count:,} ({FINDINGS[name]}): {', '.join(finding.names[:3])}{more}")
        return "\n".join(lines + self.left_out.lines())

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class _Look:
    """One image, seen once: upright size in pixels, and the findings it belongs to, each with a reason or ''."""

    size: tuple[int, int] | None  # None: not usable
    traits: dict[str, str]
    digest: bytes = b""


def scan(source: ImageSource, progress: Progress = silent) -> ScanReport:
    """Read every image of a source once."""
    report = ScanReport(str(source.path), source.kind, len(source), left_out=source.left_out)
    first: dict[bytes, str] = {}  # digest -> name of the image that had it first
    sizes = []
    looks = ordered_map(partial(_look, source), range(len(source)))
    for index, look in enumerate(steps(looks, progress, len(source))):
        name = source.names[index]
        for trait, reason in look.traits.items():
            report.findings[trait].add(f"{name}: {reason.removeprefix(name).strip()}" if reason else name)
        if look.digest and first.setdefault(look.digest, name) != name:
            report.findings["duplicated"].add(f"{name}: same as {first[look.digest]}")
        if look.size:
            sizes.append(look.size)
    report.usable = len(sizes)
    if sizes:
        report.width, report.height = (
            Spread(min(side), median_low(side), max(side)) for side in zip(*sizes, strict=True)
        )
    return report


def _look(source: ImageSource, index: int) -> _Look:
    name = source.names[index]
    try:
        data = source.read(index)
    except GraftError as error:
        return _Look(None, {"unreadable": str(error)})
    digest = hashlib.sha256(data).digest()
    width, height, traits = _header(data, name)
    if "huge" in traits:
        return _Look(None, traits, digest)
    try:
        picture = open_rgb(data, name, shrink_to=TINY)  # all of the file is decoded, at the smallest size it offers
    except GraftError as error:
        return _Look(None, {**traits, "unreadable": str(error)}, digest)
    told = (OVER_WHITE, FIRST)  # by `alpha` and `animated`
    if notes := [note for note in picture.info.get("notes", ()) if note not in told]:
        traits["noted"] = "; ".join(notes)
    return _Look((width, height), traits, digest)


def _header(data: bytes, name: str) -> tuple[int, int, dict[str, str]]:
    """(width, height, traits) as the header states them; nothing is decoded. No traits if it cannot be read."""
    try:
        with identified(BytesIO(data), name) as image:
            width, height = upright_size(image)
            seen = {
                "tiny": min(width, height) < TINY,
                "animated": getattr(image, "is_animated", False),
                "cmyk": image.mode == "CMYK",
                "deep": _is_deep(image, data),
                "rotated": orientation(image) in range(2, 9),
                "alpha": image.has_transparency_data,
                "grayscale": image.mode[0] in "1LIF" and image.mode != "LAB",
            }
            return width, height, {trait: "" for trait, found in seen.items() if found}
    except TooLargeError as error:
        return 0, 0, {"huge": str(error)}
    except Exception:  # whatever a damaged header makes Pillow raise; decoding will give the reason
        return 0, 0, {}


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """More than 8 bits per channel. Pillow opens 16-bit colour as plain "RGB", so the file is asked."""
    if image.format == "PNG":
        return data[24] == 16  # bit depth in IHDR
    tiff_bits = getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample, (8,))
    return image.mode[0] in "IF" or max(tiff_bits) > 8
