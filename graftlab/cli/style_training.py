"""`graft stylegan train` and `graft finetune`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from graftlab import config
from graftlab.cli.options import Fields, spread
from graftlab.cli.training import COMMON, UNSET, Machine, OtherWeights, Photos, RunFolder, Teacher, weigh
from graftlab.cli.words import TEXT_MODEL
from graftlab.config import StyleRecipe, StyleTrainConfig, SwappingTrainConfig, TeachableConfig, TrainConfig
from graftlab.errors import GraftError
from graftlab.objectives.words import NEUTRAL
from graftlab.training.start import FINETUNING, LEARNING_WORDS, configure, configure_finetuning
from graftlab.work.texts import parse_size

LIKE_TRAIN = "as in 'graft stylegan train'"
ALONE = f"{LIKE_TRAIN}; of a StyleGAN alone"
BY_TEACHER = {
    name: f"{FINETUNING.get(name, getattr(TrainConfig, name))}, with --text {LEARNING_WORDS[name]}"
    for name in ("images", "batch", "snapshot_every", "record_every")
}


@spread
def train(
    photos: Photos,
    run: RunFolder,
    preset: Annotated[str, typer.Option(help="Networks: tiny, small, medium, full.")] = "small",
    size: Annotated[
        str | None, typer.Option(help="Size of the pictures in pixels: 64, or width x height, as 256x128.")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="What trains: stylegan2, or projected, which sees features of a frozen network.")
    ] = "stylegan2",
    grow: Annotated[
        str, typer.Option(help="Start from a model for smaller pictures, whose blocks become the first ones.")
    ] = "",
    classes: Annotated[
        bool,
        typer.Option(
            "--classes",
            help="Train a conditional model: each subfolder is a class, or each label of a dataset.json.",
        ),
    ] = False,
    weight: OtherWeights = None,
    teacher: Teacher = None,
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
            f"adapt adapt_from crop mirror_vertical keep_models {COMMON}",
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

    graft stylegan train ~/flowers --run runs/flowers --classes    # of flowers/rose/, flowers/tulip/ ...
    """

    weights |= weigh(weight)
    network = config.style_preset(preset, None if size is None else parse_size(size))
    chosen = configure(photos, network, recipe, weights, machine.device, classes, teacher, base=grow, **settings)
    machine.train(chosen, run)


@spread
def finetune(
    base: Annotated[str, typer.Argument(help="The model to start from: a file, a name or a hub id.")],
    run: RunFolder,
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Folder, zip, LSUN LMDB or pack of photos. With --text a StyleGAN takes none, and a Swapping "
            "Autoencoder by default the bundled photographs."
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="What pictures are to become: learn from this phrase (StyleGAN-NADA), not photos."),
    ] = None,
    neutral: Annotated[
        str | None, typer.Option("--from", help=f"What they are without it, as day is to night; by default {NEUTRAL}.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Length of a run with --text; by default 300, of 2 images each.")
    ] = None,
    text_model: Annotated[str | None, TEXT_MODEL] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="stylegan2 or projected; of a Swapping Autoencoder official, paper or projected. By default projected "
            "if the model's own discriminators are, else the first."
        ),
    ] = "",
    weight: OtherWeights = None,
    teacher: Teacher = None,
    *,
    r1: Annotated[dict[str, float], Fields(StyleRecipe, "r1", "the recipe's")],
    weights: Annotated[dict[str, float], Fields(StyleRecipe, "path_length mixing", ALONE)],
    augmenting: Annotated[dict[str, Any], Fields(StyleTrainConfig, "adapt adapt_from", ALONE)],
    frozen: Annotated[
        dict[str, Any],
        Fields(StyleTrainConfig, "frozen frozen_generator structure_blocks", "0; of a StyleGAN alone"),
    ],
    looking: Annotated[
        dict[str, Any], Fields(StyleTrainConfig, "cutouts", f"{LEARNING_WORDS['cutouts']}; with --text")
    ],
    side: Annotated[dict[str, Any], Fields(SwappingTrainConfig, "side", "0; of a Swapping Autoencoder alone")],
    settings: Annotated[
        dict[str, Any],
        Fields(
            TeachableConfig,
            f"crop mirror_vertical keep_models {COMMON}",
            {**UNSET, **BY_TEACHER, "augment": f"none; of a StyleGAN {LIKE_TRAIN}"},
            FINETUNING,
        ),
    ],
    machine: Machine = Machine(),
) -> None:
    """Continue training a StyleGAN or a Swapping Autoencoder on photos, or by a phrase; the same command resumes.

    graft finetune runs/alps/last.safetensors ~/deserts --run runs/desert --images 100k

    graft finetune alpine-128 --text "snowy winter" --from summer --run runs/winter

    The model of every snapshot stays in models/, and knows its parent: for graft blend.
    """

    weights |= r1 | weigh(weight)
    settings |= augmenting | frozen | side | looking
    spoken = {"text": text, "neutral": neutral, "text_model": text_model, "teacher": teacher}
    settings |= {name: value for name, value in spoken.items() if value is not None}
    if iterations:
        if text is None or "images" in settings:
            raise GraftError("--iterations is the length of a run with --text, in the place of --images.")
        settings["images"] = iterations * settings.get("batch", LEARNING_WORDS["batch"])
    machine.train(configure_finetuning(base, photos, recipe, weights, machine.device, **settings), run)
