"""Letters for labels: of Pillow's own font if it knows them all, of another one here, or else Latin ones."""

from collections.abc import Iterator
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# The usual ones on Linux, macOS and Windows, by the names under which Pillow finds them: first those of many alphabets,
# then those of Chinese, Japanese and Korean.
NAMES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "Arial.ttf",
    "arial.ttf",
    "segoeui.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "DroidSansFallbackFull.ttf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
)
NO_LETTER = "\U0010ffff"  # of no alphabet: every font draws its box for it


def lettering(text: str, size: int) -> tuple[str, Font]:
    """A text and a font that draws it, `size` pixels high: as it is if some font here has all its letters, else in
    ASCII, as near as may be (`Zürich` is Zurich, `北京` BeiJing)."""
    for font in fonts(size):
        if has_letters(font, text):
            return text, font
    from anyascii import anyascii

    return anyascii(text), next(fonts(size))


def fonts(size: int) -> Iterator[Font]:
    """Pillow's own font, so that plain labels look the same everywhere, and those of NAMES that are here."""
    yield _own(size)
    for name in NAMES:
        font = _of_system(name, size)
        if font is not None:
            yield font


def has_letters(font: Font, text: str) -> bool:
    """Whether a font has something else than its box for each letter."""
    box = bytes(font.getmask(NO_LETTER))
    return all(bytes(font.getmask(letter)) != box for letter in set(text) if not letter.isspace())


@cache
def _own(size: int) -> Font:
    return ImageFont.load_default(size=size)


@cache
def _of_system(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None
