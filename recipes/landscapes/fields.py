"""Ranges to draw from, colours, and periodic noise: what structures and textures are made with."""

import dataclasses
import functools

import numpy as np
from PIL import Image


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
