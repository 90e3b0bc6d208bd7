"""A structure and a texture together: the POV-Ray scene, and the picture that POV-Ray makes of it."""

import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from fields import resize, smooth
from PIL import Image
from structure import NEAR, TILE, terrain
from texture import paint_land, paint_sky

HDR = 8.0  # linear radiance at full scale of POV-Ray's 16-bit output
# Lay an image of the unit square on the terrain tile, and undo that for the patterns that it chooses between.
PLACE = f"rotate x*90 scale <{TILE},1,{TILE}> translate <{-TILE / 2},0,{NEAR}>"
UNPLACE = f"translate <{TILE / 2},0,{-NEAR}> scale <{1 / TILE},1,{1 / TILE}> rotate x*-90"


def vec(c):
    return "<{:.4f},{:.4f},{:.4f}>".format(*c)


# ---------------------------------------------------------------------------------- trees, boulders, tufts as meshes


def mesh(triangles):
    return "mesh { " + "".join("triangle{" + "".join(map(vec, corners)) + "}" for corners in triangles) + " }"


@functools.cache
def tree_mesh(kind, variant):
    """Crown and trunk of a tree of unit height as two POV-Ray meshes."""
    rng, tri = np.random.default_rng([7, variant]), []
    trunk = [((-0.02, 0, 0), (0.02, 0, 0), (0, 0.7, 0)), ((0, 0, -0.02), (0, 0, 0.02), (0, 0.7, 0))]
    if kind == "Fir":
        tiers, m = 13, 12
        for k in np.linspace(0, 1, tiers):  # tiers of drooping, jagged boughs
            a, jag = np.arange(2 * m) * np.pi / m + rng.uniform(0, 1), np.arange(2 * m) % 2
            r = (0.19 * (1 - k) ** 0.85 + 0.015) * (1 - 0.6 * jag) * rng.uniform(0.6, 1.25, 2 * m)
            ring = np.c_[r * np.cos(a), 0.06 + 0.84 * k + 0.05 * jag + rng.uniform(-0.025, 0.02, 2 * m), r * np.sin(a)]
            top = (0, 0.06 + 0.84 * k + 0.13 * (1.15 - 0.5 * k), 0)
            tri += [(top, ring[i], ring[(i + 1) % (2 * m)]) for i in range(2 * m)]
    elif kind == "Palm":
        for a in np.arange(13) * 2.399 + rng.uniform(0, 6):  # fronds: an arch of leaflets on either side
            lift, out = rng.uniform(-0.1, 0.5), np.array((np.cos(a), 0, np.sin(a)))
            across, s = np.array((-out[2], 0, out[0])), np.linspace(0, 1, 6)
            spine = (0, 0.86, 0) + 0.33 * s[:, None] * out + np.outer(0.3 * lift * s - 0.32 * s**2, (0, 1, 0))
            for i in range(5):
                for side in (-1, 1):
                    tip = 0.5 * (spine[i] + spine[i + 1]) + side * 0.1 * (1 - 0.5 * s[i]) * across - (0, 0.05, 0)
                    tri.append((spine[i], spine[i + 1], tip + 0.03 * out))
        trunk = [((-0.016, 0, 0), (0.016, 0, 0), (0.03, 0.88, 0)), ((0, 0, -0.016), (0, 0, 0.016), (0.03, 0.88, 0))]
    else:
        # A crown of leafy clumps; each leaf is a small triangle near the surface of its clump.
        flat, clumps, leaves = (0.3, 9, 50) if kind == "Acacia" else (0.8, 14, 46)
        if kind == "Big":
            clumps, leaves = 34, 100
        p = rng.standard_normal((clumps, 3))
        p *= (rng.uniform(0.35, 1.0, clumps) / np.linalg.norm(p, axis=1))[:, None]
        p = p * (0.30, 0.36 * flat, 0.30) + (0, 0.86 - 0.28 * flat, 0)
        size = 0.11 if kind == "Big" else 0.15
        for q in p:
            d = rng.standard_normal((leaves, 3))
            d *= (rng.uniform(0.6, 1.0, leaves) / np.linalg.norm(d, axis=1))[:, None]
            tri += list((q + size * d * (1, 0.75 * max(flat, 0.5), 1))[:, None]
                        + (0.016 if kind == "Big" else 0.034) * rng.standard_normal((leaves, 3, 3)))  # fmt: skip
            w = 0.006
            trunk.append(((-w, 0.3, 0), (w, 0.3, 0), tuple(q)))
        trunk += [((-0.03, 0, 0), (0.03, 0, 0), (0, 0.8, 0)), ((0, 0, -0.03), (0, 0, 0.03), (0, 0.8, 0))]
    return mesh(tri), mesh(trunk)


