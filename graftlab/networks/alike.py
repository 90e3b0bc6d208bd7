"""Networks with the same layers: what both are, and codes of one that the other draws."""

from dataclasses import replace

from graftlab.codes import CodesT
from graftlab.errors import GraftError
from graftlab.networks.model import Network

WITHOUT_EFFECT = ("discriminator", "patch", "clamp")  # how the names of fields begin that such networks may differ in


def check_alike(*models: Network) -> None:
    """GraftError unless all models have the same layers, for pictures of the same size."""
    for model in models:
        if not isinstance(model, Network):
            raise GraftError(f"Models are needed, such as graftlab.load opens, not {type(model).__name__}.")
    first, *others = models
    for other in others:
        if type(other) is not type(first):
            raise GraftError(
                f"The layers of {first.title} and of {other.title} ({first.kind}, {other.kind}) have nothing in "
                "common; take two models of one kind."
            )
        mine, theirs = ({"size": each.config.size, **each.config.to_dict()} for each in (first, other))
        differing = [
            f"{field} ({value} and {theirs[field]})"
            for field, value in mine.items()
            if value != theirs[field] and not field.startswith(WITHOUT_EFFECT)
        ]
        if differing:
            raise GraftError(
                f"These models are built differently, in {', '.join(differing)}; take two of which one was fine-tuned "
                "from the other."
            )


def adopt(codes: CodesT, base: Network, blended: Network) -> CodesT:
    """Codes of one model for another to decode, on purpose: the same w, or the same textures, in a blend.

    They look alike in both where the blend has the base's coarse layers. GraftError if the codes are not the base's, or
    the two models differ in more than their weights."""
    check_alike(base, blended)
    if codes.model not in (None, base.fingerprint):
        raise GraftError("These codes belong to another model than the base; draw, project or encode them with that.")
    return replace(codes, model=blended.fingerprint)
