"""`graft stylegan train` and `graft finetune`."""

from typing import Annotated, Any

import typer

from graftlab import config
from graftlab.cli.options import Fields, spread
from graftlab.cli.training import COMMON, UNSET, Machine, OtherWeights, Photos, RunFolder, Size, weigh
from graftlab.config import StyleRecipe, StyleTrainConfig, SwappingTrainConfig, TrainConfig
from graftlab.training.start import FINETUNING, configure, configure_finetuning

LIKE_TRAIN = "as in 'graft stylegan train'"
ALONE = f"{LIKE_TRAIN}; of a StyleGAN2 alone"


@spread
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, medium, full.")] = "small",
    size: Size = None,
    recipe: Annotated[
        str, typer.Option(help="What trains: stylegan2, or projected, which sees features of a frozen network.")
    ] = "stylegan2",
    grow: Annotated[
        str, typer.Option(help="Start from a model for smaller pictures, whose blocks become the first ones.")
    ] = "",
    weight: OtherWeights = None,
    *,
    weights: Annotated[
        dict[str, float],
        Fields(
            StyleRecipe,
            "r1 path_length mixing",
            {
                "r1": "what fits size and batch",
                "path_length": "2, or 0 with --recipe projected",
                "mixing": "0.9",
            },
        ),
    ],
    settings: Annotated[
        dict[str, Any],
        Fields(
            StyleTrainConfig,
            f"adapt crop keep_models {COMMON}",
            {
                **UNSET,
                "augment": "colour,geometry,translation, or translation with --recipe projected; none with ''",
                "adapt": "0.6, or 0 with --recipe projected",
            },
        ),
    ],
    machine: Machine = Machine(),
) -> None:
    """Train a StyleGAN2 on photos; the same command resumes.

    graft stylegan train ~/photos --run runs/alps --preset small --size 64 --images 500k
    """

    weights |= weigh(weight)
    network = config.style_preset(preset, size)
    machine.train(configure(photos, network, recipe, weights, machine.device, base=grow, **settings), run)


@spread
def finetune(
    base: Annotated[str, typer.Argument(help="The model to start from: a file, a name or a hub id.")],
    photos: Photos,
    run: RunFolder,
    recipe: Annotated[
        str,
        typer.Option(
            help="stylegan2 or projected; for a Swapping Autoencoder official, paper or projected. By default "
            "projected if the model's own discriminators are, else the first."
        ),
    ] = "",
    weight: OtherWeights = None,
    *,
    r1: Annotated[dict[str, float], Fields(StyleRecipe, "r1", "the recipe's")],
    weights: Annotated[dict[str, float], Fields(StyleRecipe, "path_length mixing", ALONE)],
    augmenting: Annotated[dict[str, Any], Fields(StyleTrainConfig, "adapt", ALONE)],
    frozen: Annotated[dict[str, Any], Fields(StyleTrainConfig, "frozen", "0; of a StyleGAN2 alone")],
    side: Annotated[dict[str, Any], Fields(SwappingTrainConfig, "side", "0; of a Swapping Autoencoder alone")],
    settings: Annotated[
        dict[str, Any],
        Fields(
            TrainConfig,
            f"crop keep_models {COMMON}",
            {**UNSET, "augment": f"none; of a StyleGAN2 {LIKE_TRAIN}"},
            FINETUNING,
        ),
    ],
    machine: Machine = Machine(),
) -> None:
    """Continue training a StyleGAN2 or a Swapping Autoencoder on other photos; the same command resumes.

    graft finetune runs/alps/last.safetensors ~/deserts --run runs/desert --images 100k

    Keeps the model of every snapshot in models/, with a record of its parent, for graft blend.
    """

    weights |= r1 | weigh(weight)
    settings |= augmenting | frozen | side
    machine.train(configure_finetuning(base, photos, recipe, weights, machine.device, **settings), run)
