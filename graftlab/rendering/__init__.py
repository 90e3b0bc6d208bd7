"""What a model draws: pictures read for it, codes decoded, stills and sheets of them."""

from graftlab.rendering.renderer import Renderer

__all__ = ["Renderer"]
