"""The structure of a picture: terrain, camera, water level, and where trees, boulders and tufts stand."""

# ruff: noqa: C408  (ranges read better as keywords)
import functools
from dataclasses import dataclass

import numpy as np
from fields import bilinear, draw, noise, resize, smooth, span

# fmt: off
N = 384                        # height-field points per side
TILE, NEAR = 7.0, -0.25        # side of the terrain tile and z of its near edge, km
CELL = TILE / (N - 1)          # km between height-field points
# fmt: on


@dataclass(frozen=True)
class Structure:
    """Everything geometric, in km unless noted.  The ranges are those of a valley; PLACES lists what differs."""

    # fmt: off
    place: str
    noise_seed: int = span(0, 2**31 - 1)          # drives the noise fields and the tree positions
    fov: float = span(44, 66)                     # horizontal = vertical field of view, degrees
    horizon: float = span(0.22, 0.46)             # height of the true horizon in the frame, 0 bottom .. 1 top
    skyline: float = span(0.36, 0.60)             # wanted height of the highest summit above it; steepness may limit it
    camera_height: float = span(3, 30)            # metres above ground or water
    shore: float = span(-0.6, 0.1)                # distance of the near end of the valley; negative = behind the camera
    valley_width: float = span(0.35, 1.3)         # half-width of its floor
    valley_length: float = span(1.0, 2.4)         # extent of its floor along the view
    valley_bend: float = span(-0.35, 0.35)        # sideways drift of valley or coast, km per km
    walls: float = span(0.1, 1.0)                 # 0 open country .. 1 steep valley sides
    ruggedness: float = span(0.6, 1.0)            # 0 rolling hills .. 1 sharp alps
    erosion: float = span(0.5, 1.5)               # strength of the carving by streams
    terraces: float = span(0, 0.3)                # 0 smooth slopes .. 1 ledges and cliff bands
    peaks: int = span(2, 7)                       # number of summits, islands or sea stacks
    lake: float = span(0.45, 0.97)                # share of the valley floor under water; 0 = no water
    wooded: float = span(0.1, 0.9)                # share of suitable ground that is wooded
    treeline: float = span(0.25, 0.55)            # upper limit of the woods, fraction of the relief
    framing: int = span(0, 3)                     # tall conifers close to the camera at the sides of the frame
    big_tree: float = span(0, 0)                  # height of one big tree ahead, share of the frame
    boulders: int = span(0, 0)                    # rocks close to the camera
    tufts: float = span(0.2, 1)                   # density of tufts of grass close to the camera, 0..1
    plots: int = span(0, 0)                       # 0 wild ground, 1 divided into fields
    # fmt: on

    @classmethod
    def sample(cls, rng, place=None):
        """Draw a structure: its place unless given, then each factor, some of them from ranges that vary."""
        if place is None:
            place = rng.choice(list(PLACES), p=[p.get("share", 0.08) for p in PLACES.values()]).item()
        ranges = {key: value for key, value in PLACES[place].items() if key != "share"}
        wild = place == "valley"
        if rng.random() < 0.28 and wild:
            ranges |= dict(skyline=(0.10, 0.26), ruggedness=(0.0, 0.5))  # hills
        if rng.random() < 0.28 and wild:
            ranges |= dict(lake=(0, 0))  # meadow or desert
        if rng.random() < 0.25 and place not in ("dunes", "fields"):
            ranges |= dict(camera_height=(30, 250))  # overlook
        if rng.random() < 0.35 and wild:
            ranges |= dict(terraces=(0.3, 1.0))  # cliff bands
        if rng.random() < 0.35 and "boulders" not in ranges:
            ranges |= dict(boulders=(3, 40))
        if rng.random() < 0.2 and "big_tree" not in ranges:
            ranges |= dict(big_tree=(0.25, 0.75), camera_height=(2, 8))
        return cls(place=place, **draw(cls, rng, ranges))


