"""Text models by name: where the hub has them, how large they are, whose, and what they cost."""

from dataclasses import dataclass
from pathlib import Path

from graftlab.checkpoints.catalogue.registry import cache_folder
from graftlab.language.hub_models import downloaded


@dataclass(frozen=True)
class Offer:
    """A model of the CLIP or SigLIP family on the Hugging Face hub."""

    name: str
    about: str
    repository: str
    megabytes: int  # of its weights
    licence: str  # as its authors state it
    milliseconds: int  # for one picture there and back, eight at once, in bfloat16 on one core
    revision: str = "main"

    @property
    def folder(self) -> Path:
        """Where the files may be put by hand, so that the name finds them."""
        return cache_folder() / "text-models" / self.name

    def fetch(self) -> Path:
        """The folder with its files: what was put there by hand, or what the hub's own cache holds or now fetches.

        GraftError if there is no connection, with what to do by hand."""
        if self.folder.is_dir():
            return self.folder
        return downloaded(self.repository, self.revision, self.folder)


OFFERS = {
    offer.name: offer
    for offer in (
        Offer(
            "clip-vit-b32",
            "CLIP ViT-B/32 by OpenAI, what most papers steer with",
            *("openai/clip-vit-base-patch32", 605, "MIT", 88),
            revision="refs/pr/32",  # on main its weights are pickles
        ),
        Offer("clip-vit-b16", "CLIP ViT-B/16 by OpenAI", "openai/clip-vit-base-patch16", 599, "MIT", 299),
        Offer(
            "tinyclip-8m",
            "TinyCLIP ViT-8M/16 by Microsoft, the fastest",
            *("wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M", 94, "MIT", 46),
        ),
        Offer(
            "tinyclip-39m",
            "TinyCLIP ViT-39M/16 by Microsoft",
            *("wkcn/TinyCLIP-ViT-39M-16-Text-19M-YFCC15M", 332, "MIT", 164),
        ),
        Offer(
            "siglip2-b16",
            "SigLIP 2 B/16 by Google, which reads many languages",
            *("google/siglip2-base-patch16-224", 1500, "Apache-2.0", 411),
        ),
    )
}
