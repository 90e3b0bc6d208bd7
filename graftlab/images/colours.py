"""Colours that are not sRGB's: what the code points for primaries and transfer (ITU-T H.273) mean, brought to sRGB.

code values --transfer--> light, 1 is reference white --primaries--> of BT.709 --tone mapping--> sRGB

Videos name their colours so, and PNG and AVIF pictures in `cICP` and `nclx`.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

STRIP = 2**18  # pixels converted at a time

Chromaticities = tuple[tuple[float, float], ...]  # x and y of red, green, blue and white

# H.273, Table 2. All that are left out are BT.709's or so near that nobody converts them.
_D65 = (0.3127, 0.3290)
BT709: Chromaticities = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
PRIMARIES: dict[int, Chromaticities] = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),  # Display P3
}
LINEAR, PQ, HLG = 8, 16, 18  # transfers (H.273, Table 3); all others are taken for sRGB's, as players do
HIGH_DYNAMIC_RANGE = {PQ: "PQ", HLG: "HLG"}

PEAK = 1000  # nits, of the display for which films are mastered; brighter than that is white
WHITE = 203  # nits, of a white sheet (BT.2408)
KNEE = 0.8  # of reference white, up to which light stays as it is


@dataclass(frozen=True)
class Colour:
    """Primaries and transfer of a picture, by number, or as a PNG may state them."""

    primaries: int | Chromaticities = 1
    transfer: int | float = 13  # a float is the power by which light became code values, as of `gAMA`

    @property
    def is_srgb(self) -> bool:
        """Whether there is nothing to convert."""
        known = isinstance(self.primaries, int) and self.primaries not in PRIMARIES
        return known and self.transfer not in (LINEAR, PQ, HLG) and not isinstance(self.transfer, float)

    @property
    def high_dynamic_range(self) -> str:
        """PQ, HLG, or nothing."""
        return HIGH_DYNAMIC_RANGE.get(int(self.transfer), "")

    def to_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 or uint16 (H, W, 3) of full range -> uint8 (H, W, 3) in sRGB.

        High dynamic range is tone-mapped by `compressed`. Colours outside of sRGB are clipped."""
        result = np.empty(pixels.shape, np.uint8)
        rows = max(1, STRIP // pixels.shape[1])
        light, encoded = _light(self.transfer, np.iinfo(pixels.dtype).max), _encoded()
        for top in range(0, len(pixels), rows):
            strip = light[pixels[top : top + rows]]
            if self.transfer == HLG:  # what the scene sends out -> what a display does (BT.2100, Table 5)
                strip *= (strip @ self._to_xyz[1])[..., None] ** 0.2 * np.float32(PEAK / WHITE)
            strip = strip @ self._to_bt709.T
            if self.high_dynamic_range:
                strip = compressed(strip)
            result[top : top + rows] = encoded[(strip.clip(0, 1) * 65535 + 0.5).astype(np.uint16)]
        return result

    @cached_property
    def _to_xyz(self) -> np.ndarray:
        given = self.primaries
        return to_xyz(PRIMARIES.get(given, BT709) if isinstance(given, int) else given).astype(np.float32)

    @cached_property
    def _to_bt709(self) -> np.ndarray:
        matrix = np.linalg.inv(to_xyz(BT709)) @ self._to_xyz
        return (matrix / matrix.sum(1, keepdims=True)).astype(np.float32)  # white stays white


ADOBE_RGB = Colour(
    ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65), 256 / 563
)  # as a camera names it, without a profile


def from_narrow(pixels: np.ndarray) -> np.ndarray:
    """uint8 or uint16 of narrow range, in which of 255 16 is black and 235 white -> the same of full range."""
    most = np.iinfo(pixels.dtype).max
    table = (np.arange(most + 1) / most * 255 - 16) / 219 * most
    return np.rint(table.clip(0, most)).astype(pixels.dtype)[pixels]


def to_xyz(chromaticities: Chromaticities) -> np.ndarray:
    """Linear RGB -> XYZ, (3, 3), for the x and y of red, green, blue and white (SMPTE RP 177)."""
    red, green, blue, white = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in chromaticities)
    columns = np.stack([red, green, blue], 1)
    return columns * np.linalg.solve(columns, white)


def compressed(light: np.ndarray) -> np.ndarray:
    """Tone mapping by the Möbius operator of mpv and FFmpeg: light (..., 3), 1 is reference white -> up to 1.

    Up to KNEE nothing changes; from there on brightness bends, without a corner, so that PEAK becomes white. The
    largest of R, G and B decides for all three, so hues stay."""
    peak, knee = PEAK / WHITE, KNEE
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    scale = (b**2 + 2 * b * knee + knee**2) / (b - a)
    brightness = light.max(-1, keepdims=True).clip(KNEE)
    return light * (scale * (brightness + a) / (brightness + b) / brightness)


@lru_cache(maxsize=4)
def _light(transfer: int | float, largest: int) -> np.ndarray:
    """The light of every code value from 0 to the largest, float32; 1 is reference white, of HLG the scene's peak."""
    value = np.arange(largest + 1) / largest
    if transfer == LINEAR:
        light = value
    elif isinstance(transfer, float):
        light = value ** (1 / transfer)
    elif transfer == PQ:  # BT.2100, Table 4
        root = value ** (32 / 2523)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610) * 10_000 / WHITE
    elif transfer == HLG:  # BT.2100, Table 5
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    else:  # IEC 61966-2-1
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _encoded() -> np.ndarray:
    """sRGB's 8 bits for light from 0 to 1 in steps of 1 / 65535 (IEC 61966-2-1)."""
    light = np.arange(65536) / 65535
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(value * 255).astype(np.uint8)
