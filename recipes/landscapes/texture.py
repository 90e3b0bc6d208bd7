"""The texture of a picture: season, hour, weather and materials, and what they paint: the sky, the land, the water."""

# ruff: noqa: C408  (ranges read better as keywords)
from dataclasses import dataclass

import numpy as np
from fields import bilinear, draw, mix, noise, resize, smooth, span
from structure import CELL, N


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
    cloud_cover: float = span(-0.2, 0.65)                    # 0..1; below 0 none
    cloud_soft: float = span(0.25, 1.1)                    # edge width, standard deviations of the cloud field
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
    sandy: float = span(0, 0.15)                           # 0 turf .. 1 loose sand where the ground is open
    ripples: float = span(0.1, 0.6)                        # depth of the wind's ripples in sand and snow
    grain: float = span(0.6, 1.3)                          # contrast of turf, rock and bark
    cracks: float = span(0.3, 1.0)                         # of the rock
    dip: float = span(-0.4, 0.4)                           # slope of the rock layers
    growth: float = span(0.3, 1)                           # share of the tufts that grow
    tuft_size: float = span(0.6, 1.6)
    flowers: float = span(0, 0.5)                          # 0..1
    flower: tuple = span("#e8c020", "#f4f0f8")
    palms: float = span(0, 0)                              # share of palms among broadleaf trees
    umbrellas: float = span(0, 0)                          # share of flat-topped trees among the other broadleaf trees
    foam: float = span(0, 0.7)                             # surf and whitecaps
    cumulus: float = span(-0.6, 0.9)                       # heaped clouds with lit tops, 0..1; below 0 none
    streaks: float = span(-0.2, 0.8)                       # 0 puffs .. 1 high clouds combed by the wind
    aurora: float = span(0, 0)                             # 0..1; below 0 none
    exposure: float = span(0.45, 0.95)
    contrast: float = span(1.0, 1.8)                       # of the print; 1 as the film has it
    saturation: float = span(0.9, 1.55)
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
        cloud_dark=("#6a6478", "#a08c90"), grass=("#55601f", "#7c7434"),
        cumulus=(-0.4, 0.6), flowers=(0, 0.3)),
    "winter": dict(
        sun_elevation=(10, 32), sun=("#ffe9d2", "#fff6ea"), sun_power=(0.9, 1.3), zenith=("#4c7cc0", "#8fb0d8"),
        haze=("#c8d8ea", "#e6ecf3"), cloud_cover=(0, 0.9), grass=("#dfe6ee", "#f4f6fa"), soil=("#a39a8c", "#cfccc8"),
        forest=("#26352c", "#43544a"), leaf=("#5e5a50", "#7d776a"), leafy=(0, 0.25), tree_snow=(0.2, 0.75),
        snowline=(-0.5, 0.15), snow_cling=(1.0, 1.7), deep=("#10222e", "#1c3a48"), shallow=("#3c6470", "#5c8590"),
        ice=(0, 1), exposure=(0.38, 0.75),
        growth=(0, 0.35), tuft_size=(0.4, 1.0), flowers=(0, 0), sandy=(0, 0.1), ripples=(0.2, 1), cumulus=(-0.6, 0.4)),
    "autumn": dict(
        sun_elevation=(15, 40), sun=("#ffdca8", "#fff0d8"), visibility=(12, 50), grass=("#8a7430", "#a88a44"),
        soil=("#7a5f40", "#9c8058"), forest=("#3f4a1c", "#7a5a1e"), leaf=("#b8621a", "#e0b030"), leafy=(0.45, 0.95),
        snowline=(0.45, 1.0),
        flowers=(0, 0.05), growth=(0.2, 1)),
    "desert": dict(
        sun_elevation=(18, 65), sun=("#ffe6c0", "#fff4e0"), sun_power=(1.2, 1.5), zenith=("#2c66b8", "#6aa0dc"),
        haze=("#c8d4dc", "#ecdcc4"), visibility=(25, 90), cloud_cover=(0, 0.35), grass=("#b58a58", "#d8b888"),
        soil=("#b07848", "#d4a878"), forest=("#5c5a34", "#8a7a4c"), leaf=("#5f6a38", "#80804c"), leafy=(1, 1),
        tree_scale=(0.25, 0.45), rock=("#96552f", "#c08a5c"), strata=(0.5, 1), snowline=(1.5, 1.6),
        deep=("#0e3a48", "#1c5a5c"), shallow=("#4aa098", "#8cc0a0"),
        sandy=(0.5, 1), ripples=(0.2, 1), growth=(0, 0.25), flowers=(0, 0.1), cracks=(0.5, 1), cumulus=(-0.6, 0.4)),
    "night": dict(
        sun_azimuth=(0, 150), sun_elevation=(16, 52), sun=("#a8c0f0", "#d4e0ff"), sun_power=(0.22, 0.42),
        zenith=("#060a1c", "#101c3c"), haze=("#141f3c", "#2c3c60"), ambient=(3.4, 4.8), glow=(0.02, 0.08),
        cloud_cover=(0, 0.45), cloud_light=("#3a4660", "#566480"), cloud_dark=("#141a2c", "#222c44"), stars=(0.3, 1),
        exposure=(0.9, 2.2),
        cumulus=(-0.6, 0.3), flowers=(0, 0), aurora=(-1.4, 1)),
    "overcast": dict(
        sun_elevation=(35, 75), sun=("#e8ecf0", "#f6f6f4"), sun_power=(0.15, 0.4), zenith=("#8c969e", "#b0b6ba"),
        haze=("#b4bcc2", "#d2d6d8"), ambient=(1.2, 1.6), glow=(0, 0.1), visibility=(4, 25), mist=(0, 0.8),
        cloud_cover=(0.85, 1), cloud_soft=(1.5, 3), cloud_light=("#d8dcde", "#eceef0"),
        cloud_dark=("#8a9298", "#aab0b4"), dapple=(0, 0.1), grass=("#445a26", "#6c7a40"),
        cumulus=(-0.5, 0.3), foam=(0.2, 1)),
    "dawn": dict(
        sun_azimuth=(10, 140), sun_elevation=(6, 18), sun=("#ffc8a8", "#ffe4cc"), sun_power=(0.8, 1.2),
        zenith=("#6c90c8", "#b0c0dc"), haze=("#f0c8b8", "#f8ead6"), ambient=(0.7, 1.0), glow=(0.3, 0.9),
        visibility=(9, 40), mist=(0.1, 1), cloud_light=("#ffd8cc", "#fff0e6"), cloud_dark=("#a898b4", "#c8b8c4"),
        grass=("#5c8030", "#90a850"), leaf=("#7ea044", "#c8a49c"), leafy=(0.1, 0.7),
        cumulus=(-0.4, 0.4)),
    "spring": dict(
        sun_elevation=(25, 55), grass=("#5a8a26", "#86b040"), leaf=("#7aa83a", "#e0b8c8"), leafy=(0.3, 0.9),
        snowline=(0.25, 0.8), flowers=(0.3, 1), flower=("#d8b8f0", "#f8e040"), tuft_size=(0.5, 1.2),
        cumulus=(0, 1), zenith=("#2c68c0", "#5c9ae0")),
    "storm": dict(
        sun_elevation=(15, 60), sun=("#dfe4ea", "#fff0d8"), sun_power=(0.15, 0.9), zenith=("#3a444e", "#66727c"),
        haze=("#7c8890", "#b0b8b8"), ambient=(0.9, 1.3), glow=(0, 0.15), visibility=(4, 22), mist=(0, 0.5),
        cloud_cover=(0.75, 1), cloud_soft=(0.6, 1.8), cloud_light=("#8a949c", "#c0c6ca"),
        cloud_dark=("#2c343c", "#56606a"), dapple=(0, 0.3), grass=("#3c5220", "#66703a"), wind=(0.6, 1), foam=(0.5, 1),
        deep=("#12242a", "#26383c"), shallow=("#34504e", "#5c7470"), cumulus=(-0.2, 0.7), exposure=(0.5, 1.0)),
    "volcanic": dict(
        sun_elevation=(12, 55), visibility=(10, 60), grass=("#2c2c26", "#5a6036"), soil=("#1c1a1a", "#3c3634"),
        forest=("#22301c", "#3a4a2c"), leafy=(0, 0.2), tree_scale=(0.4, 0.9), rock=("#242224", "#4a4240"),
        strata=(0.1, 0.6), cracks=(0.7, 1), grain=(0.9, 1.6), sandy=(0.1, 0.6), growth=(0.1, 0.7), flowers=(0, 0.15),
        snowline=(0.3, 1.2), foam=(0.3, 1), deep=("#0a1c28", "#14343e"), cloud_cover=(0.1, 0.9)),
    "savanna": dict(
        sun_elevation=(12, 60), sun=("#ffe0b0", "#fff4dc"), haze=("#d4d4c8", "#eadcc0"), visibility=(14, 60),
        grass=("#a88a3c", "#d0b468"), soil=("#94583a", "#c08c5c"), forest=("#4c5426", "#74743c"),
        leaf=("#566a28", "#8c9040"), leafy=(1, 1), tree_scale=(0.5, 0.9), umbrellas=(0.7, 1),
        rock=("#84603e", "#a88a68"), snowline=(1.3, 1.6), growth=(0.6, 1), tuft_size=(1.0, 2.2), flowers=(0, 0.1),
        sandy=(0.1, 0.4), cumulus=(-0.2, 0.9), deep=("#24443e", "#3c5c4a"), shallow=("#5c7c5c", "#8c9468")),
    "tropical": dict(
        sun_elevation=(35, 75), zenith=("#1c5cb8", "#3c8ce0"), haze=("#a4d0ea", "#d4e8f0"),
        grass=("#3c7420", "#6c9c30"), soil=("#e0cc9c", "#f4ead0"),
        forest=("#16401a", "#2c6028"), leaf=("#2c6c1e", "#5c9c34"), leafy=(1, 1),
        palms=(0.2, 0.9), rock=("#4c4a44", "#7c7060"), snowline=(1.3, 1.6), deep=("#04506e", "#0a7c94"),
        shallow=("#40c0b8", "#8ce0d0"), foam=(0.2, 1), cumulus=(0, 1), sandy=(0.2, 0.6), visibility=(18, 70)),
}
# fmt: on


