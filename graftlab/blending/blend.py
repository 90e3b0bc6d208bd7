"""Several networks with the same layers become one: layer swap, interpolation, and everything between.

blended = blend(a, b, layer_swap(32))
blended.save(path)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from graftlab.blending.layers import Layer, layers_of
from graftlab.blending.weights import Share, interpolate, layer_swap, pair
from graftlab.errors import GraftError
from graftlab.networks.alike import adopt as adopt
from graftlab.networks.alike import check_alike
from graftlab.networks.model import Network, fingerprint

ModelT = TypeVar("ModelT", bound=Network)
INHERITED = ("trained_on", "licence")
SHRUNK = 0.9  # of the spread of constant noise, below which a blend is told to be softer
ROUNDING = 1e-5  # by which shares may miss a sum of 1


def blend(
    a: ModelT,
    b: ModelT,
    weight: Callable[[Layer], Share] | float,  # the share of B in each tensor, or in all: `weights`
    into: ModelT | None = None,  # a model of the same kind to overwrite, for who draws many blends; None: a new one
) -> ModelT:
    """A model between two: every tensor, buffers too, is A's, B's, or a straight line's through both.

    Neither is changed; where the share is 0 or 1, or both are the same, so is the outcome, bit for bit. Precision and
    configuration are A's, and so is the device. GraftError if the models differ in more than their weights, or the
    rule names a resolution that they do not have."""
    return blend_many([a, b], pair(weight if callable(weight) else interpolate(weight)), into)


@torch.no_grad()
def blend_many(
    models: Sequence[ModelT],
    shares: Callable[[Layer], Sequence[Share]],  # of every model in each tensor, which sum to 1: `weights.matrix`
    into: ModelT | None = None,
) -> ModelT:
    """The same of any number of models. GraftError also for shares that are not as many, or do not sum to 1."""
    if not models:
        raise GraftError("There are no models to blend.")
    check_alike(*models, *([] if into is None else [into]))
    if any(model is into for model in models):
        raise GraftError("A blend cannot be written into one of the models that it is made of.")
    first = models[0]
    states, layers = [model.state_dict() for model in models], layers_of(first)
    check_resolutions(shares, layers)
    if into is None:
        made = {layer.name: mixed(layer, states, shares(layer)) for layer in layers}
        with torch.device("meta"):
            into = type(first)(first.config)  # type: ignore[call-arg]  # each kind takes its own
        into.load_state_dict(made, assign=True)
        into.precision = first.precision
    else:
        target = into.state_dict()
        for layer in layers:
            target[layer.name].copy_(mixed(layer, states, shares(layer)))
    into.fingerprint, into.about = fingerprint(into.state_dict()), lineage(models, shares)
    return into.eval().requires_grad_(False)


def swapped(a: ModelT, others: Mapping[str, ModelT], levels: Sequence[int]) -> dict[str, ModelT]:
    """Layer swaps of a model with others, by their names, up to each of some resolutions, which their names tell."""
    return {f"{name}-{level}": blend(a, other, layer_swap(level)) for name, other in others.items() for level in levels}


def check_resolutions(rule: Callable[[Layer], Any], layers: Sequence[Layer]) -> None:
    """GraftError if a rule names a resolution that none of the layers has."""
    known = sorted({layer.resolution for layer in layers})
    for resolution in getattr(rule, "resolutions", ()):
        if resolution not in known:
            raise GraftError(
                f"This network has no layers of {resolution} pixels, only of {', '.join(map(str, known))}; name one of "
                "those."
            )


def lineage(models: Sequence[Network], rule: Callable[[Layer], Any]) -> dict[str, Any]:
    """What a blend tells about itself (`about`): licence and training data as far as its parents' are known, their
    fingerprints and names in order, the fingerprints of their own parents if any, and the rule."""
    parents = [model.fingerprint for model in models]
    known = {name: dict.fromkeys(str(model.about.get(name, "unknown")) for model in models) for name in INHERITED}
    inherited = {name: " and ".join(values) for name, values in known.items() if list(values) != ["unknown"]}
    before = sorted(frozenset().union(*(model.ancestors for model in models)).difference(parents))
    about: dict[str, Any] = {**inherited, "parents": parents, "parent_names": [model.name for model in models]}
    about["blend"] = dict(getattr(rule, "about", {}))
    if classes := models[0].about.get("class_names"):
        about["class_names"] = classes
    return about | ({"ancestors": before} if before else {})


def doubt_noise(models: Sequence[Network], shares: Callable[[Layer], Sequence[Share]]) -> str:
    """A sentence if a rule mixes constant noise that is unlike, whose spread shrinks; else nothing.

    Independent noise of spread 1 has one of 0.71 halfway. Fine-tuned copies have the same noise as their parent."""
    states = [model.state_dict() for model in models]
    spreads = []
    for layer in layers_of(models[0]):
        if layer.role == "noise":
            row = shares(layer)
            whole = sum(
                float(state[layer.name].std()) * abs(float(torch.as_tensor(share).max()))
                for state, share in zip(states, row, strict=True)
            )
            spreads.append(float(mixed(layer, states, row).std()) / max(whole, 1e-9))
    if not spreads or (least := min(spreads)) > SHRUNK:
        return ""
    return (
        f"The constant noise of these networks is unlike, and mixed it has {least:.2f} of its spread, which softens "
        "details; take that of one (graft blend --noise a)."
    )


def mixed(layer: Layer, states: Sequence[dict[str, Tensor]], shares: Sequence[Share]) -> Tensor:
    """One tensor of the blend, which shares no memory with the models'."""
    if len(shares) != len(states):
        raise GraftError(f"{len(states)} models need as many shares at {layer.resolution} pixels, not {len(shares)}.")
    total = torch.as_tensor(sum(shares))
    if not bool(((total - 1).abs() <= ROUNDING).all()):
        raise GraftError(
            f"At {layer.resolution} pixels ({layer.name}) the shares sum to {total.flatten()[0].item():g}; make every "
            "row sum to 1."
        )
    whole = states[0][layer.name]
    tensors = [state[layer.name].to(whole) for state in states]
    used = [
        (tensor, _fitted(share, tensor, layer))
        for tensor, share in zip(tensors, shares, strict=True)
        if torch.as_tensor(share).any()
    ]
    (start, _), *others = used
    if all(torch.equal(start, tensor) for tensor, _ in others):
        return start.clone()
    if len(used) == 2:  # which is exact at both ends
        (tensor, share), *_ = others
        return torch.lerp(start, tensor, share)
    result = start.clone()
    for tensor, share in others:
        result += (tensor - start) * share
    return result


def _fitted(share: Share, tensor: Tensor, layer: Layer) -> Tensor:
    """A share as it is multiplied with a tensor: those for each channel get the tensor's other dimensions."""
    factor = torch.as_tensor(share).to(tensor)
    wanted = tensor.shape[: factor.ndim]
    if len(wanted) < factor.ndim or any(have not in (1, want) for have, want in zip(factor.shape, wanted, strict=True)):
        raise GraftError(
            f"{layer.name} is {tuple(tensor.shape)} and cannot take {tuple(factor.shape)} shares; give one for each of "
            "its channels."
        )
    return factor.reshape((*factor.shape, *(1,) * (tensor.ndim - factor.ndim)))