@functools.cache
def rock_mesh(variant):
    """A boulder of unit size, its faces cut flat here and there."""
    rng = np.random.default_rng([8, variant])
    n, m = 10, 18
    a, b = np.meshgrid(np.arange(m) * 2 * np.pi / m, np.linspace(-np.pi / 2, np.pi / 2, n))
    p = np.stack([np.cos(b) * np.cos(a), np.sin(b), np.cos(b) * np.sin(a)], -1)
    cuts = rng.standard_normal((11, 3))
    cuts /= np.linalg.norm(cuts, axis=1)[:, None]
    reach = np.where((p @ cuts.T) > 0.05, rng.uniform(0.5, 0.85, 11) / np.maximum(p @ cuts.T, 0.05), 9).min(-1)
    bumps = 0.02 * rng.standard_normal((n, m))
    bumps[0] = bumps[-1] = 0
    p = p * (np.minimum(reach, 1.0) + bumps)[..., None] * (1, rng.uniform(0.55, 0.85), rng.uniform(0.7, 1.1))
    tri = []
    for i in range(n - 1):
        for j in range(m):
            k = (j + 1) % m
            tri += [(p[i, j], p[i, k], p[i + 1, j])] if i < n - 2 else []
            tri += [(p[i, k], p[i + 1, k], p[i + 1, j])] if i else []
            if i == n - 2:
                tri.append((p[i, j], p[i, k], p[i + 1, j]))
    return mesh(tri)


@functools.cache
def tuft_mesh(variant):
    """Blades of a tuft of unit height, and its flowers."""
    rng, blades, heads = np.random.default_rng([9, variant]), [], []
    for _ in range(16):
        foot = np.array((rng.normal(0, 0.35), -0.1, rng.normal(0, 0.35)))
        tip = np.add(foot, (rng.normal(0, 0.25), rng.uniform(0.55, 1.15), rng.normal(0, 0.2)))
        half = np.array((0.035, 0, 0))
        blades.append((foot - half, foot + half, tip))
        if rng.random() < 0.35:
            heads += [(tip - 3 * half, tip + 3 * half, np.add(tip, (0, s, 0))) for s in (0.13, -0.1)]
    return mesh(blades), mesh(heads)


def plant_pov(ter, t):
    """POV-Ray declarations of the trees, boulders and tufts in three shades, and one object for each of them."""
    out, edge = [], 0.95 - 0.6 * t.tree_snow
    dark, light = 1 - 0.5 * min(t.grain, 1.2), 1 + 0.5 * t.grain
    bark = np.add(np.multiply(t.soil, 0.25), 0.02)
    kinds = ["Fir", "Oak"] + ["Palm"] * (t.palms > 0) + ["Acacia"] * (t.umbrellas > 0)
    for i, tone in enumerate((0.75, 1.0, 1.3)):
        for kind in [*kinds, *(["Big"] if len(ter.big) and i == 1 else [])]:
            colour = np.multiply(t.forest if kind == "Fir" else t.leaf, tone)
            lit = t.snow if t.tree_snow else light * colour
            needles = (
                f"[0.2 rgb {vec(dark * colour)}] [{edge - 0.25:.3f} rgb {vec(colour)}]"
                f" [{edge + 0.25:.3f} rgb {vec(lit)}]"
            )
            crown, trunk = tree_mesh(kind, i)
            out.append(
                f"#declare {kind}{i} = union {{ object {{ {crown} pigment {{ bozo color_map {{ {needles} }}"
                f" scale {0.02 if kind == 'Big' else 0.04} }} finish {{ ambient 1 diffuse 0.9 }} double_illuminate }}"
                f" object {{ {trunk} pigment {{ rgb {vec(bark)} }} finish {{ ambient 1 diffuse 0.9 }} }} }}"
            )
    for x, y, z, size, kind, shade in ter.trees:
        name, squat = "Fir", 1.0
        if kind < t.leafy:
            pick = shade * 613 % 1
            name, squat = ("Palm", 1.0) if pick < t.palms else ("Oak", 0.75)
            if name == "Oak" and shade * 271 % 1 < t.umbrellas:
                name, squat = "Acacia", 0.6
        wide = 1.1 * size * t.tree_scale
        out.append(
            f"object {{ {name}{int(3 * shade)} scale <{wide:.4f},{squat * size * t.tree_scale:.4f},{wide:.4f}> "
            f"rotate y*{shade * 997 % 360:.0f} translate {vec((x, y, z))} }}"
        )
    for x, y, z, size, kind, shade in ter.big:
        name = "Big1" if kind < max(t.leafy, 0.5) else "Fir1"
        if name == "Big1" and kind < 0.5 * t.palms:
            name = "Palm1"
        out.append(
            f"object {{ {name} scale {size:.5f} rotate y*{shade * 360:.0f} translate <{x:.5f},{y:.5f},{z:.5f}> }}"
        )
    return "\n".join(out) + boulders_pov(ter, t) + tufts_pov(ter, t)


