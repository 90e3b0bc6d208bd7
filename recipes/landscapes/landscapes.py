#!/usr/bin/env python3
"""Alpine lakes: small procedural landscape pictures with exact ground truth.

Every picture is a *structure* (terrain, camera, water level, tree placement) seen with a *texture* (season,
time of day, sun, weather, materials).  The two are sampled independently, so that any structure can be
rendered with any texture:

    python landscapes.py OUT --count 1000 --size 128 --seed 1 --jobs 2      # OUT/000000.jpg ... OUT/index.csv
    python landscapes.py grid.png --grid 8x8 --seed 1                       # rows = structures, columns = textures
    python landscapes.py OUT --cells 8x8 --seed 4                           # the same as OUT/s0_t0.png ...

Units: 1 scene unit = 1 km; x is right, y up, z ahead; the camera stands near the origin and looks along +z.
Angles are in degrees, colours are linear RGB in 0..1.  Needs numpy, pillow and the `povray` executable.
"""

# ruff: noqa: C408  (ranges read better as keywords)
import argparse
import csv
import dataclasses
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

# fmt: off
N = 320                        # height-field points per side
TILE, NEAR = 7.0, -0.25        # side of the terrain tile and z of its near edge, km
CELL = TILE / (N - 1)          # km between height-field points
HDR = 8.0                      # linear radiance at full scale of POV-Ray's 16-bit output
SKY = (-1.3, 1.3, -0.15, 1.35)  # extent of the painted sky on the plane z = 1: left, right, bottom, top
IN_FLIGHT = 3                  # pictures in flight per job: a POV-Ray run sleeps for about 0.6 s of its wall time
# fmt: on

# ------------------------------------------------------------------------------------------ arrays and noise


def span(low, high):
    """A dataclass field with the range to sample it from: two numbers, or two sRGB colours to mix."""
    return dataclasses.field(metadata={"span": (low, high)})


def draw(cls, rng, ranges):
    """Sample every field of a dataclass that has a span, or whose range is given in `ranges`."""
    values = {}
    for f in dataclasses.fields(cls):
        if f.name in ranges or "span" in f.metadata:
            low, high = ranges.get(f.name) or f.metadata["span"]
            if f.type is tuple:
                low, high = linear(low), linear(high)
                colour = (low + (high - low) * rng.random()) * rng.normal(1, 0.06) * rng.normal(1, 0.025, 3)
                values[f.name] = tuple(np.clip(colour, 0, 1).round(4).tolist())
            else:
                values[f.name] = int(rng.integers(low, high + 1)) if f.type is int else float(rng.uniform(low, high))
    return values


def linear(code):
    """'#rrggbb' (sRGB) to linear RGB."""
    c = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def smooth(a, b, x):
    """Smoothstep from 0 at x = a to 1 at x = b."""
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a, b, w):
    """Blend colours or RGB images a and b by the weight image w."""
    a = np.asarray(a, np.float32)
    return a + (np.asarray(b, np.float32) - a) * w[..., None].astype(np.float32)


def resize(a, n):
    """Bicubic resize of a 2-D array to n x n (low-pass filtered when shrinking)."""
    return np.asarray(Image.fromarray(np.asarray(a, np.float32)).resize((n, n), Image.BICUBIC))


def bilinear(a, x, y):
    """Sample the periodic array a at fractional columns x and rows y."""
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    r0, r1, c0, c1 = y0 % a.shape[0], (y0 + 1) % a.shape[0], x0 % a.shape[1], (x0 + 1) % a.shape[1]
    return (a[r0, c0] * (1 - fx) + a[r0, c1] * fx) * (1 - fy) + (a[r1, c0] * (1 - fx) + a[r1, c1] * fx) * fy


@functools.cache
def octave(n):
    """log2 of the frequency, in cycles per tile, of each bin of an n x n real FFT."""
    k = np.hypot(np.fft.rfftfreq(n, 1 / n)[None], np.fft.fftfreq(n, 1 / n)[:, None])
    return np.log2(np.maximum(k, 1e-3)).astype(np.float32)


def noise(rng, n, f, octaves=1, gain=0.5):
    """Periodic n x n Gaussian noise of unit variance: octaves from f cycles per tile up, falling by gain."""
    power = sum((gain / 2) ** (2 * k) * np.exp(-(((octave(n) - np.log2(f) - k) / 0.6) ** 2)) for k in range(octaves))
    z = rng.standard_normal((2, *power.shape), dtype=np.float32)
    field = np.fft.irfft2(np.sqrt(power) * (z[0] + 1j * z[1]), (n, n)).astype(np.float32)
    return field / field.std()


def erode(h, area, steps, strength):
    """Carve heights h (km) by strength * area^0.42 * slope, routing the drained area (cells) downhill."""
    n, cell = len(h), TILE / len(h)
    span_of = {-1: slice(1, n), 0: slice(0, n), 1: slice(0, n - 1)}
    # Cells, their neighbours, 1 / distance.
    pairs = [
        ((span_of[dy], span_of[dx]), (span_of[-dy], span_of[-dx]), np.float32(1 / cell / np.hypot(dy, dx)))
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if dy or dx
    ]
    for _ in range(steps):
        slopes, total, steepest = [], np.full_like(h, 1e-9), np.zeros_like(h)
        for here, there, inverse in pairs:
            slope = np.maximum(h[here] - h[there], 0) * inverse
            np.maximum(steepest[here], slope, out=steepest[here])
            slopes.append(slope * slope)
            total[here] += slopes[-1]
        for _ in range(2):
            flow, area = area / total, np.ones_like(h)
            for (here, there, _), square in zip(pairs, slopes, strict=True):
                area[there] += flow[here] * square
        h = h - np.minimum(strength * area**0.42, 0.5 * cell) * steepest
    return h, area


