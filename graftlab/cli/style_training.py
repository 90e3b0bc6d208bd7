"""`graft stylegan train` and `graft finetune`."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from graftlab.cli.training import (
    AUGMENT_HELP,
    Batch,
    Compiled,
    Crop,
    DryRun,
    EstimateJson,
    Images,
    KeepModels,
    LearningRate,
    Mirror,
    Photos,
    RecordEvery,
    RunFolder,
    Size,
    SnapshotEvery,
    TrainingDevice,
    TrainingPrecision,
    TrainingSeed,
    carry_out,
    computing,
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
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, medium, full.")] = "small",
    size: Size = None,
    images: Images = 500_000,
    batch: Batch = 16,
    augment: Augment = ADAPTED,
    adapt: Adapt = 0.6,
    r1: R1 = None,
    path_length: PathLength = 2.0,
    crop: Crop = "short",
    mirror: Mirror = True,
    device: TrainingDevice = None,
    precision: TrainingPrecision = None,
    learning_rate: LearningRate = 0.0025,
    seed: TrainingSeed = 0,
    snapshot_every: SnapshotEvery = 10_000,
    record_every: RecordEvery = 1_000,
    keep_models: KeepModels = False,
    compiled: Compiled = None,
    dry_run: DryRun = False,
    as_json: EstimateJson = False,
) -> None:
    """Train a StyleGAN2 on photos; the same command resumes.

    graft stylegan train ~/photos --run runs/alps --preset small --size 64 --images 500k
    """
    from graftlab import config

    target, chosen = computing(device, precision)
    network = config.style_preset(preset, size)
    settings = config.StyleTrainConfig(
        network=network,
        recipe=style_recipe(network.size, batch, r1, path_length),
        data=str(photos),
        images=images,
        batch=batch,
        learning_rate=learning_rate,
        precision=chosen,
        augment=listed(augment),
        adapt=adapt,
        adapt_images=LATE,
        crop=crop,
        mirror=mirror,
        seed=seed,
        snapshot_every=snapshot_every,
        record_every=record_every,
        keep_models=keep_models,
    )
    carry_out(settings, run, target, compiled, dry_run, as_json)


def finetune(
    base: Annotated[str, typer.Argument(help="The model to start from: a file, a name or a hub id.")],
    photos: Photos,
    run: RunFolder,
    images: Images = 100_000,
    batch: Batch = 16,
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
    mirror: Mirror = True,
    device: TrainingDevice = None,
    precision: TrainingPrecision = None,
    learning_rate: LearningRate = 0.002,
    seed: TrainingSeed = 0,
    snapshot_every: SnapshotEvery = 5_000,
    record_every: RecordEvery = 1_000,
    keep_models: KeepModels = True,
    compiled: Compiled = None,
    dry_run: DryRun = False,
    as_json: EstimateJson = False,
) -> None:
    """Train a StyleGAN2 or a Swapping Autoencoder on, with other photos; the same command resumes.

    graft finetune runs/alps/last.safetensors ~/deserts --run runs/desert --images 100k

    The model of every snapshot stays in models/, and knows its parent: for graft blend.
    """
    from graftlab import config
    from graftlab.checkpoints.build import fingerprint
    from graftlab.checkpoints.load import locate
    from graftlab.checkpoints.readers import open_model

    target, chosen = computing(device, precision)
    file = open_model(locate(base))
    common: dict[str, Any] = {
        "network": file.config,
        "data": str(photos),
        "images": images,
        "batch": batch,
        "learning_rate": learning_rate,
        "ema_rampup": 1e6,  # the average is good from the start
        "precision": chosen,
        "crop": crop,
        "mirror": mirror,
        "seed": seed,
        "snapshot_every": snapshot_every,
        "record_every": record_every,
        "keep_models": keep_models,
        "base": base,
        "parent": fingerprint(file.tensors),
    }
    settings: config.TrainConfig
    if isinstance(file.config, config.StyleGAN2Config):
        settings = config.StyleTrainConfig(
            recipe=style_recipe(file.config.size, batch, r1, 2.0 if path_length is None else path_length),
            augment=listed(ADAPTED if augment is None else augment),
            adapt=0.6 if adapt is None else adapt,
            adapt_images=SOON,
            frozen=frozen,
            **common,
        )
    elif isinstance(file.config, config.SwappingConfig):
        for option, value in {"--frozen": frozen or None, "--adapt": adapt, "--path-length": path_length}.items():
            if value is not None:
                raise GraftError(f"{option} is for a StyleGAN2, and {base} is none; leave it out.")
        recipe = config.recipe("official")
        settings = config.SwappingTrainConfig(
            recipe=recipe if r1 is None else replace(recipe, r1=r1), augment=listed(augment or ""), **common
        )
    else:
        raise GraftError(f"{base} is a {file.format}, which graftlab uses as it is but does not train.")
    carry_out(settings, run, target, compiled, dry_run, as_json)


def style_recipe(size: int, batch: int, r1: float | None, path: float) -> Any:
    """StyleGAN2's objective for pictures of a size."""
    from graftlab.config import StyleRecipe

    recipe = replace(StyleRecipe.for_size(size, batch), path=path)
    return recipe if r1 is None else replace(recipe, r1=r1)