def boulders_pov(ter, t):
    """POV-Ray objects of the boulders: rock with grain and cracks, snow on top where the ground has it."""
    if not len(ter.rocks):
        return ""
    out, rock = [], np.array(t.rock)
    stone = (
        f"granite color_map {{ [0 rgb {vec(rock * (1 - 0.6 * min(t.grain, 1.4)))}] [0.3 rgb {vec(rock)}]"
        f" [0.7 rgb {vec(rock * (1 + 0.45 * t.grain))}] }} scale 0.6 translate 7"
    )
    skin = f"pigment {{ {stone} }}"
    if smooth(0.1, -0.05, t.snowline) > 0.5:
        skin = f"pigment {{ slope y pigment_map {{ [0.62 {stone}] [0.72 rgb {vec(t.snow)}] }} }}"
    for i in range(5):
        out.append(
            f"#declare Rock{i} = object {{ {rock_mesh(i)} texture {{ {skin} normal {{ granite {0.5 * t.grain:.2f}"
            f" scale 0.5 }} finish {{ ambient 1 diffuse 1 }} }} texture {{ pigment {{ crackle color_map {{"
            f" [0 rgbt <0,0,0,{1 - 0.8 * t.cracks:.2f}>] [0.05 rgbt <0,0,0,1>] }} turbulence 0.4 scale 0.6 }} }} }}"
        )
    for x, y, z, size, shape, turn in ter.rocks:
        out.append(
            f"object {{ Rock{int(5 * shape)} scale {size:.5f} rotate y*{360 * turn:.0f}"
            f" translate <{x:.5f},{y:.5f},{z:.5f}> }}"
        )
    return "\n" + "\n".join(out)


def tufts_pov(ter, t):
    """POV-Ray objects of the tufts that grow in this texture, some of them in flower."""
    grown = ter.tufts[ter.tufts[:, 4] < t.growth]
    if not len(grown):
        return ""
    out, grass = [], 0.8 * np.array(t.grass) + 0.2 * np.array(t.leaf)
    if t.snowline < 0.1:
        grass = 0.5 * np.array(t.soil) + 0.1  # dry stalks in the snow
    for i, tone in enumerate((0.55, 0.95, 1.45)):
        blades, heads = tuft_mesh(i)
        finish = "finish { ambient 1 diffuse 1 }"
        paint = f"pigment {{ rgb {vec(np.clip(tone * grass, 0, 1))} }} {finish}"
        out.append(f"#declare Tuft{i} = object {{ {blades} {paint} double_illuminate }}")
        out.append(
            f"#declare Bloom{i} = union {{ object {{ Tuft{i} }}"
            f" object {{ {heads} pigment {{ rgb {vec(t.flower)} }} {finish} double_illuminate }} }}"
        )
    for x, y, z, size, _, shade in grown:
        name = "Bloom" if shade * 733 % 1 < 0.6 * t.flowers else "Tuft"
        out.append(
            f"object {{ {name}{int(3 * shade)} scale {size * t.tuft_size:.6f} rotate y*{shade * 997 % 360:.0f}"
            f" translate <{x:.5f},{y:.5f},{z:.5f}> }}"
        )
    return "\n" + "\n".join(out)


# --------------------------------------------------------------------------------------------------------------- scene