# ------------------------------------------------------------------------------------------------- structure


@dataclass(frozen=True)
class Structure:
    """Everything geometric.  Lengths in km unless noted."""

    # fmt: off
    noise_seed: int = span(0, 2**31 - 1)          # drives the noise fields and the tree positions
    fov: float = span(44, 66)                     # horizontal = vertical field of view, degrees
    horizon: float = span(0.22, 0.46)             # height of the true horizon in the frame, 0 bottom .. 1 top
    skyline: float = span(0.36, 0.60)             # wanted height of the highest summit above it; steepness may limit it
    camera_height: float = span(3, 30)            # metres above ground or water
    shore: float = span(-0.6, 0.1)                # distance of the near end of the valley; negative = behind the camera
    valley_width: float = span(0.35, 1.3)         # half-width of its floor
    valley_length: float = span(1.0, 2.4)         # extent of its floor along the view
    valley_bend: float = span(-0.35, 0.35)        # sideways drift, km per km
    walls: float = span(0.1, 1.0)                 # 0 open country .. 1 steep valley sides
    ruggedness: float = span(0.6, 1.0)            # 0 rolling hills .. 1 sharp alps
    erosion: float = span(0.5, 1.5)               # strength of the carving by streams
    terraces: float = span(0, 0.3)                # 0 smooth slopes .. 1 ledges and cliff bands
    peaks: int = span(2, 7)                       # number of summits placed beyond the valley
    lake: float = span(0.45, 0.97)                # share of the valley floor under water; 0 = no lake
    wooded: float = span(0.1, 0.9)                # share of suitable ground that is wooded
    treeline: float = span(0.25, 0.55)            # upper limit of the woods, fraction of the relief
    framing: int = span(0, 3)                     # tall conifers close to the camera at the sides of the frame
    # fmt: on

    @classmethod
    def sample(cls, rng):
        """Draw a structure: by default alpine, with a lake, seen from low down; each of these varies."""
        ranges = {}
        if rng.random() < 0.28:
            ranges |= dict(skyline=(0.10, 0.26), ruggedness=(0.0, 0.5))  # hills
        if rng.random() < 0.28:
            ranges |= dict(lake=(0, 0))  # meadow or desert
        if rng.random() < 0.30:
            ranges |= dict(camera_height=(30, 250))  # overlook
        if rng.random() < 0.35:
            ranges |= dict(terraces=(0.3, 1.0))  # cliff bands
        return cls(**draw(cls, rng, ranges))


@dataclass
class Terrain:
    """What follows from a structure: N x N grids (row = z, column = x) and the camera."""

    # fmt: off
    height: np.ndarray     # km
    woods: np.ndarray      # tree cover, 0..1
    trees: np.ndarray      # one tree a row: x, y, z, height (km), kind 0..1, shade 0..1
    water: float           # lake level, km
    floor: float           # lowest ground or water in view, km
    relief: float          # height of the highest ground in view above the floor, km
    eye: float             # camera height, km
    pitch: float           # degrees, up positive
    # fmt: on


