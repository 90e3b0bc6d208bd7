"""Colour transfer without a network: what a model's hybrids have to beat.

Both take a picture's layout and another's colours: pictures (1, 3, H, W) in [-1, 1], of the structure and of the
texture, of any two sizes; they return (1, 3, H, W) of the structure's size, not clamped.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Linear sRGB to CIE XYZ, whose columns sum to the white point D65 (IEC 61966-2-1).
_TO_XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_BEND = 6 / 29  # where the cube root of CIELAB gives way to a line


def mean_and_deviation(structure: Tensor, texture: Tensor) -> Tensor:
    """The texture's mean and standard deviation of each channel in CIELAB (after Reinhard et al. 2001, Eq. 10, 11)."""
    a, b = to_lab(structure), to_lab(texture)
    (m1, s1), (m2, s2) = ((x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)) for x in (a, b))
    return from_lab((a - m1) / s1.clamp(min=1e-6) * s2 + m2)


def sliced_transport(structure: Tensor, texture: Tensor, steps: int = 20, seed: int = 0) -> Tensor:
    """The texture's whole distribution of colours, by sliced optimal transport (Pitié et al. 2005; Rabin et al. 2011).

    In each step, along three perpendicular random directions in RGB, the sorted colours of one picture take the places
    of the sorted colours of the other."""
    colours, wanted = (picture.flatten(2)[0].clone() for picture in (structure, texture))  # (3, P), (3, Q)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        axes = torch.from_numpy(np.linalg.qr(rng.standard_normal((3, 3)))[0]).to(colours)
        seen, target = axes @ colours, (axes @ wanted).sort(1).values
        if target.shape != seen.shape:
            target = F.interpolate(target[None], seen.shape[1], mode="linear", align_corners=True)[0]
        moved = torch.empty_like(seen).scatter_(1, seen.argsort(dim=1, stable=True), target)
        colours += axes.T @ (moved - seen)
    return colours.reshape(structure.shape)


def to_lab(images: Tensor) -> Tensor:
    """sRGB (N, 3, H, W) in [-1, 1], clamped first -> CIELAB under D65: L in [0, 100], a and b about [-110, 100]."""
    light = (images.clamp(-1, 1) + 1) / 2
    light = torch.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,njhw->nihw", _TO_XYZ.to(light), light) / _white(light)
    x, y, z = torch.where(xyz > _BEND**3, xyz.clamp(min=1e-6) ** (1 / 3), xyz / (3 * _BEND**2) + 4 / 29).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def from_lab(lab: Tensor) -> Tensor:
    """The inverse of `to_lab`; colours that a screen cannot show are clamped into [-1, 1]."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    roots = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(roots > _BEND, roots**3, 3 * _BEND**2 * (roots - 4 / 29)) * _white(lab)
    light = torch.einsum("ij,njhw->nihw", _TO_XYZ.double().inverse().to(lab), xyz).clamp(0, 1)
    light = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=1e-6) ** (1 / 2.4) - 0.055)
    return light * 2 - 1


def _white(like: Tensor) -> Tensor:
    return _TO_XYZ.sum(1).to(like)[:, None, None]
