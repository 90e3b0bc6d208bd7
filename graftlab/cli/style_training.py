"""`graft stylegan train` and `graft finetune`."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from graftlab import config
from graftlab.checkpoints.load import locate
from graftlab.checkpoints.readers import open_model
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
from graftlab.config import StyleRecipe
from graftlab.errors import GraftError
from graftlab.kinds import KINDS
from graftlab.networks.model import fingerprint
from graftlab.training.trainer import judges_of

ADAPTED, SHIFTED = "colour,geometry,translation", "translation"
RECIPES = ("stylegan2", "projected")
NO_R1 = "--r1 is for discriminators of pictures, and projected ones have none; leave it out."
SOON, LATE = 100_000, 500_000  # images in which augmentation can rise to its full strength: fine-tuning, training

Augment = Annotated[
    str | None,
    typer.Option(help=f"{AUGMENT_HELP} None with ''; by default {ADAPTED}, or {SHIFTED} with --recipe projected."),
]
Adapt = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.99,
        help="Target overfitting for adaptive augmentation (ADA); 0 always augments. By default 0.6, or 0 with "
        "--recipe projected.",
    ),
]
R1 = Annotated[float | None, typer.Option(min=0, help="Gamma of R1; by default chosen by size and batch.")]
PathLength = Annotated[
    float | None,
    typer.Option(
        min=0, help="Weight of path length regularisation; 0: none. By default 2, or 0 with --recipe projected."
    ),
]
Frozen = Annotated[
    int, typer.Option(min=0, help="Number of frozen blocks of the discriminator, from the picture on (FreezeD).")
]


@spread
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, medium, full.")] = "small",
    size: Size = None,
    recipe: Annotated[
        str, typer.Option(help="Discriminator: stylegan2, or projected, on the features of a frozen network.")
    ] = "stylegan2",
    grow: Annotated[
        str, typer.Option(help="Start from a model for smaller pictures, whose blocks become the first ones.")
    ] = "",
    augment: Augment = None,
    adapt: Adapt = None,
    r1: R1 = None,
    path_length: PathLength = None,
    mixing: Annotated[
        float, typer.Option(min=0, max=1, help="Share of pictures drawn from two latents (style mixing).")
    ] = 0.9,
    crop: Crop = "short",
    keep_models: KeepModels = False,
    options: TrainingOptions = TrainingOptions(learning_rate=0.0025),
) -> None:
    """Train a StyleGAN2 on photos; the same command resumes.

    graft stylegan train ~/photos --run runs/alps --preset small --size 64 --images 500k
    """

    network = config.style_preset(preset, size)
    settings = config.StyleTrainConfig(
        network=network,
        data=str(photos),
        **style_settings(recipe, network.size, options.batch, augment, adapt, r1, path_length, mixing=mixing),
        adapt_images=LATE,
        base=grow,
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
    recipe: Annotated[
        str | None,
        typer.Option(
            help="stylegan2 or projected; for a Swapping Autoencoder official, paper or projected. By default "
            "projected if the model's own discriminators are, else the first."
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(help=f"{AUGMENT_HELP} For a StyleGAN2 as in 'graft stylegan train'; none by default for others."),
    ] = None,
    adapt: Annotated[
        float | None, typer.Option(min=0, max=0.99, help="For a StyleGAN2: as in 'graft stylegan train'.")
    ] = None,
    frozen: Frozen = 0,
    r1: R1 = None,
    path_length: Annotated[
        float | None, typer.Option(min=0, help="For a StyleGAN2: as in 'graft stylegan train'.")
    ] = None,
    mixing: Annotated[
        float | None, typer.Option(min=0, max=1, help="For a StyleGAN2: as in 'graft stylegan train'.")
    ] = None,
    crop: Crop = "short",
    keep_models: KeepModels = True,
    options: TrainingOptions = TrainingOptions(images=100_000, snapshot_every=5_000),
) -> None:
    """Continue training a StyleGAN2 or a Swapping Autoencoder on other photos; the same command resumes.

    graft finetune runs/alps/last.safetensors ~/deserts --run runs/desert --images 100k

    Keeps the model of every snapshot in models/, with a record of its parent, for graft blend.
    """

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
    teacher = judges_of(file)
    named = recipe or ("projected" if teacher else None)
    taught: dict[str, Any] = {"teacher": teacher} if teacher and named == "projected" else {}
    if named == "projected" and frozen:
        raise GraftError("--frozen is for a discriminator of pictures; leave it out with --recipe projected.")
    if trained is config.StyleTrainConfig:
        settings = config.StyleTrainConfig(
            **style_settings(
                *(named or RECIPES[0], common["network"].size, options.batch, augment, adapt, r1, path_length),
                mixing=mixing,
                **taught,
            ),
            adapt_images=SOON,
            frozen=frozen,
            **common,
        )
    elif trained is config.SwappingTrainConfig:
        of_stylegan = {"--frozen": frozen or None, "--adapt": adapt, "--path-length": path_length, "--mixing": mixing}
        for option, value in of_stylegan.items():
            if value is not None:
                raise GraftError(f"{option} is for a StyleGAN2, and {base} is none; leave it out.")
        weights = replace(config.recipe(named or "official"), **taught)
        if r1 is not None:
            if weights.projected:
                raise GraftError(NO_R1)
            weights = replace(weights, r1=r1)
        settings = config.SwappingTrainConfig(recipe=weights, augment=listed(augment or ""), **common)
    else:
        raise GraftError(f"{base} is a {file.format}, which graftlab can use but not train.")
    carry_out(settings, run, options)


def style_settings(
    recipe: str,
    size: int,
    batch: int,
    augment: str | None,
    adapt: float | None,
    r1: float | None,
    path: float | None,
    **weights: Any,  # of the recipe
) -> dict[str, Any]:
    """StyleGAN2's objective by the name of a recipe and the augmentation that goes with it, for pictures of a size.

    GraftError if there is no such recipe, or for R1 where nothing would use it."""

    if recipe not in RECIPES:
        raise GraftError(f"There is no recipe '{recipe}' of a StyleGAN2; choose one of {', '.join(RECIPES)}.")
    projected = recipe == "projected"
    if projected and r1 is not None:
        raise GraftError(NO_R1)
    objective = StyleRecipe(r1=0.0, path=0.0, projected=True) if projected else StyleRecipe.for_size(size, batch)
    given = {"r1": r1, "path": path, **weights}
    return {
        "recipe": replace(objective, **{name: value for name, value in given.items() if value is not None}),
        "augment": listed((SHIFTED if projected else ADAPTED) if augment is None else augment),
        "adapt": (0.0 if projected else 0.6) if adapt is None else adapt,
    }