def carve(s, rng, n=N // 4):
    """Heights of a structure in arbitrary units: valley, massif, summits and crags, eroded at three scales."""
    x0, z0 = np.meshgrid(np.linspace(-TILE / 2, TILE / 2, n), np.linspace(NEAR, NEAR + TILE, n))
    x, z = (c + 0.3 * noise(rng, n, 3) + 0.1 * noise(rng, n, 8) for c in (x0, z0))
    end = s.shore + s.valley_length
    d = np.hypot((x - s.valley_bend * z) / s.valley_width, (2 * z - end - s.shore) / s.valley_length)
    side = np.clip((d - 0.8) / 1.6, 0, 1.3) * s.walls * smooth(0.0, 0.8, z0)
    rise = np.maximum(side, np.clip(z / end - 0.8, 0, 1.5) / 1.5)
    summits = np.zeros_like(x)
    for _ in range(s.peaks):
        pz = rng.uniform(end + 0.7, min(3 * end, 5.0) + 0.8)
        cone = rng.uniform(0.55, 1.0) - np.hypot(x - rng.uniform(-0.55, 0.55) * pz, z - pz) / rng.uniform(1.2, 2.0)
        summits = np.logaddexp(12 * summits, 12 * cone) / 12
    detail = 0.06 * noise(rng, n, 4, 4, 0.3 + 0.15 * s.ruggedness) + 0.06 * noise(rng, n, 2)
    detail += 0.11 * s.ruggedness * np.clip(1.1 - np.abs(noise(rng, n, 3.5)), 0, None)
    h = 0.4 * rise + summits * smooth(0.7, 1.4, d) * smooth(0, 0.6, z) + detail * smooth(0, 0.5, rise)
    h += 0.012 * noise(rng, n, 5, 3) + 0.05 * np.clip(d, 0, 1.2) ** 2
    h = (h * smooth(-0.6, 0.7, np.hypot(x0, np.maximum(z0 - 0.1, 0)))).astype(np.float32)
    area, strength = np.ones_like(h), 0.0021 * s.erosion * (0.4 + 0.6 * s.ruggedness)
    for m, steps in ((n, 30), (2 * n, 16), (4 * n, 8)):
        if m > n:
            h, area = resize(h, m), resize(area, m).clip(1) * 2
            crags = noise(rng, m, m / 6) - 2 * np.abs(noise(rng, m, m / 16))
            h = h + (0.1 + 1.3 * s.ruggedness) / m * crags * smooth(0, 0.5, h)
        h, area = erode(h, area, steps, strength)
    return h


@functools.lru_cache(maxsize=16)
def terrain(s):
    """Build the terrain of structure s and fit it to the frame."""
    rng = np.random.default_rng([s.noise_seed, 1])
    h = carve(s, rng)
    x, z = np.meshgrid(np.linspace(-TILE / 2, TILE / 2, N), np.linspace(NEAR, NEAR + TILE, N))
    half, eye = np.tan(np.radians(s.fov / 2)), s.camera_height / 1000
    view = (z > 0.4) & (np.abs(x) < 0.95 * half * z)
    valley = view & (z < max(s.shore + s.valley_length, 0.8)) & (np.abs(x - s.valley_bend * z) < s.valley_width)
    water = np.quantile(h[valley], s.lake) if s.lake else h.min() - 0.02
    row, col = int(-NEAR / CELL), N // 2
    base = max(h[row - 2 : row + 3, col - 2 : col + 3].max(), water)

    # Scale so that the highest summit reaches its place in the frame, unless that makes it too steep.
    pitch = -np.arctan((2 * s.horizon - 1) * half)
    top = np.tan(pitch + np.arctan((2 * min(s.horizon + s.skyline, 0.94) - 1) * half))
    up = view & (h > base + 0.05)
    steep = np.quantile(np.hypot(*np.gradient(h, CELL))[view & (h > 0.4 * h[view].max())], 0.85)
    scale = min(np.min((top * np.hypot(x, z)[up] + eye) / (h[up] - base)), 1.45 / steep)
    h, water, base = h * scale, float(water * scale), float(base * scale)
    high = smooth(base + 0.05, base + 0.28, h)
    ledges = np.sin(75 * h + 1.5 * noise(rng, N, 4)) + 0.7 * np.sin(173 * h + noise(rng, N, 8))
    h = h + high * (0.012 * s.terraces * ledges + 0.005 * s.ruggedness * noise(rng, N, N / 6))
    floor = max(water, float(h[view].min()))
    relief = float(h[view].max()) - floor

    # Woods: patches below the tree line, off the cliffs, out of the water, leaving the view open.
    patch = noise(rng, N, 7, 4, 0.6)
    ground = smooth(1.5, 1.0, np.hypot(*np.gradient(h, CELL))) * smooth(water + 0.002, water + 0.008, h)
    ground *= smooth(s.treeline + 0.08, s.treeline - 0.08, (h - floor) / relief + 0.05 * patch)
    woods = ground * smooth(-0.3, 0.3, patch - np.quantile(patch, 1 - s.wooded))
    woods *= smooth(0.25, 0.55, z + 0.15 * noise(rng, N, 10) + 0.3 * np.abs(x) / (half * np.maximum(z, 0.05)))
    trees = plant(s, rng, h, woods + 0.004 * ground, water, half)
    h = h + woods * smooth(0.8, 1.6, z) * 0.016 * rng.random((N, N), dtype=np.float32)  # distant canopy
    h, woods = h.astype(np.float32), woods.astype(np.float32)
    return Terrain(h, woods, trees, water, floor, relief, base + eye, float(np.degrees(pitch)))


def plant(s, rng, h, chance, water, half):
    """Scatter trees over near ground by their chance to grow there, with a few tall ones framing the view."""
    z = np.r_[0.06 * 30 ** rng.random(2600) ** 0.8, rng.uniform(0.035, 0.075, s.framing)]
    edge = rng.uniform(-1.05, 1.05, len(z))
    frame = np.arange(len(z)) >= 2600
    x = half * z * np.where(frame, np.sign(edge) * (0.55 + 0.4 * np.abs(edge)), edge)
    col, row = (x + TILE / 2) / CELL, (z - NEAR) / CELL
    y = bilinear(h, col, row)
    keep = (y > water + 0.001) & (frame | (rng.random(len(z)) < bilinear(chance, col, row)))
    size = np.where(frame, rng.uniform(0.016, 0.028, len(z)), rng.uniform(0.011, 0.026, len(z)))
    kind = np.where(frame, 1.0, rng.random(len(z)))
    return np.c_[x, y - 0.0005, z, size, kind, rng.random(len(z))][keep]


# --------------------------------------------------------------------------------------------------- texture


@dataclass(frozen=True)
class Texture:
    """Everything that is not geometry.  The ranges are those of summer; ARCHETYPES lists what differs."""

    # fmt: off
    archetype: str
    noise_seed: int = span(0, 2**31 - 1)                   # drives cloud shapes, colour patches and stars
    sun_azimuth: float = span(35, 150)                     # degrees from straight ahead; either side when sampled
    sun_elevation: float = span(22, 60)                    # degrees; of the moon at night
    sun: tuple = span("#ffeccf", "#fff8ee")
    sun_power: float = span(1.1, 1.5)
    zenith: tuple = span("#2a5fb4", "#5590d8")             # sky colour overhead
    haze: tuple = span("#a8c8ea", "#cfdff0")               # sky colour at the horizon, and of the distance
    sky_falloff: float = span(2.5, 6)                      # how fast the one gives way to the other
    ambient: float = span(1.1, 1.7)                        # fill light from the sky
    glow: float = span(0.05, 0.4)                          # halo around the sun
    visibility: float = span(20, 70)                       # km
    mist: float = span(0, 0.1)                             # low-lying, 0..1
    cloud_cover: float = span(0, 0.65)                     # 0..1
    cloud_soft: float = span(0.5, 1.6)                     # edge width, standard deviations of the cloud field
    cloud_scale: float = span(0.35, 1.1)
    cloud_stretch: float = span(1, 2.5)                    # 1 puffs .. streaks
    cloud_light: tuple = span("#ffffff", "#fbf6ee")
    cloud_dark: tuple = span("#a4b0c0", "#ccd3dc")
    stars: float = span(0, 0)                              # 0..1
    dapple: float = span(0, 0.6)                           # depth of cloud shadows on the land
    grass: tuple = span("#48651f", "#7d8a3c")              # open ground
    soil: tuple = span("#7d7150", "#a39468")               # bare patches and shores
    forest: tuple = span("#1b3316", "#38562c")             # conifers
    leaf: tuple = span("#4a7428", "#6c923a")               # broadleaf trees
    leafy: float = span(0, 0.4)                            # share of broadleaf trees
    tree_scale: float = span(0.9, 1.15)
    tree_snow: float = span(0, 0)                          # 0..1
    rock: tuple = span("#66625e", "#95897a")
    strata: float = span(0, 0.3)                           # contrast of horizontal rock layers
    snow: tuple = span("#f4f7fb", "#ffffff")
    snowline: float = span(0.25, 1.0)                      # fraction of the relief
    snow_cling: float = span(0.8, 1.5)                     # steepest slope (tangent) that holds snow
    deep: tuple = span("#0b2738", "#14444c")               # water
    shallow: tuple = span("#2c6f70", "#5aa596")
    wind: float = span(0, 1)                               # 0 mirror .. 1 choppy
    ice: float = span(0, 0)                                # 0..1
    exposure: float = span(0.8, 1.0)
    # fmt: on

    @classmethod
    def sample(cls, rng, archetype=None):
        """Pick an archetype unless given, then draw every factor from its range."""
        archetype = archetype or list(ARCHETYPES)[rng.integers(len(ARCHETYPES))]
        values = draw(cls, rng, ARCHETYPES[archetype])
        values["sun_azimuth"] *= rng.choice([-1, 1]).item()
        return cls(archetype=archetype, **values)

    @property
    def sun_direction(self):
        az, el = np.radians([self.sun_azimuth, self.sun_elevation])
        return np.array([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)])


