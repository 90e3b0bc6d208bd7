"""A StyleGAN2 for pictures of another size or shape, which fine-tuning then learns to use.

wide = resize_model(graftlab.load("alpine-128", StyleGAN2), size=256, aspect=(2, 1))
wide.save("wide.safetensors")
"""

from dataclasses import replace

import torch
import torch.nn.functional as F

from graftlab.blending.blend import INHERITED
from graftlab.config import StyleGAN2Config
from graftlab.errors import GraftError
from graftlab.networks.model import fingerprint
from graftlab.networks.stylegan2 import StyleGAN2


@torch.no_grad()
def resize_model(
    model: StyleGAN2,
    size: int | None = None,  # larger side of the pictures, pixels; None: by as many blocks as there are
    aspect: tuple[int, int] | None = None,  # width and height in proportion; None: as they are
    seed: int = 0,  # of the weights of blocks that are new
) -> StyleGAN2:
    """The same network with more blocks, or fewer, on a learned constant that is stretched.

    New blocks add nothing to the picture yet (progressive growing: Karras et al. 2018), so it is the old one enlarged;
    without the last blocks it is what the earlier ones draw (StyleGAN2, Fig. 7b). Constant noise is repeated where
    there is more. GraftError for sizes that no number of blocks makes, and shapes that the constant cannot have."""
    if type(model) is not StyleGAN2:
        raise GraftError(f"{model.name or 'The model'} is {model.title}, whose size cannot change; resize its parts.")
    known = model.config
    height, width = constant = _stretched(known.constant, aspect)
    blocks = len(known.channels) if size is None else 1
    while size is not None and max(constant) * 2 ** (blocks - 1) < size:
        blocks += 1
    if size is not None and max(constant) * 2 ** (blocks - 1) != size:
        raise GraftError(f"From {width} x {height} pixels each block doubles, which never makes {size} (--size).")
    channels, judging = (_continued(each, blocks) for each in (known.channels, known.discriminator_channels))
    config: StyleGAN2Config = replace(known, channels=channels, discriminator_channels=judging, constant=constant)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = StyleGAN2(config)
    state, old = made.state_dict(), model.state_dict()
    for name, tensor in state.items():
        if name == "synthesis.constant":
            tensor.copy_(F.interpolate(old[name][None], constant, mode="bilinear", align_corners=False)[0])
        elif name.endswith(".noise") and name in old:
            times = [-(-want // have) for want, have in zip(tensor.shape, old[name].shape, strict=True)]
            tensor.copy_(old[name].repeat(*times)[: tensor.shape[0], : tensor.shape[1]])
        elif name in old:
            tensor.copy_(old[name])
        elif name.endswith(".to_rgb.weight"):
            tensor.zero_()
    inherited = {name: model.about[name] for name in (*INHERITED, "class_names") if name in model.about}
    before = {"ancestors": sorted(model.ancestors)} if model.ancestors else {}
    made.about = {**inherited, **({"parent": model.fingerprint} if model.fingerprint else {}), **before}
    made.fingerprint, made.name = fingerprint(state), model.name
    return made.eval().requires_grad_(False).to(next(model.parameters()).device)


def _stretched(constant: tuple[int, int], aspect: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a constant whose shorter side stays."""
    if aspect is None:
        return constant
    width, height = aspect
    shorter = min(constant)
    if min(aspect) < 1 or (shorter * max(aspect)) % min(aspect):
        raise GraftError(
            f"With {shorter} pixels a side the constant cannot be {width}:{height}; choose another --aspect, as 3:2."
        )
    longer = shorter * max(aspect) // min(aspect)
    return (shorter, longer) if width >= height else (longer, shorter)


def _continued(channels: tuple[int, ...], blocks: int) -> tuple[int, ...]:
    """As many as there are blocks: the first of them, or more that halve."""
    while channels and len(channels) < blocks:
        channels = (*channels, max(1, channels[-1] // 2))
    return channels[:blocks]
