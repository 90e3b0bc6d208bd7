"""Training in one call, from names to the last model.

    config = configure("photos", preset("small", 128), images=500_000)
    model = graftlab.load(train(config, "runs/mine"), SwappingAutoencoder)

The same call goes on with a run that was interrupted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from math import prod, sqrt
from pathlib import Path
from typing import Any

from graftlab import distributed
from graftlab.artifacts import views
from graftlab.checkpoints.load import load, locate
from graftlab.checkpoints.readers import open_model
from graftlab.config import (
    DistillConfig,
    DistillRecipe,
    Recipe,
    StyleGAN2Config,
    StyleGAN3Config,
    StyleGAN3TrainConfig,
    StyleRecipe,
    StyleTrainConfig,
    SwappingConfig,
    SwappingTrainConfig,
    TrainConfig,
    TranslatorConfig,
    reweigh,
    style_recipe,
)
from graftlab.config import recipe as swapping_recipe
from graftlab.data import classes_of, open_source
from graftlab.data.classes import numbered
from graftlab.data.pairs import Pairs
from graftlab.editing.distributions import Distribution, beside, distribution
from graftlab.errors import GraftError
from graftlab.hardware import choose_device, training_precision
from graftlab.kinds import KINDS
from graftlab.language import DEFAULT
from graftlab.networks.model import fingerprint
from graftlab.networks.style import names_of_classes
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.words import NEUTRAL
from graftlab.perception.efficientnet import channels
from graftlab.training import run as runs
from graftlab.training.trainer import teacher_of
from graftlab.work import examples
from graftlab.work.progress import Watch, unwatched

FEW_PHOTOS = 500  # below which augmentation is advised
KNOWN_PHOTOS = 2000  # at the most, that a model's textures are known from
FINETUNING: Mapping[str, Any] = {
    "images": 100_000,
    "learning_rate": 0.002,
    "snapshot_every": 5_000,
    "keep_models": True,
}
"""Of a run that fine-tunes, if nothing else is asked for."""
LEARNING_WORDS: Mapping[str, Any] = {
    "images": 600,
    "batch": 2,
    "learning_rate": 0.002,
    "snapshot_every": 50,
    "record_every": 10,
    "keep_models": True,
    "augment": (),
    "cutouts": 4,
}
"""Of one that fine-tunes by a phrase (StyleGAN-NADA: Gal et al. 2021): 300 iterations, a model of every 25."""
SOON = 100_000  # images in which augmentation can rise to its full strength in fine-tuning
ADAPTED: dict[str, Any] = {"augment": ("colour", "geometry", "translation"), "adapt": 0.6}  # for a StyleGAN2
SHIFTED: dict[str, Any] = {"augment": ("translation",), "adapt": 0.0}  # for one whose teacher is a frozen network
NOTHING: Mapping[str, Any] = {}
OF_PHOTOS = {
    "recipe",
    "r1",
    "path_length",
    "mixing",
    "adapt",
    "adapt_images",
    "frozen",
    "frozen_generator",
    "structure_blocks",
    "adapt_from",
    "augment",
    "side",
    "teacher",
    "views",
}
OPTIONS = {"neutral": "--from", "text_model": "--words"}  # names of settings on the command line

# -- configurations by names ------------------------------------------------------------------------------------------


def configure(
    photos: str | Path,  # folder, zip, LMDB or pack
    network: SwappingConfig | StyleGAN2Config | StyleGAN3Config,
    recipe: str = "",  # by name; "": what the authors of the network do
    weights: Mapping[str, float] = NOTHING,  # numbers of the recipe that are to be others, by name
    device: str | None = None,  # on which it will be trained, which tells the precision
    classes: bool | Sequence[str] = False,  # of a StyleGAN2: the photos' (`data.classes`), or their names
    teacher: str | None = None,  # whose features projected discriminators see; None: EfficientNet-Lite0
    **settings: Any,  # more of the configuration's fields
) -> SwappingTrainConfig | StyleTrainConfig:
    """The configuration of a run that trains such networks from the beginning.

    GraftError for names or numbers that there are not, for R1 or a teacher where nothing would use it, and for photos
    without classes where they are asked for."""
    settings = {"precision": training_precision(choose_device(device)), **settings}
    if classes and not isinstance(network, SwappingConfig):
        names = classes_of(open_source(photos)).names if classes is True else tuple(classes)
        network, settings = replace(network, classes=len(names)), {**settings, "classes": names}
    batch = settings.get("batch", TrainConfig.batch)
    if isinstance(network, SwappingConfig):
        named: Recipe | StyleRecipe = swapping_recipe(recipe or "official")
    else:
        named = style_recipe(recipe or "stylegan2", sqrt(prod(network.resolutions[-1])), batch)
        if isinstance(network, StyleGAN3Config):  # whose authors regularise and mix no more
            named = replace(named, path_length=0.0, mixing=0.0)
    if named.projected and "r1" in weights:
        raise GraftError("--r1 is for discriminators of pictures, and projected ones have none; leave it out.")
    chosen: Any = reweigh(named, weights)
    if teacher is not None:
        channels(teacher)  # GraftError if there is none of that name
        if not named.projected:
            raise GraftError(
                "--teacher is for discriminators that see its features (--recipe projected); leave it out."
            )
        chosen = replace(chosen, teacher=teacher)
    if isinstance(network, SwappingConfig):
        return SwappingTrainConfig(network, chosen, str(photos), **settings)
    settings = {**(SHIFTED if named.projected else ADAPTED), **settings}
    if isinstance(network, StyleGAN3Config):
        return StyleGAN3TrainConfig(network, chosen, str(photos), **settings)
    return StyleTrainConfig(network, chosen, str(photos), **settings)


def configure_finetuning(
    base: str | Path,  # a model file, name or hub id
    photos: str | Path | None = None,  # None: the text teaches, on the bundled photographs if it takes any
    recipe: str = "",  # "": projected if the base's own discriminators are, else as in `configure`
    weights: Mapping[str, float] = NOTHING,
    device: str | None = None,
    **settings: Any,  # `teacher` too, by default that of the base's own discriminators
) -> SwappingTrainConfig | StyleTrainConfig:
    """The configuration of a run that trains a model on: with other photos, or, if `text` is among the settings, from
    what `neutral` says to what that says. What is not given is as in `FINETUNING` or `LEARNING_WORDS`.

    GraftError for a model that cannot be trained, or for what another kind of model, or teacher, is trained with."""
    file = open_model(locate(base))
    trained = KINDS[file.kind].training
    if not isinstance(file.config, SwappingConfig | StyleGAN2Config | StyleGAN3Config) or trained is None:
        title = KINDS[file.kind].network.title
        raise GraftError(f"{base} is {title}, which graftlab uses as it is but does not train.")
    swaps = trained is SwappingTrainConfig
    its = StyleTrainConfig if swaps else SwappingTrainConfig
    other = "a StyleGAN" if swaps else "a Swapping Autoencoder"
    for name in {**settings, **weights}:
        if name in numbers_of(its) - numbers_of(trained):
            raise GraftError(f"--{name.replace('_', '-')} is for {other}, and {base} is none; leave it out.")
    origin: dict[str, Any] = {"base": str(base), "parent": fingerprint(file.tensors)}
    names = names_of_classes(file.about, getattr(file.config, "classes", 0))
    if settings.get("text") is not None:
        origin["classes"] = names
        return configure_words(file.config, photos, recipe, weights, device, **{**settings, **origin})
    if alone := [name for name in ("neutral", "text_model", "cutouts") if name in settings]:
        raise GraftError(f"{OPTIONS.get(alone[0], f'--{alone[0]}')} goes with --text; give both or neither.")
    if photos is None:
        raise GraftError("Give photos to learn from, or a phrase that says what to become (--text).")
    teacher = teacher_of(file)
    if names:
        found = classes_of(open_source(photos))
        found.under(names)
        origin["classes"] = found.names if numbered(names) else names
    usual = {**FINETUNING, **({"adapt_images": SOON} if not swaps else {})}
    recipe = recipe or ("projected" if teacher else "")
    if teacher and recipe == "projected":
        usual["teacher"] = teacher
    return configure(photos, file.config, recipe, weights, device, **{**usual, **settings, **origin})


def configure_words(
    network: SwappingConfig | StyleGAN2Config | StyleGAN3Config,
    photos: str | Path | None,
    recipe: str,
    weights: Mapping[str, float],
    device: str | None,
    **settings: Any,
) -> SwappingTrainConfig | StyleTrainConfig:
    """The configuration of a run whose only teacher is a phrase."""
    for name in (*(["recipe"] if recipe else []), *weights, *settings):
        if name in OF_PHOTOS:
            raise GraftError(f"--{name.replace('_', '-')} is for who learns from photos; leave it out with --text.")
    if photos is not None and not isinstance(network, SwappingConfig):
        raise GraftError("A StyleGAN needs no photos to learn from --text; leave them out.")
    chosen = {"neutral": NEUTRAL, "text_model": DEFAULT, **LEARNING_WORDS, **settings}
    if not chosen["text"].strip():
        raise GraftError("The phrase is empty; say what pictures are to become (--text).")
    if not isinstance(network, SwappingConfig):
        chosen |= {"adapt": 0.0}
    return configure(photos or examples.FOLDER, network, "", NOTHING, device, **chosen)


def numbers_of(config: type[TrainConfig]) -> set[str]:
    """The fields of a run's configuration and of its recipe."""
    recipe: Any = next(field.type for field in fields(config) if field.name == "recipe")
    return {field.name for part in (config, recipe) for field in fields(part)}