# fmt: off
ARCHETYPES = {
    "summer": {},
    "sunset": dict(
        sun_azimuth=(5, 140), sun_elevation=(4, 14), sun=("#ff9c50", "#ffcc94"), sun_power=(1.6, 2.6),
        zenith=("#35558e", "#8290b4"), haze=("#eda468", "#f8d8ae"), sky_falloff=(3, 7), ambient=(1.5, 2.2),
        glow=(0.6, 1.6), visibility=(12, 40), cloud_cover=(0.1, 0.7), cloud_light=("#ffb27c", "#ffdcb4"),
        cloud_dark=("#6a6478", "#a08c90"), grass=("#55601f", "#7c7434")),
    "winter": dict(
        sun_elevation=(10, 32), sun=("#ffe9d2", "#fff6ea"), sun_power=(0.9, 1.3), zenith=("#4c7cc0", "#8fb0d8"),
        haze=("#c8d8ea", "#e6ecf3"), cloud_cover=(0, 0.9), grass=("#dfe6ee", "#f4f6fa"), soil=("#a39a8c", "#cfccc8"),
        forest=("#26352c", "#43544a"), leaf=("#5e5a50", "#7d776a"), leafy=(0, 0.25), tree_snow=(0.2, 0.75),
        snowline=(-0.5, 0.15), snow_cling=(1.0, 1.7), deep=("#10222e", "#1c3a48"), shallow=("#3c6470", "#5c8590"),
        ice=(0, 1), exposure=(0.65, 0.8)),
    "autumn": dict(
        sun_elevation=(15, 40), sun=("#ffdca8", "#fff0d8"), visibility=(12, 50), grass=("#8a7430", "#a88a44"),
        soil=("#7a5f40", "#9c8058"), forest=("#3f4a1c", "#7a5a1e"), leaf=("#b8621a", "#e0b030"), leafy=(0.45, 0.95),
        snowline=(0.45, 1.0)),
    "desert": dict(
        sun_elevation=(18, 65), sun=("#ffe6c0", "#fff4e0"), sun_power=(1.2, 1.5), zenith=("#2c66b8", "#6aa0dc"),
        haze=("#c8d4dc", "#ecdcc4"), visibility=(25, 90), cloud_cover=(0, 0.35), grass=("#b58a58", "#d8b888"),
        soil=("#b07848", "#d4a878"), forest=("#5c5a34", "#8a7a4c"), leaf=("#5f6a38", "#80804c"), leafy=(1, 1),
        tree_scale=(0.25, 0.45), rock=("#96552f", "#c08a5c"), strata=(0.5, 1), snowline=(1.5, 1.6),
        deep=("#0e3a48", "#1c5a5c"), shallow=("#4aa098", "#8cc0a0")),
    "night": dict(
        sun_azimuth=(0, 150), sun_elevation=(16, 52), sun=("#a8c0f0", "#d4e0ff"), sun_power=(0.22, 0.42),
        zenith=("#060a1c", "#101c3c"), haze=("#141f3c", "#2c3c60"), ambient=(3.4, 4.8), glow=(0.02, 0.08),
        cloud_cover=(0, 0.45), cloud_light=("#3a4660", "#566480"), cloud_dark=("#141a2c", "#222c44"), stars=(0.3, 1),
        exposure=(1.5, 2.2)),
    "overcast": dict(
        sun_elevation=(35, 75), sun=("#e8ecf0", "#f6f6f4"), sun_power=(0.15, 0.4), zenith=("#8c969e", "#b0b6ba"),
        haze=("#b4bcc2", "#d2d6d8"), ambient=(1.2, 1.6), glow=(0, 0.1), visibility=(4, 25), mist=(0, 0.8),
        cloud_cover=(0.85, 1), cloud_soft=(1.5, 3), cloud_light=("#d8dcde", "#eceef0"),
        cloud_dark=("#8a9298", "#aab0b4"), dapple=(0, 0.1), grass=("#445a26", "#6c7a40")),
    "dawn": dict(
        sun_azimuth=(10, 140), sun_elevation=(6, 18), sun=("#ffc8a8", "#ffe4cc"), sun_power=(0.8, 1.2),
        zenith=("#6c90c8", "#b0c0dc"), haze=("#f0c8b8", "#f8ead6"), ambient=(0.7, 1.0), glow=(0.3, 0.9),
        visibility=(9, 40), mist=(0.1, 1), cloud_light=("#ffd8cc", "#fff0e6"), cloud_dark=("#a898b4", "#c8b8c4"),
        grass=("#5c8030", "#90a850"), leaf=("#7ea044", "#c8a49c"), leafy=(0.1, 0.7)),
}
# fmt: on