def sky_extent(structure):
    """Left, right, bottom and top, on the plane z = 1, of the sky that the frame shows or the water mirrors."""
    pitch, half = np.radians(terrain(structure).pitch), np.tan(np.radians(structure.fov / 2))
    ahead = [np.cos(pitch) - np.sin(pitch) * y * half for y in (-1, 1)]
    up = [np.sin(pitch) + np.cos(pitch) * y * half for y in (-1, 1)]
    wide = 1.08 * half / min(min(ahead), 1.0)
    return -wide, wide, -0.06, 0.05 + 1.02 * max(up[1] / ahead[1], -up[0] / ahead[0])


def ground(structure, t):
    """POV-Ray text of the land's texture: its image, with a grain for each kind of ground, fine at any distance.

    Every grain is a list along the distance z (km) of one pattern whose size grows with z."""
    levels = ((0.006, 0.8), (0.02, 1), (0.06, 1), (0.18, 0.9), (0.5, 0.8), (1.5, 0.7), (4, 0.5))
    eye = structure.camera_height / 1000
    g, clear = t.grain, "rgbt <0,0,0,1>"

    def along(pattern):
        # The ground is seen at a grazing angle: spots that are longer by `long` look round.
        texts = (pattern(z / 8, a, float(np.clip(0.4 * z / eye, 1, 4))) for z, a in levels)
        return " ".join(f"[{z / 8:.5f} {text}]" for (z, _), text in zip(levels, texts, strict=True))

    def black(opacity):
        return f"rgbt <0,0,0,{1 - min(opacity, 0.9):.3f}>"

    def lit(colour, opacity):
        return f"rgbt <{','.join(f'{c:.3f}' for c in np.clip(colour, 0, 1))},{1 - min(opacity, 0.9):.3f}>"

    def size(*sides):
        return f"scale <{','.join(f'{side:.7f}' for side in sides)}>"

    bands, tilt = 0.2 + 0.6 * t.strata, f"rotate z*{30 * t.dip:.1f}"
    pale_grass, pale_rock = np.multiply(t.grass, 1.9), np.multiply(t.rock, 1.7)
    turf = along(lambda z, a, long: f"granite color_map {{ [0.08 {black(0.95 * g * a)}] [0.27 {clear}] [0.33 {clear}]"
                 f" [0.55 {lit(pale_grass, 0.7 * g * a)}] }} {size(0.15 * z, 0.15 * z, 0.15 * z * long)}")  # fmt: skip
    cracks = along(lambda z, a, _: f"crackle color_map {{ [0 {black(0.9 * t.cracks * a)}]"
                   f" [0.05 {black(0.35 * t.cracks)}] [0.2 {clear}] }} turbulence 0.5"
                   f" {size(0.09 * z, 0.06 * z, 0.09 * z)} {tilt}")  # fmt: skip
    layers = along(lambda z, a, _: f"gradient y color_map {{ [0 {black(bands * a)}] [0.35 {clear}] [0.6 {clear}]"
                   f" [0.8 {lit(pale_rock, 0.7 * bands * a)}] [1 {black(bands * a)}] }} turbulence 0.3 octaves 4"
                   f" {size(0.2 * z, 0.05 * z, 0.2 * z)} {tilt}")  # fmt: skip
    soft = along(lambda z, a, long: f"wrinkles color_map {{ [0.2 {black(0.3 * g * a)}] [0.6 {clear}] }}"
                 f" {size(0.08 * z, 0.04 * z, 0.025 * z * long)}")  # fmt: skip
    crag = along(lambda z, a, _: f"granite {0.8 * a * g:.3f} {size(0.16 * z, 0.16 * z, 0.16 * z)}")
    lumps = along(lambda z, a, long: f"granite {0.5 * a * g:.3f} {size(0.15 * z, 0.15 * z, 0.15 * z * long)}")
    ripple = along(lambda z, a, long: f"gradient z {1.3 * a * t.ripples:.3f} sine_wave turbulence 0.35 octaves 3"
                   f" lambda 2.5 {size(0.12 * z, 0.05 * z, 0.025 * z * long)} rotate y*{80 * t.dip:.1f}")  # fmt: skip
    kind = 'image_pattern { pgm "kind.pgm" interpolate 2 }'

    def listed(what, entries):
        return f"gradient z {what}_map {{ {entries} }} scale 8 {UNPLACE}"

    def by_kind(what, *grains):
        # image_pattern is placed like the images; the lists keep their own size by undoing that.
        sand, turf, rock = (listed(what, grain) for grain in grains)
        return f"{kind} {what}_map {{ [0.1 {sand}] [0.45 {turf}] [0.6 {turf}] [0.95 {rock}] }} {PLACE}"

    finish = "finish { ambient 1 diffuse 1 }"
    return f"""
 texture {{ pigment {{ image_map {{ ppm "land.ppm" gamma 2 interpolate 2 }} {PLACE} }}
  normal {{ {by_kind("normal", ripple, lumps, crag)} }} {finish} }}
 texture {{ pigment {{ {by_kind("pigment", soft, turf, layers)} }} {finish} }}
 texture {{ pigment {{ {kind} pigment_map {{ [0.6 {clear}]
  [0.9 {listed("pigment", cracks)}] }} {PLACE} }} {finish} }}"""