def paint_sky(t, extent, width):
    """Radiance of the sky on the plane z = 1 within extent (left, right, bottom, top), rows from the bottom up."""
    rng = np.random.default_rng([t.noise_seed, 2])
    height = int(width * (extent[3] - extent[2]) / (extent[1] - extent[0]))
    u, v = np.meshgrid(
        np.linspace(*extent[:2], width, dtype=np.float32), np.linspace(*extent[2:], height, dtype=np.float32)
    )
    r, sun = np.sqrt(u * u + v * v + 1), t.sun_direction.astype(np.float32)
    rise, toward = np.clip(v / r, 0, 1), np.clip((u * sun[0] + v * sun[1] + sun[2]) / r, -1, 1)
    img = mix(t.zenith, t.haze, (1 - rise) ** t.sky_falloff)
    img += star_field(t, rng, extent, u.shape)
    halo = t.glow * (0.5 * np.exp(-9 * (1 - toward) - 3 * rise) + 0.8 * np.exp(-120 * (1 - toward)))
    size, bright = (0.55, 6) if t.sun_power > 0.5 else (1.0, 1.2)  # disc radius in degrees; the moon is larger
    halo += bright * smooth(*np.cos(np.radians([size, 0.6 * size])), toward)
    img += np.array(t.sun, np.float32) * halo[..., None]
    tile = noise(rng, 512, 2.3, 7, 0.62)
    if t.aurora > 0:
        img += curtains(t, rng, tile, u, v)
    if t.cloud_cover > 0.01:
        img = layer(t, rng, tile, img, u, v, toward)
    if t.cumulus > 0.02:
        img = heap(t, rng, tile, img, extent, u, v, toward)
    return img


