"""Files of W latents and of directions in W that other programs write.

Latents are what projectors and encoders save: NVIDIA's `projected_w.npz`, rosinality's `.pt`, many a `.npy`.
Directions are InterFaceGAN's boundaries, as e4e, PTI and many others use them, and rosinality's factors (SeFa).
GANSpace's components are principal axes of a generator's w, or of the activations of one of its layers.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.errors import GraftError, refuse

NAMES = ("w", "ws", "dlatents", "latent", "latents", "wp", "w_plus", "projected_w")  # under which programs save w
PICTURE = re.compile(r"\.\w{2,5}$")


def read_latents(path: Path, layers: int, channels: int) -> Tensor:
    """Codes w (N, L, Cw) as float32, for a model with `layers` rows of `channels` numbers.

    The file is a .npy, .npz, .pt or .safetensors of one array, or a list of them, or of one named as in `NAMES`, or has
    one for each picture, in whose order the codes come: {picture: w}, rosinality's {picture: {"latent": w}}, or
    {picture: [w, ...]} of ReStyle, whose last pass is taken. (Cw,) and (N, Cw) are W, and each row is repeated for all
    layers; (N, L, Cw) is W+. A matrix with as many rows as the model has layers, in a file of one picture, is the rows
    of one W+ code, since that is how encoders save it.
    GraftError for any other shape, for z, and for numbers that are not finite."""
    contents = open_contents(path)
    codes = [as_codes(path, item, layers, channels) for item in latent_arrays(contents)]
    w = torch.cat(codes).to(torch.float32, copy=True)
    if not w.isfinite().all():
        raise GraftError(f"{path} holds numbers that are not finite; project the picture again.")
    return w


def latent_arrays(contents: Contents) -> list[Tensor]:
    """The arrays of w in a file: one, or one for each picture."""
    tree, path = contents.tree, contents.path
    if contents.container == "safetensors" and isinstance(tree, dict):
        tree = tree["tensors"]
    found = named_w(tree)
    if isinstance(tree, dict) and found is None:
        if "z" in tree:
            raise GraftError(f"{path} holds z, and codes are w: save what the model's mapping network makes of z.")
        alone = [item.shape for item in tree.values() if isinstance(item, Tensor)]
        found = [of_picture(str(name), named_w(item)) for name, item in tree.items()] if len({*alone}) < 2 else None
    return arrays_in(path, found)


def of_picture(name: str, w: object) -> object:
    """What a picture, or anything else of this name, has as w: of the passes of ReStyle the last."""
    return w[-1] if isinstance(w, list) and w and PICTURE.search(name) else w


def arrays_in(path: Path, item: object) -> list[Tensor]:
    """An array, or all of those in lists of lists."""
    if isinstance(item, list | tuple) and item:
        return [array for part in item for array in arrays_in(path, part)]
    return [require_array(path, item)]


def named_w(tree: object) -> object:
    """What a tree holds as w: itself, or its entry of that name."""
    if not isinstance(tree, dict):
        return tree
    return next((tree[name] for name in NAMES if name in tree), None)


def require_array(path: Path, item: object) -> Tensor:
    if isinstance(item, Tensor) and item.is_floating_point():
        return item
    raise GraftError(
        f"{path} holds no W latents: they are one array of floating-point numbers, one for each picture, or one named "
        f"{', '.join(NAMES)}."
    )


def as_codes(path: Path, w: Tensor, layers: int, channels: int) -> Tensor:
    """W or W+ of any of the shapes in use, as (N, L, Cw)."""
    shape = tuple(w.shape)
    if shape == (channels,):
        return w.expand(1, layers, channels)
    if shape == (layers, channels) and layers > 1:
        return w[None]
    if w.ndim == 2 and shape[1] == channels and len(w):
        return w[:, None].expand(-1, layers, -1)
    if w.ndim == 3 and shape[1:] == (1, channels) and len(w):
        return w.expand(-1, layers, -1)
    if w.ndim == 3 and shape[1:] == (layers, channels) and len(w):
        return w
    raise GraftError(
        f"{path} holds latents of shape {shape}; this model's are (N, {channels}) or (N, {layers}, {channels})."
    )


def read_axes(path: Path, layers: int, channels: int) -> dict[str, Tensor]:
    """Directions in w by name, (Cw,) of unit length, float32, for a model with `layers` rows of `channels` numbers.

    The file is a .npy, .npz, .pt, .pkl or .safetensors of one array, or of several by name: (Cw,), (k, Cw), (k, 1, Cw).
    Or it holds rosinality's factors, the columns of `eigvec`, or GANSpace's components as e4e keeps them, `comp`.
    GraftError for any other shape, for rows that differ from layer to layer, and for numbers without a direction."""
    axes: dict[str, Tensor] = {}
    for name, item in named_axes(open_contents(path)).items():
        if not isinstance(item, Tensor) or not item.is_floating_point():
            raise GraftError(f"{path} holds no directions: they are one array of floating-point numbers, or several.")
        rows = item[0] if item.ndim == 3 and len(item) == 1 else item
        if rows.shape == (layers, channels) and layers > 1 and (rows == rows[0]).all():
            rows = rows[0]
        shape = tuple(rows.shape)
        if shape[-1:] != (channels,) or shape[1:-1] not in ((), (1,)) or shape == (layers, channels):
            raise GraftError(
                f"{path} holds directions of shape {tuple(item.shape)}; this model's are ({channels},) or "
                f"(k, {channels}), the same for all layers."
            )
        rows = rows.reshape(-1, channels).double()
        lengths = rows.norm(dim=1, keepdim=True)
        if not (lengths > 0).all() or not lengths.isfinite().all():
            raise GraftError(f"{path} holds numbers that are no direction ({name}); make it again.")
        called = [name] if len(rows) == 1 else [f"{name} {i + 1}" for i in range(len(rows))]
        axes |= dict(zip(called, (rows / lengths).float(), strict=True))
    return axes


def named_axes(contents: Contents) -> dict[str, object]:
    """The arrays of directions in a file, by their names, or the file's."""
    tree = contents.tree
    if contents.container == "safetensors" and isinstance(tree, dict):
        tree = tree["tensors"]
    if not isinstance(tree, dict) or not tree:
        return {contents.path.stem: tree}
    if isinstance(factors := tree.get("eigvec"), Tensor):
        return {"factor": factors.T if factors.ndim == 2 else factors}
    return {"component": tree["comp"]} if "comp" in tree else {str(name): item for name, item in tree.items()}