def scene(structure, texture, extent=None):
    """POV-Ray source text; it reads height.pgm, kind.pgm, surf.pgm, land.ppm, lake.ppm, sky.ppm from its own folder."""
    t, ter = texture, terrain(structure)
    extent = extent or sky_extent(structure)
    lo, hi = float(ter.height.min()), float(ter.height.max())
    sky = 0.8 * np.array(t.zenith) + 0.2 * np.array(t.haze)
    sky = t.ambient * (0.7 * sky + 0.3 * sky.mean()) / HDR
    haze, frozen = np.array(t.haze) / HDR, float(smooth(0.35, 0.65, t.ice))
    lake = mist = far = ""
    if structure.lake:
        lake = water(ter, t, frozen)
    if t.mist > 0.05:
        mist = f"""fog {{ fog_type 2 distance {0.9 / t.mist:.3f} rgb {vec(0.95 * haze)}
 fog_offset {ter.floor + 0.004:.4f} fog_alt {0.012 + 0.02 * t.mist:.4f} turbulence 0.3 }}"""
    if structure.place not in ("coast", "islands"):  # mountains beyond the tile; the open sea has none
        behind = f"<1.5,{0.1 * lo:.4f},{2.4 * (TILE + NEAR) - 0.1:.3f}>"
        far = f"object {{ Land scale <-2.2,0.9,-1.4> translate {behind} }}"
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
 scale <{extent[1] - extent[0]:.5f},{extent[3] - extent[2]:.5f},1> translate <{extent[0]:.5f},{extent[2]:.5f},1>
 scale 60 translate y*{ter.eye:.5f} }}
#declare Land = height_field {{ pgm "height.pgm" smooth
 scale <{TILE},{hi - lo:.5f},{TILE}> translate <{-TILE / 2},{lo:.5f},{NEAR}> {ground(structure, t)} }}
object {{ Land }}
{far}
plane {{ y, {lo - 0.01:.5f} pigment {{ rgb {vec(t.soil)} }} finish {{ ambient 1 diffuse 1 }} }}
{lake}
{plant_pov(ter, t)}
"""


def water(ter, t, frozen):
    """POV-Ray text of the water's surface: waves equally fine at all distances, and foam near shores and on crests."""
    reach, ripple = max(ter.eye - ter.water, 0.002), 0.02 + 0.18 * t.wind * (1 - t.ice)
    levels = ((0.007, 1), (0.02, 1), (0.06, 1), (0.2, 0.8), (0.7, 0.6), (3, 0.35))
    waves = " ".join(
        f"[{z / 8:.5f} bumps {ripple * a:.3f} turbulence 0.3 octaves 2 scale <{0.012 * z:.7f},{flat:.7f},{flat:.7f}>]"
        for z, a in levels
        for flat in [0.005 * z * min(1, z / reach)]
    )
    surf = ""
    if t.foam * (1 - t.ice) > 0.05:

        def foam(limit):
            # Foam shows where the noise is above the limit.
            spots = " ".join(
                f"[{z / 8:.5f} granite color_map {{ [{limit:.2f} rgbt <1,1,1,1>]"
                f" [{limit + 0.12:.2f} rgbt <.9,.93,.95,.1>] }}"
                f" scale <{0.03 * z:.7f},{0.01 * z:.7f},{0.01 * z * min(max(z / reach, 1), 5):.7f}>]"
                for z, _ in levels
            )
            return f"gradient z pigment_map {{ {spots} }} scale 8 {UNPLACE}"

        surf = f"""texture {{ pigment {{ image_pattern {{ pgm "surf.pgm" interpolate 2 }} pigment_map {{
 [0.06 rgbt <1,1,1,1>] [0.35 {foam(0.5)}] [1 {foam(0.32)}] }} {PLACE} }} finish {{ ambient 0.8 diffuse 0.8 }} }}"""
    return f"""plane {{ y, {ter.water:.5f} hollow
 texture {{ pigment {{ image_map {{ ppm "lake.ppm" gamma 2 interpolate 2 }} {PLACE} }}
 normal {{ gradient z normal_map {{ {waves} }} scale 8 }}
 finish {{ ambient 0.6 diffuse 0.6 specular {0.5 - 0.5 * frozen:.3f} roughness 0.006
  reflection {{ 0.03, {0.95 - 0.75 * frozen:.3f} fresnel on }} conserve_energy }} }}
 {surf} interior {{ ior 1.33 }} }}"""