def paint_sky(t):
    """Radiance of the sky ahead on the plane z = 1 within SKY (rows from the bottom up)."""
    rng = np.random.default_rng([t.noise_seed, 2])
    u, v = np.meshgrid(*(np.linspace(*ends, dtype=np.float32) for ends in ((*SKY[:2], 384), (*SKY[2:], 224))))
    r, sun = np.sqrt(u * u + v * v + 1), t.sun_direction.astype(np.float32)
    rise, toward = np.clip(v / r, 0, 1), np.clip((u * sun[0] + v * sun[1] + sun[2]) / r, -1, 1)
    img = mix(t.zenith, t.haze, (1 - rise) ** t.sky_falloff)
    img += 1.2 * ((rng.random(u.shape) < 0.004 * t.stars) * rng.random(u.shape) ** 6)[..., None]
    halo = t.glow * (0.5 * np.exp(-9 * (1 - toward) - 3 * rise) + 0.8 * np.exp(-120 * (1 - toward)))
    size, bright = (0.55, 6) if t.sun_power > 0.5 else (1.0, 1.2)  # disc radius in degrees; the moon is larger
    halo += bright * smooth(*np.cos(np.radians([size, 0.6 * size])), toward)
    img += np.array(t.sun, np.float32) * halo[..., None]

    # Clouds: a noise layer overhead seen in perspective, shaded by its own density towards the sun.
    tile, a = noise(rng, 384, 2.3, 7, 0.6), rng.uniform(0, np.pi)
    edge = np.quantile(tile, 1 - t.cloud_cover) if t.cloud_cover > 0.01 else 99
    px, pz, zoom = u / (np.abs(v) + 0.07), 1 / (np.abs(v) + 0.07), 13.5 / t.cloud_scale

    def density(step):
        x, z = px + step * sun[0], pz + step * sun[2]
        x, z = (np.cos(a) * x + np.sin(a) * z) * t.cloud_stretch, np.cos(a) * z - np.sin(a) * x
        return smooth(edge, edge + t.cloud_soft, bilinear(tile, x * zoom, z * zoom))

    cloud, beyond = density(0), density(0.25) + density(0.6)
    colour = mix(t.cloud_dark, t.cloud_light, np.clip(1.15 - 0.5 * beyond - 0.3 * cloud**2, 0, 1))
    colour += np.array(t.sun, np.float32) * (1.2 * t.glow * np.exp(-14 * (1 - toward)) * (1 - 0.7 * cloud))[..., None]
    return mix(img, colour, cloud * 0.95 * smooth(0.0, 0.12, v))