# fmt: off
PLACES = {  # the shares add up to 1
    "valley": dict(share=0.46),
    "coast": dict(
        share=0.16, skyline=(0.06, 0.34), camera_height=(2, 40), horizon=(0.3, 0.62), lake=(1, 1), wooded=(0.05, 0.5),
        treeline=(0.5, 1.0), terraces=(0, 0.8), ruggedness=(0.2, 1.0), framing=(0, 1)),
    "islands": dict(
        share=0.1, skyline=(0.05, 0.3), camera_height=(2, 30), horizon=(0.3, 0.6), lake=(1, 1), wooded=(0.2, 1),
        treeline=(0.4, 0.9), framing=(0, 0), peaks=(1, 9)),
    "dunes": dict(
        share=0.08, skyline=(0.05, 0.24), camera_height=(4, 25), horizon=(0.4, 0.68), lake=(0, 0), wooded=(0, 0.1),
        tufts=(0, 0.4), framing=(0, 0), terraces=(0, 0), ruggedness=(0, 0.1), treeline=(0.3, 0.6)),
    "fields": dict(
        share=0.1, skyline=(0.03, 0.16), camera_height=(3, 25), horizon=(0.3, 0.6), lake=(0, 0), wooded=(0.05, 0.35),
        treeline=(0.9, 1.2), terraces=(0, 0), ruggedness=(0, 0.2), plots=(0, 1), walls=(0, 0.4), framing=(0, 1)),
    "mesas": dict(
        share=0.1, skyline=(0.14, 0.42), lake=(0, 0.7), wooded=(0.05, 0.5), treeline=(0.15, 0.5), terraces=(0.5, 1.0),
        ruggedness=(0.3, 0.9), peaks=(3, 9)),
}
# fmt: on


@dataclass
class Terrain:
    """What follows from a structure: N x N grids (row = z, column = x) and the camera."""

    # fmt: off
    height: np.ndarray     # km
    woods: np.ndarray      # tree cover, 0..1
    plots: np.ndarray      # number of the field that the ground belongs to, 0..1
    trees: np.ndarray      # one tree a row: x, y, z, height (km), kind 0..1, shade 0..1
    rocks: np.ndarray      # one boulder a row: x, y, z, size (km), shape 0..1, turn 0..1
    tufts: np.ndarray      # one tuft of grass a row: x, y, z, height (km), chance 0..1, shade 0..1
    big: np.ndarray        # the big tree, none or one row as in trees
    water: float           # lake level, km
    floor: float           # lowest ground or water in view, km
    relief: float          # height of the highest ground in view above the floor, km
    eye: float             # camera height, km
    pitch: float           # degrees, up positive
    # fmt: on