def configure_distillation(
    pairs: str | Path,  # folder that `make_pairs` made
    sizes: Mapping[str, int] = NOTHING,  # of the student: fields of TranslatorConfig
    weights: Mapping[str, float] = NOTHING,
    device: str | None = None,
    **settings: Any,
) -> DistillConfig:
    """The configuration of a run that trains a student on pairs. GraftError if they are too few."""
    source, batch = Pairs(pairs), settings.get("batch", TrainConfig.batch)
    if len(source) < 2 * batch:
        raise GraftError(
            f"{pairs} holds {len(source)} pairs, too few for a batch of {batch} and some to judge by; draw more with "
            "'graft pairs --count'."
        )
    width = sizes.get("width", TranslatorConfig.width)
    settings = {"precision": training_precision(choose_device(device)), **settings}
    return DistillConfig(
        network=TranslatorConfig(source.size, **{"most": 5 * width, **sizes}),
        recipe=reweigh(DistillRecipe(), weights),
        models=(source.plan["base"], source.plan["blend"]),
        data=str(pairs),
        **settings,
    )


# -- runs -------------------------------------------------------------------------------------------------------------


def train(
    config: TrainConfig,
    run: str | Path,  # folder, made if need be
    device: str | None = None,
    compiled: bool | None = None,  # torch.compile the ordinary steps; None: on CUDA only
    watch: Watch = unwatched,
    tell: Callable[[str], object] = print,  # sentences for who waits
) -> Path:
    """Train a run to its end, or go on with it there where it stopped; returns the file of its last model.

    Of a Swapping Autoencoder the textures of its photos are known at the end, too. After an interruption the state is
    saved, and KeyboardInterrupt raised."""
    folder, target = Path(run), choose_device(device)
    with distributed.processes(target):
        training = runs.Run(folder, config, target, compiled)
        if training.first:
            taught = getattr(config, "text", "")  # so that nothing learns photos by heart
            for note in ([] if taught else advise(len(training.data), config.augment)) + training.notes:
                tell(note)
            if (seen := training.trainer.seen) >= config.images:
                tell(f"{folder} has seen {seen:,} images, no fewer than --images; to go on, ask for more.")
        with watch("training", config.images, training.trainer.seen) as progress:
            told = len(training.notes)
            finished = training.train(progress)
        for note in training.notes[told:] if training.first else ():
            tell(note)
    if not finished:
        if training.first:
            tell(f"Saved at {training.trainer.seen:,} images; the same command goes on from there.")
        raise KeyboardInterrupt
    if training.first and training.trainer.encodes:
        try:
            know_textures(folder, config.data, device, watch)
        except GraftError as error:  # the model is as good without
            tell(f"Its textures are not known to graft novelty: {error}")
    return folder / "last.safetensors"