def paint_land(ter, t):
    """Albedo of the land and colour of the water surface, two N x N x 3 images (rows in increasing z)."""
    rng = np.random.default_rng([t.noise_seed, 3])
    h, slope = ter.height, np.hypot(*np.gradient(ter.height, CELL))
    alt = (h - ter.floor) / ter.relief
    patches, specks, regions = noise(rng, N, 6, 5, 0.6), noise(rng, N, 33, 3, 0.8), noise(rng, N, 3, 3)
    c = np.array(t.grass, np.float32) * (1 + 0.1 * np.clip(specks, -1.5, 1.5))[..., None]
    c = mix(c, t.soil, 0.75 * smooth(0.3, 1.6, patches + 0.5 * specks + 1.2 * (alt - 0.2)))
    canopy = mix(t.forest, t.leaf, t.leafy * smooth(-0.8, 0.8, patches + 0.8 * specks))
    canopy *= 0.75 + 0.25 * rng.random((N, N, 1), dtype=np.float32)
    c = mix(c, canopy, ter.woods * (0.9 if t.tree_scale > 0.6 else 0.35))
    layers = 0.6 * np.sin(h * 95 + 2 * regions) + 0.4 * np.sin(h * 41 + patches)
    stains = (1 + 0.10 * np.clip(specks + patches, -2, 2)) * (1 + 0.35 * t.strata * layers)
    rock = np.array(t.rock, np.float32) * stains[..., None]
    c = mix(c, rock, smooth(0.8, 1.2, slope + 0.10 * specks + 0.6 * smooth(0.35, 0.8, alt) - 0.15 * ter.woods))
    c = mix(c, t.soil, 0.8 * smooth(0.010, 0.002, np.abs(h - ter.water)))
    holds = smooth(t.snow_cling + 0.25, t.snow_cling - 0.25, slope + 0.1 * specks)
    holds *= 1 - 0.8 * ter.woods * (1 - t.tree_snow)
    c = mix(c, t.snow, 0.97 * holds * smooth(-0.08, 0.08, alt + 0.06 * patches + 0.03 * specks - t.snowline))
    scales = ((N // 6, 0.02), (N // 24, 0.12))
    hollow = sum(np.clip((resize(resize(h, n), N) - h) / depth, -1, 1.5) for n, depth in scales)
    shade = np.clip(1 - 0.16 * hollow, 0.4, 1.25) * (1 - t.dapple * smooth(0.1, 1.0, noise(rng, N, 3, 3)))
    water = mix(t.deep, t.shallow, np.exp(np.minimum(h - ter.water, 0) / 0.012))
    ice = mix(np.multiply(t.snow, (0.6, 0.68, 0.75)), t.snow, smooth(-0.6, 0.8, patches))
    return c * shade[..., None], water + (ice - water) * smooth(0.35, 0.65, t.ice)


# ----------------------------------------------------------------------------------------------------- scene


def vec(c):
    return "<{:.4f},{:.4f},{:.4f}>".format(*c)


@functools.cache
def tree_mesh(kind, variant):
    """A tree of unit height as POV-Ray triangles: a ragged fir, or an oak made of a cloud of leaves."""
    rng, tri, m = np.random.default_rng([7, variant]), [], 14
    if kind == "Fir":
        for k in np.linspace(0, 1, 9):  # tiers of drooping, jagged skirts
            a, jag = np.arange(m) * 2 * np.pi / m + rng.uniform(0, 1), np.arange(m) % 2
            r = (0.20 * (1 - k) ** 0.8 + 0.025) * (1 - 0.5 * jag) * rng.uniform(0.7, 1.2, m)
            ring = np.c_[r * np.cos(a), 0.05 + 0.8 * k + 0.04 * jag + rng.uniform(-0.02, 0.02, m), r * np.sin(a)]
            tri += [((0, 0.32 + 0.68 * k, 0), ring[i], ring[(i + 1) % m]) for i in range(m)]
    else:
        p = rng.standard_normal((200, 3))
        p *= (rng.uniform(0.35, 1.0, 200) / np.linalg.norm(p, axis=1))[:, None]
        tri += [q + 0.065 * rng.standard_normal((3, 3)) for q in p * (0.36, 0.34, 0.36) + (0, 0.62, 0)]
        tri += [((-0.03, 0, 0), (0.03, 0, 0), (0, 0.6, 0)), ((0, 0, -0.03), (0, 0, 0.03), (0, 0.6, 0))]
    return "".join("triangle{" + "".join(map(vec, corners)) + "}" for corners in tri)


def plant_pov(trees, t):
    """POV-Ray declarations of three shades of each tree, and one object per tree."""
    out, edge = [], 0.95 - 0.6 * t.tree_snow
    for i, tone in enumerate((0.75, 1.0, 1.3)):
        for kind, colour in (("Fir", np.multiply(t.forest, tone)), ("Oak", np.multiply(t.leaf, tone))):
            light = t.snow if t.tree_snow else 1.3 * colour
            snowy = f"[{edge - 0.25:.3f} rgb {vec(colour)}] [{edge + 0.25:.3f} rgb {vec(light)}]"
            out.append(
                f"#declare {kind}{i} = mesh {{ {tree_mesh(kind, i)} finish {{ ambient 1 diffuse 0.9 }} pigment {{ bozo"
                f" color_map {{ {snowy} }} scale 0.07 }} }}"
            )
    for x, y, z, size, kind, shade in trees:
        name, squat = ("Oak", 0.75) if kind < t.leafy else ("Fir", 1.0)
        wide = 1.1 * size * t.tree_scale
        out.append(
            f"object {{ {name}{int(3 * shade)} scale <{wide:.4f},{squat * size * t.tree_scale:.4f},{wide:.4f}> "
            f"rotate y*{shade * 997 % 360:.0f} translate {vec((x, y, z))} }}"
        )
    return "\n".join(out)


def scene(structure, texture):
    """POV-Ray source text; it reads height.pgm, land.ppm, lake.ppm and sky.ppm from its own folder."""
    t, ter = texture, terrain(structure)
    lo, hi = float(ter.height.min()), float(ter.height.max())
    sky = 0.8 * np.array(t.zenith) + 0.2 * np.array(t.haze)
    sky = t.ambient * (0.7 * sky + 0.3 * sky.mean()) / HDR
    haze, frozen = np.array(t.haze) / HDR, float(smooth(0.35, 0.65, t.ice))

    # Detail whose size grows with distance z (km), so that it is equally fine everywhere in the picture.
    reach, ripple = max(ter.eye - ter.water, 0.002), 0.01 + 0.15 * t.wind * (1 - t.ice)
    fine = ((0.015, 1), (0.05, 1), (0.15, 0.8), (0.5, 0.6), (1.5, 0.5), (4, 0.4))
    crag = " ".join(f"[{z / 8:.4f} granite {0.45 * a:.3f} scale {0.12 * z:.5f}]" for z, a in fine)
    dark = 0.25 if t.snowline < 0.2 else 0.5
    grain = " ".join(
        f"[{z / 8:.4f} wrinkles color_map {{ [0.1 rgbt <0,0,0,{1 - dark * a:.2f}>] [0.7 rgbt <0,0,0,1>] }}"
        f" scale {0.06 * z:.5f}]"
        for z, a in fine
    )
    waves = " ".join(
        f"[{z / 8:.4f} bumps {ripple * a:.3f} scale <{0.02 * z:.6f},{flat:.6f},{flat:.6f}>]"
        for z, a in ((0.02, 1), (0.06, 1), (0.2, 0.7), (0.7, 0.4), (3, 0.2))
        for flat in [0.006 * z * min(1, z / reach)]
    )
    place = f"rotate x*90 scale <{TILE},1,{TILE}> translate <{-TILE / 2},0,{NEAR}>"
    lake = mist = ""
    if structure.lake:
        lake = f"""plane {{ y, {ter.water:.5f} hollow
 pigment {{ image_map {{ ppm "lake.ppm" gamma 2 interpolate 2 }} {place} }}
 normal {{ gradient z normal_map {{ {waves} }} scale 8 }} interior {{ ior 1.33 }}
 finish {{ ambient 0.6 diffuse 0.6 specular {0.5 - 0.5 * frozen:.3f} roughness 0.006
  reflection {{ 0.03, {0.95 - 0.75 * frozen:.3f} fresnel on }} conserve_energy }} }}"""
    if t.mist > 0.05:
        mist = f"""fog {{ fog_type 2 distance {0.9 / t.mist:.3f} rgb {vec(0.95 * haze)}
 fog_offset {ter.floor + 0.004:.4f} fog_alt {0.012 + 0.02 * t.mist:.4f} }}"""
    return f"""#version 3.7;
global_settings {{ assumed_gamma 1 max_trace_level 3 ambient_light rgb {vec(0.30 * sky)} }}
camera {{ location y*{ter.eye:.5f} up y right x angle {structure.fov:.3f}
 look_at <0,{ter.eye + np.tan(np.radians(ter.pitch)):.5f},1> }}
light_source {{ {vec(1000 * t.sun_direction)} rgb {vec(np.array(t.sun) * t.sun_power / HDR)} parallel point_at 0 }}
light_source {{ <0,1000,-300> rgb {vec(0.45 * sky)} parallel point_at 0 shadowless }}
background {{ rgb {vec(np.array(t.zenith) / HDR)} }}
fog {{ fog_type 2 distance {t.visibility:.3f} fog_offset {ter.floor:.4f} fog_alt 0.9 rgb {vec(haze)} }}
{mist}
polygon {{ 4, <0,0>, <1,0>, <1,1>, <0,1> pigment {{ image_map {{ ppm "sky.ppm" gamma 1 interpolate 2 }} }} no_shadow
 finish {{ ambient 0 diffuse 0 emission 1 }}
 scale <{SKY[1] - SKY[0]},{SKY[3] - SKY[2]},1> translate <{SKY[0]},{SKY[2]},1>
 scale 60 translate y*{ter.eye:.5f} }}
#declare Cover = texture {{ pigment {{ image_map {{ ppm "land.ppm" gamma 2 interpolate 2 }} {place} }}
 normal {{ gradient z normal_map {{ {crag} }} scale 8 }} finish {{ ambient 1 diffuse 1 }} }}
 texture {{ pigment {{ gradient z pigment_map {{ {grain} }} scale 8 }} }}
#declare Land = height_field {{ pgm "height.pgm" smooth
 scale <{TILE},{hi - lo:.5f},{TILE}> translate <{-TILE / 2},{lo:.5f},{NEAR}> texture {{ Cover }} }}
object {{ Land }}
object {{ Land scale <-2.2,0.9,-1.4> translate <1.5,{0.1 * lo:.4f},{2.4 * (TILE + NEAR) - 0.1:.3f}> }}
plane {{ y, {lo - 0.01:.5f} texture {{ Cover }} }}
{lake}
{plant_pov(ter.trees, t)}
"""


# ---------------------------------------------------------------------------------------------------- render


def write_pnm(path, a, depth):
    """Save an image in 0..1 (rows from the bottom up) as binary PGM or PPM with 8- or 16-bit samples."""
    a = (np.clip(a[::-1], 0, 1) * (2**depth - 1) + 0.5).astype(f">u{depth // 8}")
    data = bytearray(a.tobytes())
    if data[0] in b"\t\n\v\f\r #":  # POV-Ray would take such a first sample for part of the header
        data[0] += 6
    Path(path).write_bytes(b"P%d\n%d %d\n%d\n" % (a.ndim + 3, a.shape[1], a.shape[0], 2**depth - 1) + data)


def develop(x, exposure):
    """Linear radiance (rows from the top) to an 8-bit picture: bloom, exposure, filmic curve, sRGB."""
    size = len(x)
    glare = np.clip(x - 1, 0, None)
    if glare.any():
        x = x + 0.5 * np.stack([resize(resize(glare[..., i], size // 12), size) for i in range(3)], -1).clip(0)
    x = exposure * (0.14 * x.mean(-1, keepdims=True) + 0.86 * x)
    x = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return Image.fromarray((255 * x + 0.5).astype(np.uint8))


def render(structure, texture, size=128):
    """Render a structure with a texture as a size x size PIL image."""
    ter = terrain(structure)
    land, lake = paint_land(ter, texture)
    lo, hi = ter.height.min(), ter.height.max()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        write_pnm(tmp / "height.pgm", (ter.height - lo) / (hi - lo), 16)
        write_pnm(tmp / "land.ppm", np.sqrt(np.clip(land, 0, 1)), 8)
        write_pnm(tmp / "lake.ppm", np.sqrt(lake[::2, ::2]), 8)
        write_pnm(tmp / "sky.ppm", paint_sky(texture) / HDR, 16)
        (tmp / "scene.pov").write_text(scene(structure, texture))
        command = f"povray +Iscene.pov +Oout.ppm +FP16 File_Gamma=1.0 +W{size} +H{size} +A0.06 +AM2 +R2 -D -GA +WT1"
        done = subprocess.run(command.split(), cwd=tmp, capture_output=True)
        if done.returncode or not (tmp / "out.ppm").exists():
            raise RuntimeError("povray failed:\n" + done.stderr.decode(errors="replace")[-1000:])
        data = (tmp / "out.ppm").read_bytes()[-6 * size * size :]
    return develop(np.frombuffer(data, ">u2").reshape(size, size, 3) * (HDR / 65535), texture.exposure)


# ------------------------------------------------------------------------------------------------------- CLI


def sample_pair(seed, index):
    """Seeds, structure and texture of picture number index of data set seed."""
    a, b = np.random.SeedSequence([seed, index]).generate_state(2).tolist()
    return a, b, Structure.sample(np.random.default_rng(a)), Texture.sample(np.random.default_rng(b))


def save(path, structure, texture, size):
    """Render to a JPEG or PNG file that appears only when complete."""
    options = {"format": "JPEG", "quality": 92, "subsampling": 0} if path.endswith(".jpg") else {"format": "PNG"}
    render(structure, texture, size).save(f"{path}.part", **options)
    os.replace(f"{path}.part", path)


def save_all(work, jobs):
    """Carry out a list of save(...) arguments, keeping about `jobs` processor cores busy."""
    with ProcessPoolExecutor(jobs * IN_FLIGHT) as pool:
        for done, _ in enumerate(pool.map(save, *zip(*work, strict=True)), 1):
            if done % 100 == 0 or done == len(work):
                print(f"{done}/{len(work)}", flush=True)


def make_set(out, count, size, seed, jobs, views):
    """Write count structures, each under `views` textures, and index.csv to the folder out.

    Pictures that are already there are kept. As many structures as there are views share their textures: number 6 is
    rendered with textures 6 and 7, and number 7 likewise, as 000006@000007.jpg and so on."""
    rows, work = [], []
    for i in range(count):
        a, _, s, _ = sample_pair(seed, i)
        for j in range(i - i % views, i - i % views + views):
            name = f"{i:06d}@{j:06d}.jpg" if views > 1 else f"{i:06d}.jpg"
            _, b, _, t = sample_pair(seed, j)
            row = {"file": name, "structure_seed": a, "texture_seed": b, "archetype": t.archetype}
            for key, value in (dataclasses.asdict(s) | dataclasses.asdict(t)).items():
                if isinstance(value, tuple):
                    row |= {f"{key}_{c}": v for c, v in zip("rgb", value, strict=True)}
                elif key not in ("noise_seed", "archetype"):
                    row[key] = round(value, 5)
            rows.append(row)
            if not (out / name).exists():
                work.append((str(out / name), s, t, size))
    out.mkdir(parents=True, exist_ok=True)
    if (out / "index.csv").exists():
        with open(out / "index.csv", newline="") as f:
            old = next(csv.DictReader(f), {"structure_seed": None, "file": None})
        done = out / rows[0]["file"]
        same = (old["structure_seed"], old["file"]) == (str(rows[0]["structure_seed"]), rows[0]["file"])
        if not same or (done.exists() and Image.open(done).width != size):
            sys.exit(f"error: {out} holds pictures of another --seed, --size or --views; choose another folder")
    with open(out / "index.csv", "w", newline="") as f:
        table = csv.DictWriter(f, rows[0])
        table.writeheader()
        table.writerows(rows)
    save_all(work, jobs)


def grid_of(rows, cols, seed):
    """Structures and textures of a grid; the textures cycle through the archetypes."""
    structures = [sample_pair(seed, r)[2] for r in range(rows)]
    textures = [
        Texture.sample(np.random.default_rng(sample_pair(seed, c)[1]), list(ARCHETYPES)[c % len(ARCHETYPES)])
        for c in range(cols)
    ]
    return structures, textures


def make_grid(out, rows, cols, size, seed, jobs):
    """Write one picture of rows structures x cols textures."""
    structures, textures = grid_of(rows, cols, seed)
    sheet = Image.new("RGB", (cols * size, rows * size))
    with tempfile.TemporaryDirectory() as tmp:
        cells = [(r, c, f"{tmp}/{r}_{c}.jpg") for r in range(rows) for c in range(cols)]
        save_all([(path, structures[r], textures[c], size) for r, c, path in cells], jobs)
        for r, c, path in cells:
            sheet.paste(Image.open(path), (c * size, r * size))
    sheet.save(out)


def make_cells(out, rows, cols, size, seed, jobs):
    """Write the pictures of a grid to the folder out as s{row}_t{column}.png, keeping those that are there."""
    structures, textures = grid_of(rows, cols, seed)
    out.mkdir(parents=True, exist_ok=True)
    cells = [(str(out / f"s{r}_t{c}.png"), structures[r], textures[c], size) for r in range(rows) for c in range(cols)]
    if work := [cell for cell in cells if not os.path.exists(cell[0])]:
        save_all(work, jobs)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("out", type=Path, help="folder for the pictures, or the picture file to write with --grid")
    p.add_argument("--count", type=int, default=100, help="number of structures, at least 1")
    p.add_argument("--views", type=int, default=1, help="textures for each structure, shared by as many structures")
    p.add_argument("--size", type=int, default=128, help="side in pixels")
    p.add_argument("--seed", type=int, default=0, help="picks the data set; same seed, same pictures")
    p.add_argument("--jobs", type=int, default=1, help="processor cores to keep busy")
    p.add_argument("--grid", metavar="ROWSxCOLS", help="write one grid: rows = structures, columns = textures")
    p.add_argument("--cells", metavar="ROWSxCOLS", help="write such a grid as one file per picture")
    a = p.parse_args()
    if not shutil.which("povray"):
        sys.exit("error: the `povray` executable is not on PATH (Debian, Ubuntu: apt-get install povray)")
    if a.cells:
        make_cells(a.out, *map(int, a.cells.lower().split("x")), a.size, a.seed, a.jobs)
    elif a.grid:
        make_grid(a.out, *map(int, a.grid.lower().split("x")), a.size, a.seed, a.jobs)
    else:
        make_set(a.out, a.count, a.size, a.seed, a.jobs, a.views)


if __name__ == "__main__":
    main()