# -------------------------------------------------------------------------------------------------------------- render


def write_pnm(path, a, depth):
    """Save an image in 0..1 (rows from the bottom up) as binary PGM or PPM with 8- or 16-bit samples."""
    a = (np.clip(a[::-1], 0, 1) * (2**depth - 1) + 0.5).astype(f">u{depth // 8}")
    data = bytearray(a.tobytes())
    if data[0] in b"\t\n\v\f\r #":  # POV-Ray would take such a first sample for part of the header
        data[0] += 6
    Path(path).write_bytes(b"P%d\n%d %d\n%d\n" % (a.ndim + 3, a.shape[1], a.shape[0], 2**depth - 1) + data)


def develop(x, exposure, contrast=1.0, saturation=1.0):
    """Linear radiance (rows from the top) to an 8-bit picture: bloom, exposure, filmic curve, sRGB, grading."""
    size = len(x)
    glare = np.clip(x - 1, 0, None)
    if glare.any():
        x = x + 0.5 * np.stack([resize(resize(glare[..., i], size // 12), size) for i in range(3)], -1).clip(0)
    x = exposure * (0.14 * x.mean(-1, keepdims=True) + 0.86 * x)
    x = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    grey = x.mean(-1, keepdims=True)
    x = np.clip(grey + saturation * (x - grey), 0, 1)
    # An S-curve that keeps black and white; the part of a smoothstep in it gives the contrast.
    x = np.clip(x + (contrast - 1) * (x * x * (3 - 2 * x) - x), 0, 1)
    return Image.fromarray((255 * x + 0.5).astype(np.uint8))


def render(structure, texture, size=128):
    """Render a structure with a texture as a size x size PIL image."""
    ter, extent = terrain(structure), sky_extent(structure)
    land, lake, kind, surf = paint_land(ter, texture)
    lo, hi = ter.height.min(), ter.height.max()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        write_pnm(tmp / "height.pgm", (ter.height - lo) / (hi - lo), 16)
        write_pnm(tmp / "land.ppm", np.sqrt(np.clip(land, 0, 1)), 8)
        write_pnm(tmp / "lake.ppm", np.sqrt(lake[::2, ::2]), 8)
        write_pnm(tmp / "kind.pgm", kind, 8)
        write_pnm(tmp / "surf.pgm", surf, 8)
        write_pnm(tmp / "sky.ppm", paint_sky(texture, extent, int(1.35 * size)) / HDR, 16)
        (tmp / "scene.pov").write_text(scene(structure, texture, extent))
        command = f"povray +Iscene.pov +Oout.ppm +FP16 File_Gamma=1.0 +W{size} +H{size} +A0.08 +AM2 +R2 -D -GA +WT1"
        done = subprocess.run(command.split(), cwd=tmp, capture_output=True)
        if done.returncode or not (tmp / "out.ppm").exists():
            raise RuntimeError("povray failed:\n" + done.stderr.decode(errors="replace")[-1000:])
        data = (tmp / "out.ppm").read_bytes()[-6 * size * size :]
    data = np.frombuffer(data, ">u2").reshape(size, size, 3) * (HDR / 65535)
    return develop(data, texture.exposure, texture.contrast, texture.saturation)