def carve(s, rng, n=N // 4):
    """Heights of a structure in arbitrary units, the camera at 0, eroded at three scales."""
    x0, z0 = np.meshgrid(np.linspace(-TILE / 2, TILE / 2, n), np.linspace(NEAR, NEAR + TILE, n))
    x, z = (c + 0.3 * noise(rng, n, 3) + 0.1 * noise(rng, n, 8) for c in (x0, z0))
    h = {"coast": coast, "islands": islands, "dunes": dunes, "fields": rolling, "mesas": mesas}.get(s.place, valley)(
        s, rng, n, x0, z0, x, z
    )
    h = h.astype(np.float32)
    area, strength = np.ones_like(h), 0.0021 * s.erosion * (0.4 + 0.6 * s.ruggedness)
    if s.place in ("dunes", "fields"):
        return resize(h, N) if s.place == "fields" else dunes(s, np.random.default_rng(s.noise_seed), N)
    for m, steps in ((n, 30), (2 * n, 16), (4 * n, 8)):
        if m > n:
            h, area = resize(h, m), resize(area, m).clip(1) * 2
            crags = noise(rng, m, m / 6) - 2 * np.abs(noise(rng, m, m / 16))
            h = h + (0.1 + 1.3 * s.ruggedness) / m * crags * smooth(0, 0.5, h)
        h, area = erode(h, area, steps, strength)
    return h


def valley(s, rng, n, x0, z0, x, z):
    """A valley floor with its walls, a massif behind it and summits."""
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
    return h * smooth(-0.6, 0.7, np.hypot(x0, np.maximum(z0 - 0.1, 0)))


def coast(s, rng, n, x0, z0, x, z):
    """Land on one side, the open sea at level 0 on the other, and stacks off the cliffs."""
    side = 1 if s.noise_seed % 2 else -1
    line = 0.25 * noise(rng, n, 5, 3)[:, :1] * smooth(0.2, 1.5, z0)
    d = side * (x0 + 0.35 * (x - x0) - s.valley_bend * z0) - 0.12 * s.valley_width - line
    back = z0 - (1.5 + 1.6 * s.valley_length)  # far headlands close the bay
    d = np.maximum(d, np.where(s.walls > 0.6, back, -9))
    cliff = smooth(0.03, 0.03 + 0.5 * (1.1 - s.walls), d) * (0.55 + 0.2 * noise(rng, n, 3, 3))
    h = 0.05 * np.tanh(4 * d) + cliff + 0.25 * np.clip(d, 0, 2) * (1 + 0.4 * noise(rng, n, 2))
    for _ in range(s.peaks // 2 if s.ruggedness > 0.5 else 0):
        pz = rng.uniform(0.5, 3.0)
        off = rng.uniform(-0.35, -0.05)
        px = side * (off + 0.12 * s.valley_width) + s.valley_bend * pz
        h = np.maximum(h, rng.uniform(0.2, 0.6) - np.hypot(x - px, z - pz) / rng.uniform(0.1, 0.35))
    return np.clip(h, -0.15, None) * (1 - 0.7 * smooth(0.5, 0.1, np.hypot(x0, z0)))


def islands(s, rng, n, x0, z0, x, z):
    """Islands in the open sea at level 0."""
    h = np.full_like(x, -0.12)
    for _ in range(s.peaks):
        pz = 0.6 * 8 ** rng.random()
        size, px = rng.uniform(0.12, 0.5) * pz**0.7, rng.uniform(-0.6, 0.6) * pz
        d = np.hypot((x0 + 0.5 * (x - x0) - px) / rng.uniform(1, 2.2), z0 + 0.5 * (z - z0) - pz) / size
        h = np.maximum(h, rng.uniform(0.3, 1.0) * size * (1 - d) * (1.4 - 0.4 * np.clip(d, 0, 1)))
    h = h + 0.05 * noise(rng, n, 6, 3) * smooth(-0.02, 0.1, h)
    return np.where(np.hypot(x0, z0) < 0.35, np.minimum(h, 0.003), h)


def dunes(s, rng, n, *_):
    """Crests across the wind with a gentle and a steep side, smaller dunes riding on the large."""
    x0, z0 = np.meshgrid(np.linspace(-TILE / 2, TILE / 2, n), np.linspace(NEAR, NEAR + TILE, n))
    h = 0.2 * noise(rng, n, 2, 2)
    for wave, height in ((rng.uniform(0.6, 1.1), 0.5), (rng.uniform(0.22, 0.4), 0.1)):
        a = rng.uniform(-0.9, 0.9) + (np.pi if rng.random() < 0.5 else 0)
        phase = (np.sin(a) * x0 + np.cos(a) * z0) / wave + 0.35 * noise(rng, n, 3, 2) + 0.04 * noise(rng, n, 12)
        t = phase - np.floor(phase)
        ridge = np.where(t < 0.72, smooth(-0.25, 0.72, t) * 1.15 - 0.15, (1 - t) / 0.28)
        h += height * ridge * np.clip(0.75 + 0.4 * noise(rng, n, 3), 0.1, 1.5)
    return h.astype(np.float32)


def rolling(s, rng, n, x0, z0, x, z):
    """Soft hills without a valley."""
    return 0.5 * noise(rng, n, 3, 2, 0.4) + 0.25 * np.clip(z0, 0, 4) * s.walls + 0.04 * noise(rng, n, 10)


def mesas(s, rng, n, x0, z0, x, z):
    """A plain with flat-topped mountains and towers."""
    h = 0.03 * noise(rng, n, 4, 3)
    for _ in range(s.peaks):
        pz = 0.9 * 4.5 ** rng.random()
        d = np.hypot(x - rng.uniform(-0.75, 0.75) * pz, (z - pz) / rng.uniform(0.7, 1.8)) / rng.uniform(0.12, 0.65)
        top = rng.uniform(0.45, 1.0)
        h = np.maximum(h, top * (0.65 * smooth(1.25, 0.95, d) + 0.35 * np.clip(1.9 - d, 0, 1)))
    return h * smooth(0.1, 0.7, np.hypot(x0, z0))


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


@functools.lru_cache(maxsize=16)
def terrain(s):
    """Build the terrain of structure s and fit it to the frame."""
    rng = np.random.default_rng([s.noise_seed, 1])
    h = carve(s, rng)
    x, z = np.meshgrid(np.linspace(-TILE / 2, TILE / 2, N), np.linspace(NEAR, NEAR + TILE, N))
    half, eye = np.tan(np.radians(s.fov / 2)), s.camera_height / 1000
    view = (z > 0.4) & (np.abs(x) < 0.95 * half * z)
    floor = view & (z < max(s.shore + s.valley_length, 0.8)) & (np.abs(x - s.valley_bend * z) < s.valley_width)
    if s.place in ("coast", "islands"):
        water = 0.0
    else:
        water = np.quantile(h[floor], s.lake) if s.lake else h.min() - 0.02
    row, col = int(-NEAR / CELL), N // 2
    base = max(h[row - 2 : row + 3, col - 2 : col + 3].max(), water)

    # Scale so that the highest summit reaches its place in the frame, unless that makes it too steep.
    pitch = -np.arctan((2 * s.horizon - 1) * half)
    top = np.tan(pitch + np.arctan((2 * min(s.horizon + s.skyline, 0.94) - 1) * half))
    up = view & (h > min(base + 0.05, h[view].max() - 1e-3))
    peak = h[view].max()
    upper = 0.4 * peak if peak > 0 else 1.6 * peak - 1e-3  # an open sea has no land in view at all
    steep = np.quantile(np.hypot(*np.gradient(h, CELL))[view & (h > upper)], 0.85)
    limit = {"dunes": 0.65, "fields": 0.5, "coast": 2.2, "mesas": 2.5}.get(s.place, 1.45)
    scale = min(np.min((top * np.hypot(x, z)[up] + eye) / np.maximum(h[up] - base, 1e-3)), limit / steep)
    h, water, base = h * scale, float(water * scale), float(base * scale)
    high = smooth(base + 0.05, base + 0.28, h)
    ledges = np.sin(75 * h + 1.5 * noise(rng, N, 4)) + 0.7 * np.sin(173 * h + noise(rng, N, 8))
    h = h + high * (0.012 * s.terraces * ledges + 0.005 * s.ruggedness * noise(rng, N, N / 6))
    floor = max(water, float(h[view].min()))
    relief = max(float(h[view].max()) - floor, 0.02)

    # Woods: patches below the tree line, off the cliffs, out of the water, leaving the view open.
    patch = noise(rng, N, 7, 4, 0.6)
    ground = smooth(1.5, 1.0, np.hypot(*np.gradient(h, CELL))) * smooth(water + 0.002, water + 0.008, h)
    ground *= smooth(s.treeline + 0.08, s.treeline - 0.08, (h - floor) / relief + 0.05 * patch)
    woods = ground * smooth(-0.3, 0.3, patch - np.quantile(patch, 1 - s.wooded))
    woods *= smooth(0.25, 0.55, z + 0.15 * noise(rng, N, 10) + 0.3 * np.abs(x) / (half * np.maximum(z, 0.05)))
    trees = plant(s, rng, h, woods + 0.004 * ground, water, half)
    rocks, tufts = litter(s, rng, h, water, half)
    big = h[:0, :6]
    if s.big_tree:
        # It stands as far away as it must to be that tall in the frame.
        tall = rng.uniform(0.009, 0.02)
        bz = tall / (2 * half * s.big_tree)
        bx = rng.uniform(-0.75, 0.75) * half * bz
        by = bilinear(h, np.array((bx + TILE / 2) / CELL), np.array((bz - NEAR) / CELL))
        if by > water:
            big = np.array([[bx, by - 0.0003, bz, tall, rng.random(), rng.random()]])
    h = h + woods * smooth(0.8, 1.6, z) * 0.016 * rng.random((N, N), dtype=np.float32)  # distant canopy
    plots = parcels(rng, x, z) if s.plots else np.zeros_like(h)
    h, woods = h.astype(np.float32), woods.astype(np.float32)
    pitch = float(np.degrees(pitch))
    return Terrain(h, woods, plots, trees, rocks, tufts, big, water, floor, relief, base + eye, pitch)


def parcels(rng, x, z):
    """A number in 0..1 for each field of a country that is divided along wavering lines."""
    a, n = rng.uniform(0, np.pi), len(x)
    u = (np.cos(a) * x + np.sin(a) * z + 0.06 * noise(rng, n, 4)) / rng.uniform(0.15, 0.5)
    row = np.floor(u)
    v = (np.cos(a) * z - np.sin(a) * x + 0.06 * noise(rng, n, 4)) / rng.uniform(0.3, 1.0) + (row * 0.618) % 1
    return ((row * 0.7548777 + np.floor(v) * 0.5698403) % 1).astype(np.float32)


def plant(s, rng, h, chance, water, half):
    """Scatter trees over near ground by their chance to grow there, with a few tall ones framing the view."""
    z = np.r_[0.06 * 30 ** rng.random(3200) ** 0.8, rng.uniform(0.035, 0.075, s.framing)]
    edge = rng.uniform(-1.05, 1.05, len(z))
    frame = np.arange(len(z)) >= 3200
    x = half * z * np.where(frame, np.sign(edge) * (0.55 + 0.4 * np.abs(edge)), edge)
    col, row = (x + TILE / 2) / CELL, (z - NEAR) / CELL
    y = bilinear(h, col, row)
    keep = (y > water + 0.001) & (frame | (rng.random(len(z)) < bilinear(chance, col, row)))
    size = np.where(frame, rng.uniform(0.016, 0.028, len(z)), rng.uniform(0.011, 0.026, len(z)))
    kind = np.where(frame, 0.99, rng.random(len(z)))
    return np.c_[x, y - 0.0005, z, size, kind, rng.random(len(z))][keep]


def litter(s, rng, h, water, half):
    """Boulders, which may stand in shallow water, and tufts of grass on near ground."""

    def scatter(count, near, far, power):
        z = near * (far / near) ** rng.random(count) ** power
        x = half * z * rng.uniform(-1.1, 1.1, count)
        return x, bilinear(h, (x + TILE / 2) / CELL, (z - NEAR) / CELL), z

    low = s.camera_height / 1000
    x, y, z = scatter(s.boulders, 1.8 * low + 0.004, 0.25, 1.3)
    size = z * rng.lognormal(-3.6, 0.6, len(z)).clip(0.008, 0.12)
    rocks = np.c_[x, np.maximum(y, water) - 0.25 * size, z, size, rng.random(len(z)), rng.random(len(z))]
    rocks = rocks[y > water - 0.01]
    x, y, z = scatter(int(1600 * s.tufts) if s.camera_height < 40 else 0, 1.2 * low + 0.002, 0.02 + 9 * low, 1.0)
    clump = bilinear(noise(rng, N, 90), (x + TILE / 2) * 400, (z - NEAR) * 400)
    size = rng.uniform(0.0003, 0.0009, len(z)) * (1 + 0.4 * clump.clip(-1, 2))
    tufts = np.c_[x, y, z, size, rng.random(len(z)), rng.random(len(z))]
    return rocks, tufts[y > water + 0.0005]
