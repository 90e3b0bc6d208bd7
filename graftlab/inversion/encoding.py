"""`train_encoder`: a generator to the encoder that guesses its codes, in one call."""

from pathlib import Path

from graftlab import distributed
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.training import EncoderTrainer, EncoderTraining, worth
from graftlab.inversion.work import carry_out, keep_state
from graftlab.networks.style import StyleGAN
from graftlab.perception.efficientnet import DEFAULT, efficientnet_lite
from graftlab.work.progress import Watch, part, unwatched

USUAL = EncoderTraining()


def train_encoder(
    model: StyleGAN,
    settings: EncoderTraining = USUAL,
    state: str | Path | None = None,  # file beside which unfinished work is kept, until `forget`; None: nowhere
    resume: bool = True,  # go on with what the same call kept there
    watch: Watch = unwatched,
) -> Encoder:
    """Train an encoder for a generator; `about` tells what it is worth. GraftError if the two do not go together."""
    device = next(model.parameters()).device
    network = efficientnet_lite(DEFAULT, device) if settings.features else None
    with distributed.processes(device):
        trainer, first = EncoderTrainer(model, settings, network), distributed.rank() == 0
        plan, total = {"model": model.fingerprint, **settings.to_dict()}, trainer.steps * settings.batch
        with (
            keep_state(state if first else None, plan, resume) as (folder, _),
            watch("training", total) as progress,
        ):
            folder = distributed.told(folder)
            file = folder and folder / "training.safetensors"
            carry_out(trainer, part(progress, 0, total, settings.batch), file, writes=first)
        trainer.encoder.about = {**settings.to_dict(), **worth(trainer)}
        return trainer.encoder
