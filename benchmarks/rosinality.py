"""The implementation of rosinality/swapping-autoencoder-pytorch, with its own default sizes and random weights.

Its networks are not quite the authors': the encoder's blocks widen in the first convolution and not in the second, the
generator has four head blocks and skips that are convolutions, and modulation is StyleGAN2's."""

from pathlib import Path

import torch

from benchmarks.checkout import Checkout
from graftlab.benchmarking.clock import Work
from graftlab.benchmarking.speed import SAMPLE, Case, pictures

CHANNELS = 32  # its default, and the authors' width


def checkout(folder: Path) -> Checkout:
    """GraftError if the folder is another."""
    return Checkout("--rosinality", "rosinality/swapping-autoencoder-pytorch", folder, "model.py")


class Rosinality:
    """Its encoder and generator, which take pictures of any size, and its StyleGAN2, of config-f."""

    def __init__(self, source: Checkout) -> None:
        source.make_importable()
        import model

        torch.manual_seed(0)
        self._encoder, self._generator = model.Encoder(CHANNELS).eval(), model.Generator(CHANNELS).eval()

    def work(self, case: Case) -> Work:
        if case.what == SAMPLE:
            return self._sampling(case)
        images = pictures(case)
        if case.what == "encode":
            return lambda: self._encoder(images)
        if case.what == "swap":
            return lambda: self._generator(self._encoder(images)[0], self._encoder(images)[1])
        structure, texture = self._encoder(images)
        return lambda: self._generator(structure, texture)

    def _sampling(self, case: Case) -> Work:
        from stylegan2.model import Generator

        generator = Generator(case.size, 512, 8).eval()
        w = generator.style(torch.randn(case.batch, 512))
        return lambda: generator([w], input_is_latent=True, randomize_noise=False)