def star_field(t, rng, extent, shape):
    """Stars at fixed places of the sky, each one sample of the image."""
    img = np.zeros((*shape, 3), np.float32)
    count = int(1500 * t.stars)
    u, v, bright = rng.uniform(-1.3, 1.3, count), rng.uniform(0, 1.4, count), rng.random(count) ** 5
    tint = 1 + 0.25 * rng.standard_normal((count, 1)) * (1, 0, -1)
    col = ((u - extent[0]) / (extent[1] - extent[0]) * (shape[1] - 1)).round().astype(int)
    row = ((v - extent[2]) / (extent[3] - extent[2]) * (shape[0] - 1)).round().astype(int)
    there = (col >= 0) & (col < shape[1]) & (row >= 0) & (row < shape[0])
    img[row[there], col[there]] = (0.03 + 1.3 * bright[there, None]) * tint[there]
    return img


def curtains(t, rng, tile, u, v):
    """Curtains of northern light: sharp below, fading upwards from green to violet, with fine rays."""
    light = np.zeros((*u.shape, 3), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        row = rng.uniform(0, 512)
        fold = u * rng.uniform(30, 90) + 40 * v * rng.uniform(-1, 1)
        wave = bilinear(tile, fold, np.full_like(fold, row))
        rays = bilinear(tile, u * 700 + 9 * wave, np.full_like(fold, row + 50))
        up = v - rng.uniform(0.12, 0.5) - 0.1 * wave
        glow = smooth(-0.02, 0.02, up) * np.exp(-np.clip(up, 0, None) / rng.uniform(0.12, 0.35))
        glow *= np.clip(0.6 + 0.35 * rays, 0.05, 1.6)
        colour = mix((0.03, 0.55, 0.2), (0.3, 0.05, 0.4), smooth(0.1, 0.5, up))
        light += 0.5 * t.aurora * glow[..., None] * colour
    return light


def layer(t, rng, tile, img, u, v, toward):
    """Paint a layer of clouds overhead, seen in perspective and shaded by its own density towards the sun.

    Its edges come from the same noise, shrunk, so that they are as fine as the picture can show."""
    a, sun, comb = rng.uniform(0, np.pi), t.sun_direction, max(t.streaks, 0)
    edge = np.quantile(tile, 1 - t.cloud_cover)
    px, pz, zoom = u / (np.abs(v) + 0.07), 1 / (np.abs(v) + 0.07), 18 / t.cloud_scale
    stretch, wisp = t.cloud_stretch * (1 + 4 * comb), 0.3 + 0.5 * comb

    def density(step, detail=True):
        x, z = px + step * sun[0], pz + step * sun[2]
        x, z = (np.cos(a) * x + np.sin(a) * z) * zoom, (np.cos(a) * z - np.sin(a) * x) * zoom
        x = x * stretch + comb * 25 * bilinear(tile, 0.3 * x, 0.3 * z)
        field = bilinear(tile, x, z)
        if detail:
            fine = bilinear(tile, 4.3 * x + 99, 4.3 * z) + 0.5 * bilinear(tile, 15 * x, 15 * z + 200)
            field = field + wisp * fine
        return smooth(edge, edge + t.cloud_soft * (1 + comb), field)

    cloud, beyond = density(0), density(0.25) + density(0.6, detail=False)
    light = np.clip(1.15 - 0.55 * beyond - 0.3 * cloud**2, 0, 1)
    colour = mix(t.cloud_dark, t.cloud_light, light + (1 - light) * 0.6 * comb)
    colour += np.array(t.sun, np.float32) * (1.2 * t.glow * np.exp(-14 * (1 - toward)) * (1 - 0.7 * cloud))[..., None]
    return mix(img, colour, cloud * (0.95 - 0.3 * comb) * smooth(0.0, 0.1, v))


def heap(t, rng, tile, img, extent, u, v, toward):
    """Paint cumulus clouds over the sky: puffs piled on a flat base, shaded as the round bodies they are."""
    # Noise displaces the outlines at two scales; it is a function of the direction alone.
    coarse, fine = ((bilinear(tile, u * f + k, v * f + k) for k in (0, 171)) for f in (260, 900))
    wu, wv = (c + 0.020 * p + 0.008 * q for c, p, q in zip((u, v), coarse, fine, strict=True))
    sun = t.sun_direction
    light_from = np.array((sun[0], sun[1] + 0.35, -0.45 * sun[2] + 0.25))
    light_from = light_from / np.linalg.norm(light_from)
    step = (extent[1] - extent[0]) / (u.shape[1] - 1)
    for base in np.sort(0.03 + 0.75 * rng.random(int(2 + 10 * t.cumulus)) ** 2):
        wide = (0.07 + 0.45 * base) * rng.uniform(0.5, 1.7) * (0.6 + 0.7 * t.cumulus)
        tall, middle = wide * rng.uniform(0.25, 0.75), rng.uniform(-1.2, 1.2)
        x = rng.normal(0, 0.42, 36).clip(-1, 1)
        y = rng.random(36) * (1 - x**2) ** 0.7
        radius = wide * rng.uniform(0.1, 0.34, 36) * (1 - 0.55 * np.abs(x)) * (1.1 - 0.5 * y)
        x, y = middle + wide * x, base + tall * y
        ends = ((x - radius).min(), (x + radius).max(), extent[0]), (base, (y + radius).max(), extent[2])
        (left, right), (low, top) = (
            [max(int((c - start) / step), 0) for c in (lo - 0.08, hi + 0.08)] for lo, hi, start in ends
        )
        window = slice(low, top), slice(left, right)
        cu, cv = wu[window], wv[window]
        if min(cu.shape) < 3:
            continue
        body = np.zeros_like(cu)
        for cx, cy, cr in np.c_[x, y, radius].astype(np.float32):
            body = np.maximum(body, cr * cr - (cu - cx) ** 2 - (cv - cy) ** 2)
        body = np.sqrt(body)
        gy, gx = np.gradient(body, step)
        light = (light_from[2] - gx * light_from[0] - gy * light_from[1]) / np.sqrt(1 + gx * gx + gy * gy)
        light = np.clip(0.25 + 0.55 * light + 0.45 * np.clip((cv - base) / (tall + wide * 0.25), 0, 1), 0, 1.15)
        cover = smooth(0.0, 0.035 * wide + 0.004, body) * smooth(-0.006, 0.012 + 0.05 * tall, cv - base)
        rim = np.exp(-14 * (1 - toward[window])) * (1 - 0.8 * smooth(0, 0.1 * wide, body))
        colour = mix(t.cloud_dark, t.cloud_light, light)
        colour += np.array(t.sun, np.float32) * (1.5 * t.glow * rim)[..., None]
        colour = mix(t.haze, colour, np.full_like(cu, 0.95 * smooth(-0.02, 0.2, base) ** 0.5))
        img[window] = mix(img[window], colour, cover)
    return img


def paint_land(ter, t):
    """Images of N x N (rows in increasing z): albedo of the land, colour of the water, kind of ground, surf.

    The kind is 0 snow and loose sand, 0.5 turf and soil, 1 rock: it says which grain the ground gets."""
    rng = np.random.default_rng([t.noise_seed, 3])
    h, slope = ter.height, np.hypot(*np.gradient(ter.height, CELL))
    alt = (h - ter.floor) / max(ter.relief, 0.35)  # low hills do not reach up into the snow
    patches, specks, regions = noise(rng, N, 6, 5, 0.6), noise(rng, N, 36, 3, 0.8), noise(rng, N, 3, 3)
    fine = noise(rng, N, N / 4, 2, 1.0)
    grit = t.grain * np.clip(fine, -2, 2)
    c = np.array(t.grass, np.float32) * (1 + 0.12 * np.clip(specks, -1.5, 1.5) + 0.12 * grit)[..., None]
    bare = 0.75 * smooth(0.3, 1.6, patches + 0.5 * specks + 0.3 * fine + 1.2 * (alt - 0.2))
    if ter.plots.any():
        c, bare = till(t, rng, ter.plots, c), 0.2 * bare
    c = mix(c, t.soil, np.maximum(bare, 0.8 * t.sandy))
    meadow = smooth(0.9, 1.5, noise(rng, N, 12, 3, 0.8) + 0.6 * fine) * t.flowers * (1 - bare)
    c = mix(c, t.flower, 0.6 * meadow)
    canopy = mix(t.forest, t.leaf, t.leafy * smooth(-0.8, 0.8, patches + 0.8 * specks))
    canopy *= 0.55 + 0.5 * rng.random((N, N, 1), dtype=np.float32)
    c = mix(c, canopy, ter.woods * (0.9 if t.tree_scale > 0.6 else 0.35))
    layers = 0.6 * np.sin(h * 95 + 2 * regions) + 0.4 * np.sin(h * 41 + patches) + 0.5 * np.sin(h * 260 + 3 * regions)
    stains = (1 + 0.10 * np.clip(specks + patches, -2, 2) + 0.12 * grit) * (1 + 0.35 * t.strata * layers)
    rock = np.array(t.rock, np.float32) * stains[..., None]
    kind = 0.5 - 0.5 * np.clip(t.sandy + 0.4 * smooth(0.012, 0.002, np.abs(h - ter.water)), 0, 1)
    steep = smooth(0.75, 1.05, slope + 0.12 * specks + 0.08 * fine + 0.6 * smooth(0.35, 0.8, alt) * (slope > 0.3))
    steep *= 1 - 0.15 * ter.woods
    c, kind = mix(c, rock, steep), kind + (1 - kind) * steep
    c = mix(c, t.soil, 0.8 * smooth(0.010, 0.002, np.abs(h - ter.water)))
    holds = smooth(t.snow_cling + 0.2, t.snow_cling - 0.2, slope + 0.14 * specks + 0.1 * fine)
    holds *= 1 - 0.8 * ter.woods * (1 - t.tree_snow)
    holds *= smooth(-0.06, 0.06, alt + 0.06 * patches + 0.04 * specks + 0.02 * fine - t.snowline)
    c, kind = mix(c, t.snow, 0.97 * holds), kind * (1 - holds)
    scales = ((N // 3, 0.006), (N // 8, 0.02), (N // 28, 0.12))
    hollow = sum(np.clip((resize(resize(h, n), N) - h) / depth, -1, 1.5) for n, depth in scales)
    shade = np.clip(1 - 0.14 * hollow, 0.35, 1.25) * (1 - t.dapple * smooth(0.1, 1.0, noise(rng, N, 3, 3)))
    water = mix(t.deep, t.shallow, np.exp(np.minimum(h - ter.water, 0) / 0.012))
    ice = mix(np.multiply(t.snow, (0.6, 0.68, 0.75)), t.snow, smooth(-0.6, 0.8, patches))
    caps = 0.2 * max(t.wind - 0.45, 0) * smooth(0.0, 1.2, specks) * smooth(-0.005, -0.02, h - ter.water)
    surf = np.exp(-np.clip(ter.water - h, 0, 1) / 0.0015) * (0.3 + 0.7 * t.wind) + caps
    lake = water + (ice - water) * smooth(0.35, 0.65, t.ice)
    return c * shade[..., None], lake, kind, np.clip(surf, 0, 1) * t.foam * (1 - t.ice)


def till(t, rng, plots, wild):
    """Colours of tilled ground: each field has one of a few crops of the season."""
    crops = [t.grass, np.multiply(t.grass, 0.65), t.soil, 0.6 * np.add(t.grass, t.leaf), np.multiply(t.soil, 1.25)]
    if t.flowers > 0.25:
        crops.append(t.flower)
    crops = np.array(crops, np.float32)[rng.permutation(len(crops))]
    chosen = (len(crops) * ((plots * 7.31 + rng.random()) % 1)).astype(int)
    return mix(wild, crops[chosen] * (wild / wild.mean((0, 1))).clip(0.6, 1.5), np.full_like(plots, 0.85))
