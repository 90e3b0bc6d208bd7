"""`graft stylegan train` and `graft finetune`."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from graftlab.cli.options import spread
from graftlab.cli.training import (
    AUGMENT_HELP,
    Crop,
    KeepModels,
    Photos,
    RunFolder,
    Size,
    TrainingOptions,
    carry_out,
    listed,
)
from graftlab.errors import GraftError

stylegan_app = typer.Typer(help="Train a StyleGAN2.", no_args_is_help=True)

ADAPTED = "colour,geometry,translation"
SOON, LATE = 100_000, 500_000  # images in which augmentation can rise to its full strength: fine-tuning, training

Augment = Annotated[str, typer.Option(help=f"{AUGMENT_HELP} None with ''.")]
Adapt = Annotated[
    float, typer.Option(min=0, max=0.99, help="Overfitting that augmentation is adapted to (ADA); 0 augments always.")
]
R1 = Annotated[float | None, typer.Option(min=0, help="Gamma of R1; by default what fits size and batch.")]
PathLength = Annotated[float, typer.Option(min=0, help="Weight of path length regularisation; 0: none.")]
Frozen = Annotated[
    int, typer.Option(min=0, help="Blocks of the discriminator, from the picture on, that do not learn (FreezeD).")
]


@stylegan_app.command()
@spread
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, medium, full.")] = "small",
    size: Size = None,
    augment: Augment = ADAPTED,
    adapt: Adapt = 0.6,
    r1: R1 = None,
    path_length: PathLength = 2.0,
    mixing: Annotated[float, typer.Option(min=0, max=1, help="Share of pictures drawn of two latent vectors.")] = 0.9,
    crop: Crop = "short",
    keep_models: KeepModels = False,
    options: TrainingOptions = TrainingOptions(learning_rate=0.0025),
) -> None:
    """Train a StyleGAN2 on photos; the same command resumes.

    graft stylegan train ~/photos --run runs/alps --preset small --size 64 --images 500k
    """
    from graftlab import config

    network = config.style_preset(preset, size)
    settings = config.StyleTrainConfig(
        network=network,
        recipe=style_recipe(network.size, options.batch, r1, path=path_length, mixing=mixing),
        data=str(photos),
        augment=listed(augment),
        adapt=adapt,
        adapt_images=LATE,
        crop=crop,
        keep_models=keep_models,
        **options.settings(),
    )
    carry_out(settings, run, options)


@spread
def finetune(
    base: Annotated[str, typer.Argument(help="The model to start from: a file, a name or a hub id.")],
    photos: Photos,
    run: RunFolder,
    augment: Annotated[
        str | None, typer.Option(help=f"{AUGMENT_HELP} By default {ADAPTED} for a StyleGAN2, none for others.")
    ] = None,
    adapt: Annotated[
        float | None,
        typer.Option(min=0, max=0.99, help="Of a StyleGAN2: as in 'graft stylegan train', 0.6 by default."),
    ] = None,
    frozen: Frozen = 0,
    r1: R1 = None,
    path_length: Annotated[
        float | None, typer.Option(min=0, help="Of a StyleGAN2: as in 'graft stylegan train', 2 by default.")
    ] = None,
    crop: Crop = "short",
    keep_models: KeepModels = True,
    options: TrainingOptions = TrainingOptions(images=100_000, snapshot_every=5_000),
) -> None:
    """Train a StyleGAN2 or a Swapping Autoencoder on, with other photos; the same command resumes.

    graft finetune runs/alps/last.safetensors ~/deserts --run runs/desert --images 100k

    The model of every snapshot stays in models/, and knows its parent: for graft blend.
    """
    from graftlab import config
    from graftlab.checkpoints.load import locate
    from graftlab.checkpoints.readers import open_model
    from graftlab.kinds import KINDS
    from graftlab.networks.model import fingerprint

    file = open_model(locate(base))
    common: dict[str, Any] = {
        "network": file.config,
        "data": str(photos),
        "crop": crop,
        "keep_models": keep_models,
        "base": base,
        "parent": fingerprint(file.tensors),
        **options.settings(),
    }
    settings: config.TrainConfig
    trained = KINDS[file.kind].training
    if trained is config.StyleTrainConfig:
        settings = config.StyleTrainConfig(
            recipe=style_recipe(
                common["network"].size, options.batch, r1, path=2.0 if path_length is None else path_length
            ),
            augment=listed(ADAPTED if augment is None else augment),
            adapt=0.6 if adapt is None else adapt,
            adapt_images=SOON,
            frozen=frozen,
            **common,
        )
    elif trained is config.SwappingTrainConfig:
        for option, value in {"--frozen": frozen or None, "--adapt": adapt, "--path-length": path_length}.items():
            if value is not None:
                raise GraftError(f"{option} is for a StyleGAN2, and {base} is none; leave it out.")
        recipe = config.recipe("official")
        settings = config.SwappingTrainConfig(
            recipe=recipe if r1 is None else replace(recipe, r1=r1), augment=listed(augment or ""), **common
        )
    else:
        raise GraftError(f"{base} is a {file.format}, which graftlab uses as it is but does not train.")
    carry_out(settings, run, options)


def style_recipe(size: int, batch: int, r1: float | None, **weights: Any) -> Any:
    """StyleGAN2's objective for pictures of a size."""
    from graftlab.config import StyleRecipe

    recipe = replace(StyleRecipe.for_size(size, batch), **weights)
    return recipe if r1 is None else replace(recipe, r1=r1)