@dataclass(frozen=True, eq=False)
class Components:
    """Principal axes that GANSpace found, k of them, the one of largest variance first (Härkönen et al. 2020).

    `w + a * deviations[i] * directions[i]` is w moved a standard deviations along the i-th axis."""

    directions: Tensor  # (k, L, C) of unit length, in the space the generator was fed with; L is 1 for W
    mean: Tensor  # (L, C) in that space
    deviations: Tensor  # (k,) standard deviation of w along each axis; 1 where the space is Z
    activations: Tensor  # (k, ...) the axes in the layer that was analysed; in W itself the same as `directions`
    activation_mean: Tensor  # (...) of that layer
    activation_deviations: Tensor  # (k,) there
    explained: Tensor  # (k,) share of the layer's variance
    random_deviations: Tensor  # (k,) standard deviations along random axes, to compare with


FIELDS = {  # ours -> GANSpace's
    "directions": "lat_comp",
    "mean": "lat_mean",
    "deviations": "lat_stdev",
    "activations": "act_comp",
    "activation_mean": "act_mean",
    "activation_deviations": "act_stdev",
    "explained": "var_ratio",
    "random_deviations": "random_stdevs",
}


def read_components(path: Path) -> Components:
    """GANSpace's .npz of components, as float32. The layer that was analysed stands in the file's name alone.

    GraftError listing arrays that are missing or do not fit together; further ones are left alone."""
    tree = open_contents(path).tree
    found = tree if isinstance(tree, dict) else {}
    wanted = {name: found.get(theirs) for name, theirs in FIELDS.items()}
    arrays = {name: item.to(torch.float32, copy=True) for name, item in wanted.items() if isinstance(item, Tensor)}
    missing = [f"{FIELDS[name]} is missing" for name in FIELDS if name not in arrays]
    refuse(path, "holds no components of GANSpace", missing)
    for name in ("directions", "mean"):  # a batch dimension of one, unless there are rows for layers
        space = arrays[name].ndim - (name == "directions")
        arrays[name] = arrays[name].unsqueeze(-2) if space == 1 else arrays[name]
    refuse(path, "holds components that do not fit together", misfits(arrays))
    return Components(**arrays)


def misfits(arrays: dict[str, Tensor]) -> list[str]:
    """What contradicts the shapes that `Components` documents."""
    directions, activations = arrays["directions"], arrays["activations"]
    count = len(directions) if directions.ndim == 3 else 0
    if not count or not directions.numel():
        return [f"lat_comp is {tuple(directions.shape)}, not (k, L, C)"]
    axis, place = tuple(directions.shape[1:]), tuple(activations.shape[1:])
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(arrays, (count,))
    wanted |= {
        "directions": (count, *axis),
        "mean": axis,
        "activations": (count, *place),
        "activation_mean": place,
    }
    return [
        f"{FIELDS[name]} is {tuple(arrays[name].shape)}, not {shape}"
        for name, shape in wanted.items()
        if tuple(arrays[name].shape) != shape
    ]
