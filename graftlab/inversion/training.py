"""Training an encoder on pictures whose codes are known, since the generator has just drawn them.

The loss compares the codes that the encoder finds with the truth, and the pictures that the generator makes of both: by
pixels and by features. Half of the pictures mix the styles of two, so that rows of w differ.
"""

from dataclasses import dataclass
from math import cos, pi
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab import distributed
from graftlab.checkpoints.states import optimizer_state, restore_optimizer, under
from graftlab.config.base import Config, Images, Seed, Weight, Within
from graftlab.hardware import exact_convolutions
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Centre, sample_codes
from graftlab.networks.style import StyleGAN
from graftlab.perception.efficientnet import channels
from graftlab.perception.features import FeatureNetwork

BETAS = (0.9, 0.99)  # of Adam


@dataclass(frozen=True)
class EncoderTraining(Config):
    """How an encoder is trained."""

    images: Images = 100_000
    """Length of the training in images, such as 100k."""
    batch: Annotated[int, Within(1, 2**16)] = 16
    """Images per step."""
    width: Annotated[int, Within(1, 4096)] = 128
    """Most channels of its layers."""
    codes: Weight = 1.0
    """Weight of the mean squared difference of codes, in standard deviations of w."""
    pixels: Weight = 1.0
    """Weight of the mean squared difference of pixels."""
    features: Weight = 1.0
    """Weight of the deep-feature distance."""
    teacher: str = ""
    """A frozen network through which the encoder sees, such as efficientnet-lite0; without, it sees pixels."""
    learning_rate: Annotated[float, Within(1e-9, 1)] = 0.005
    """Of Adam, at first; a cosine leads it to 0."""
    seed: Seed = 0
    """Of its weights and of the pictures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher:
            channels(self.teacher)  # GraftError if there is none of that name


class EncoderTrainer:
    """An encoder that is being trained for a generator, and its optimiser."""

    def __init__(self, model: StyleGAN, settings: EncoderTraining, network: FeatureNetwork | None) -> None:
        self.model, self.settings, self.network = model, settings, network
        self.steps, self.done = -(-settings.images // settings.batch), 0
        count = distributed.share(settings.batch, 1)
        self._share = slice(distributed.rank() * count, (distributed.rank() + 1) * count)  # of each batch
        torch.manual_seed(settings.seed)
        self.encoder = Encoder.of(model, Centre.of(model), settings.width, settings.teacher)
        self.optimizer = torch.optim.Adam(self.encoder.parameters(), lr=settings.learning_rate, betas=BETAS)

    def step(self) -> float:
        """One batch of new pictures. Returns the loss before it."""
        share = self.done / self.steps
        self.optimizer.param_groups[0]["lr"] = self.settings.learning_rate * (0.5 + 0.5 * cos(pi * share))
        self.optimizer.zero_grad(set_to_none=True)
        with exact_convolutions():
            terms = self.losses(*self.examples(self.done + 1, self._share))
            loss = torch.stack(list(terms.values())).sum()
            loss.backward()
        distributed.average_gradients(self.encoder.parameters())
        self.optimizer.step()
        return distributed.mean(loss.detach()).item()

    def losses(self, w: Tensor, images: Tensor) -> dict[str, Tensor]:
        """The weighted terms, of codes (n, L, Cw) and the pictures (n, 3, H, W) drawn from them."""
        c = self.settings
        found = self.encoder(images)
        terms = {"codes": c.codes * ((found - w) / self.encoder.unit).square().mean()}
        if c.pixels or c.features:
            aim = Likeness(images, self.network, c.features, c.pixels, len(images))
            made = self.model.synthesis(found, self.model.synthesis.constant_noise)
            terms["pictures"] = aim(made, slice(None)).mean()
        return terms

    @torch.no_grad()
    def examples(self, number: int, which: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Codes (n, L, Cw) and pictures (n, 3, H, W) of a batch, or of some of it: a function of the seed and of
        `number`."""
        count, layers = self.settings.batch, self.model.config.layers
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + number)
        w, other = (sample_codes(self.model, count, generator).w for _ in range(2))
        switch = torch.randint(1, layers + 1, (count, 1, 1), generator=generator)  # first row of the other
        switch[::2] = layers
        mixed = torch.where((torch.arange(layers)[:, None] < switch).to(w.device), w, other)[which]
        images = self.model.synthesis(mixed, self.model.synthesis.constant_noise)
        return mixed, images.clamp(-1, 1)  # as they would come from a file

    def state(self) -> dict[str, Tensor]:
        """Everything that steps change."""
        return {**self.encoder.state_dict(prefix="encoder."), **optimizer_state(self.optimizer)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.encoder.load_state_dict(under(tensors, "encoder."))
        restore_optimizer(self.optimizer, tensors)


@torch.no_grad()
def worth(trainer: EncoderTrainer, batches: int = 4) -> dict[str, float]:
    """What the encoder is worth on pictures it was not trained on: explained share of w's variance, and L1."""
    truths, found, differences = [], [], []
    for number in range(batches):
        w, images = trainer.examples(-1 - number)
        guess = trainer.encoder(images)
        made = trainer.model.synthesis(guess, trainer.model.synthesis.constant_noise)
        truths.append(w)
        found.append(guess)
        differences.append(F.l1_loss(made.clamp(-1, 1), images.clamp(-1, 1)) / 2)
    truth, guess = torch.cat(truths), torch.cat(found)
    left = (guess - truth).square().mean() / (truth - trainer.encoder.mean).square().mean()
    return {"explained": 1 - left.item(), "l1": torch.stack(differences).mean().item()}
