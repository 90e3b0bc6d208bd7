"""What the commands share that refine the codes of pictures: `--refine N`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graftlab.cli.progress import bar

if TYPE_CHECKING:
    from graftlab.codes import Autoencoder
    from graftlab.inversion.refine import Refined
    from graftlab.inversion.work import Progress
    from graftlab.networks.swapping import SwappingModel


def refined(model: "SwappingModel", network: "Autoencoder", steps: int, rendering: Mapping[str, Any]) -> "Refined":
    """A network that decodes, and encodes by so many steps from what the model's encoder finds."""
    from graftlab.inversion.refine import Refined, Refining

    return Refined(model, network, Refining(steps=steps), rendering, watched)


@contextmanager
def watched(steps: int) -> "Iterator[Progress]":
    """A bar that is told of every step."""
    with bar("refining", steps) as progress:
        yield lambda done, loss: progress(done, note=f"loss {loss:.4f}")