def finetune(
    base: str | Path,
    photos: str | Path | None,
    run: str | Path,
    recipe: str = "",
    weights: Mapping[str, float] = NOTHING,
    device: str | None = None,
    **settings: Any,
) -> Path:
    """Train a model on, with other photos or by a phrase: `train` with what `configure_finetuning` makes.

    graftlab.finetune("alpine-128", None, "runs/night", text="night", neutral="day")"""
    return train(configure_finetuning(base, photos, recipe, weights, device, **settings), run, device)


def distill(
    pairs: str | Path,
    run: str | Path,
    sizes: Mapping[str, int] = NOTHING,
    weights: Mapping[str, float] = NOTHING,
    device: str | None = None,
    **settings: Any,
) -> Path:
    """Train a student on pairs: `train` with what `configure_distillation` makes."""
    return train(configure_distillation(pairs, sizes, weights, device, **settings), run, device)


def know_textures(run: Path, photos: str, device: str | None = None, watch: Watch = unwatched) -> None:
    """Fit the distribution of a run's photos as its models encode them, beside each model that has none of its own.

    GraftError if the photos are too few."""
    for model in filter(Path.exists, (run / "last.safetensors", run / "best.safetensors")):
        file = beside(model)
        if file.exists() and Distribution.load(file).model == views(model)[1]["fingerprint"]:
            continue
        source, network = open_source(photos), load(model, SwappingAutoencoder, device=device)
        with watch("describing the textures", min(KNOWN_PHOTOS, len(source))) as progress:
            known = distribution(network, source, network.config.size, most=KNOWN_PHOTOS, progress=progress)
        known.save(file)


def advise(photos: int, augmentation: tuple[str, ...]) -> list[str]:
    """What is good to know before a run begins."""
    if photos >= FEW_PHOTOS or augmentation:
        return []
    return [
        f"Only {photos} photos to train on: the discriminators may learn them by heart. "
        "--augment colour,translation,cutout helps."
    ]
