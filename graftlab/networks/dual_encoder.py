"""Two towers, of pictures and of words, that end in one space (CLIP: Radford et al. 2021).

    statistics of a picture's features --image tower--> unit vector
    pieces of words --transformer, attention pooling--> unit vector

The image tower is small because a frozen network, which is not part of it, sees for it (`language.seeing`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graftlab.config import DualEncoderConfig
from graftlab.networks.layers import gaussian
from graftlab.networks.model import Network

PADDING, UNKNOWN = 0, 1  # pieces that are none; the vocabulary's own follow
SPECIAL = 2


class Block(nn.Module):
    """Attention and a perceptron, each added to what it was given (Vaswani et al. 2017; normalised before)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv, self.from_heads = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(N, T, width), and which of the T pieces are there (N, T)."""
        q, k, v = self.to_qkv(self.before_attention(x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=there[:, None, None])
        x = x + self.from_heads(seen.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.before_perceptron(x))))


class TextTower(nn.Module):
    """Pieces of words (N, T), PADDING after the last, to vectors (N, D)."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.pieces = nn.Embedding.from_pretrained(
            gaussian(SPECIAL + len(config.vocabulary), config.width), freeze=False
        )
        self.places = nn.Parameter(torch.zeros(config.length, config.width))
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        self.last = nn.LayerNorm(config.width)
        self.weigh = nn.Linear(config.width, 1)
        self.expand = nn.Linear(config.width, 2 * config.hidden)
        self.project = nn.Linear(2 * config.hidden, config.channels)

    def forward(self, pieces: Tensor) -> Tensor:
        there = pieces != PADDING
        x = self.pieces(pieces) + self.places[: pieces.shape[1]]
        for block in self.blocks:
            x = block(x, there)
        x = self.last(x)
        weights = self.weigh(x).masked_fill(~there[..., None], -torch.inf).softmax(1)
        return self.project(F.gelu(self.expand((weights * x).sum(1))))


class ImageTower(nn.Module):
    """Statistics (N, F), counted from their means in their deviations over the training, to vectors (N, D)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: DualEncoderConfig, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("deviation", torch.ones(config.features))
        self.dropout, self.input = nn.Dropout(dropout), nn.Linear(config.features, config.hidden)
        self.norm, self.middle = nn.LayerNorm(config.hidden), nn.Linear(config.hidden, config.hidden)
        self.project = nn.Linear(config.hidden, config.channels)

    def forward(self, statistics: Tensor) -> Tensor:
        x = self.input(self.dropout(squashed((statistics - self.mean) / self.deviation)))
        x = x + self.middle(self.dropout(F.gelu(self.norm(x))))
        return self.project(F.gelu(x))


def squashed(x: Tensor, limit: float = 6.0) -> Tensor:
    """Smoothly limited to so many deviations, so that no picture, however odd, is far from all of the training."""
    return limit * torch.tanh(x / limit)


class DualEncoder(Network):
    """Pictures and phrases to unit vectors (N, D), whose product is how well they fit each other."""

    kind = "dual-encoder"
    title = "a dual encoder of pictures and words"
    known: Tensor
    threshold: Tensor

    def __init__(self, config: DualEncoderConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.text, self.image = TextTower(config), ImageTower(config, dropout)
        self.register_buffer("known", torch.zeros(config.known, config.channels))  # phrases of the training
        self.register_buffer("threshold", torch.ones(()))  # of the distance to them: 1 - product

    def texts(self, pieces: Tensor) -> Tensor:
        """Numbers of pieces (N, T), PADDING after the last, to (N, D)."""
        return F.normalize(self.text(pieces.to(self.known.device)), dim=1)

    def images(self, statistics: Tensor) -> Tensor:
        """Statistics of pictures (N, F) to (N, D), differentiable."""
        return F.normalize(self.image(statistics.to(self.known)), dim=1)

    def distance_to_known(self, vectors: Tensor) -> Tensor:
        """How far phrases (N, D) are from the nearest of the training: (N,) in [0, 2]."""
        return (1 - (vectors @ self.known.T).amax(1)).clamp(0, 2)  # of unit length but for rounding
