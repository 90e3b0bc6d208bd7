"""What `graft` can do: every command by what people want, where it is defined, and the first words of its help."""

from graftlab.cli.lazy import Group, Panels, Row

COMMANDS: Panels = {
    "Pictures": {
        "swap": Row("pictures.swap", "Combine one picture's structure with another's texture."),
        "grid": Row(
            "pictures.grid", "Draw a sheet of every structure with every texture, with the originals in the margins."
        ),
        "interpolate": Row(
            "pictures.interpolate", "Draw a strip that interpolates from one picture's codes to another's."
        ),
        "reconstruct": Row(
            "pictures.reconstruct",
            "Draw pictures beside their reconstructions, with L1 (share of the full range) and PSNR.",
        ),
        "encode": Row(
            "pictures.encode",
            "Encode pictures as structure and texture codes, in one file that records its model.",
        ),
        "decode": Row("pictures.decode", "Decode codes into pictures; several become NAME-000, NAME-001 ..."),
        "panorama": Row(
            "stills.panorama",
            "Join structures into one wide or tall picture, in which they merge gradually.",
        ),
        "weave": Row(
            "stills.weave",
            "Blend the structures of pictures of equal size, side by side, stacked, diagonally or along masks.",
        ),
        "regions": Row(
            "stills.regions",
            "Give regions of a picture other pictures' textures, by masks; overlapping masks share in proportion.",
        ),
        "mix": Row("stills.mix", "Give a picture a weighted mixture of textures; weights may have any sum."),
        "edit": Row(
            "stills.edit",
            "Edit a picture: another texture or part of it, textures in regions, directions; as in `graft studio`.",
        ),
        "select": Row(
            "stills.select", "Make a mask of all places whose structure is similar to that of a given place."
        ),
        "translate": Row(
            "distillation.translate",
            "Redraw photos with a student, in one pass; several become NAME-000, NAME-001 ...",
        ),
        "upscale": Row(
            "upscale.upscale",
            "Enlarge pictures, or a video with its sound. Several become NAME-000 and so on, or go into a folder.",
        ),
        "directions": Group(
            "Find, inspect and apply directions among codes.",
            {
                "show": Row(
                    "direction_files.show",
                    "Show the directions of a file: names, shares of the variance, and correlations with "
                    "known factors.",
                ),
                "rename": Row("direction_files.rename", "Give a direction another name."),
                "compose": Row("direction_files.compose", "Add a direction that is a weighted sum of others."),
                "orthogonalise": Row(
                    "direction_files.orthogonalise",
                    "Remove from a direction what it shares with others, so that it no longer changes those.",
                ),
                "fit": Row("directions.fit", "Find the directions in which the codes of photos vary most (PCA)."),
                "between": Row(
                    "directions.between",
                    "Find the direction from the textures of some photos to those of others, and how well "
                    "it separates them.",
                ),
                "sefa": Row(
                    "directions.sefa",
                    "Find the directions of w that change a StyleGAN2's layers most, from its weights alone (SeFa).",
                ),
                "ganspace": Row(
                    "directions.ganspace",
                    "Find the directions in which a StyleGAN2's w varies most (GANSpace), or import a file "
                    "of GANSpace.",
                ),
                "text": Row(
                    "directions.text",
                    "Make directions of phrases, for a Swapping Autoencoder's textures or a StyleGAN2's w.",
                ),
                "sweep": Row(
                    "directions.sweep",
                    "Draw a strip of gains for each picture and direction, with the original in the margin.",
                ),
            },
        ),
        "textures": Group(
            "Fit a distribution to the textures of photos, and sample from it.",
            {
                "fit": Row(
                    "textures.fit",
                    "Fit a distribution to the textures of photos, for 'graft textures sample' and 'graft novelty'.",
                ),
                "sample": Row(
                    "textures.sample",
                    "Draw a picture with random textures, by seed: a seed always gives the same texture.",
                ),
            },
        ),
        "guide": Row(
            "guidance.guide",
            "Let pictures follow words: their codes move until they show what the texts say; the same command resumes.",
        ),
        "novelty": Row(
            "textures.novelty",
            "Measure how unlike photos that a model knows, or those of --from, pictures are, and how well they come "
            "out.",
        ),
        "studio": Row(
            "studio.studio",
            "Serve a page on this machine on which pictures are swapped and edited live, until Ctrl-C.",
        ),
        "demo": Row("models.demo", "Swap two of the bundled photographs, and draw a sheet of swaps."),
    },
    "StyleGAN2": {
        "sample": Row(
            "style.sample",
            "Draw pictures with a StyleGAN2, by seed: a seed stands for the same latent vector as in NVIDIA's code.",
        ),
        "mix-styles": Row(
            "style.mix_styles",
            "Draw a sheet of a StyleGAN2's style mixing: each row's picture with some layers of each column's.",
        ),
        "invert": Row(
            "inversion.invert",
            "Find the codes from which a StyleGAN2 draws the given photos; the same command resumes.",
        ),
        "toonify": Row(
            "inversion.toonify",
            "Redraw a photo: find its codes in one StyleGAN2, and decode them with another that was made from it.",
        ),
    },
    "Films": {
        "film": Group(
            "Make films: codes that change over time.",
            {
                "recurse": Row(
                    "walks.recurse",
                    "Encode, move the structure, decode, and repeat. Played backwards unless --no-reverse.",
                ),
                "walk": Row(
                    "walks.walk",
                    "Walk from picture to picture through their codes; a circle, or noise, leaves one "
                    "picture and returns.",
                ),
                "sweep": Row("walks.sweep", "Sweep a direction's gain from one number to another and back."),
                "blend": Row(
                    "blend_films.blend",
                    "Change the network while the latents, or photos, stay fixed: from model to model, or "
                    "by the level of a swap.",
                ),
                "recon": Row("film.recon", "Encode and decode a video: same size, speed and sound."),
                "desync": Row("film.desync", "Redraw a video with textures from other moments than its structures."),
                "textures": Row(
                    "film.textures",
                    "Fade from texture to texture, over a video or a picture, and from picture to picture.",
                ),
                "ride": Row(
                    "film.ride",
                    "Make a train ride: past landscapes joined into an endless one, or a video of one in "
                    "other textures.",
                ),
            },
        ),
    },
    "Networks": {
        "blend": Row(
            "blending.blend",
            "Blend networks of which one was fine-tuned from the other: layer swap, interpolation "
            "and everything in between.",
        ),
        "diff": Row(
            "blending.diff",
            "Measure how far each layer of B has moved from A's: its weights, and its activations for the same inputs.",
        ),
        "sheet": Row(
            "blend_sheets.sheet",
            "Draw a grid of blends of the same latents or photos: snapshots by swap level, share by "
            "level, model by model.",
        ),
        "clusters": Group(
            "Find the parts of pictures that a network distinguishes, for `graft blend --clusters`.",
            {
                "fit": Row(
                    "clusters.fit",
                    "Cluster a layer's features over many pictures: wherever there is sky, they point in "
                    "roughly the same direction.",
                ),
                "show": Row("clusters.show", "Draw a sheet of pictures and where each cluster lies in them."),
            },
        ),
    },
    "Training": {
        "data": Group(
            "Inspect photos and pack them for training.",
            {
                "scan": Row(
                    "training.scan",
                    "Read every photo once and report sizes, unreadable files, duplicates and unusual kinds.",
                ),
                "pack": Row(
                    "training.pack",
                    "Write photos in the form that is fastest for training: one memory-mapped file at the "
                    "training size.",
                ),
            },
        ),
        "train": Row("training.train", "Train a Swapping Autoencoder on photos; the same command resumes."),
        "stylegan": Group(
            "Train a StyleGAN2.",
            {
                "train": Row("style_training.train", "Train a StyleGAN2 on photos; the same command resumes."),
            },
        ),
        "finetune": Row(
            "style_training.finetune",
            "Continue training a StyleGAN2 or a Swapping Autoencoder on photos, or by a phrase; the same "
            "command resumes.",
        ),
        "train-encoder": Row(
            "inversion.train_encoder",
            "Train a network that estimates a picture's codes in one pass, for 'graft invert'; the "
            "same command resumes.",
        ),
        "pairs": Row(
            "distillation.pairs",
            "Draw pairs of pictures of the same w with a base and its blend, for 'graft distill'; "
            "the same command resumes.",
        ),
        "distill": Row(
            "distillation.distill",
            "Train a student that redraws photos in one pass, as inversion and a blend do in two; "
            "the same command resumes.",
        ),
        "eval": Group(
            "Measure models: against the truth, on photos, or compared with each other.",
            {
                "truth": Row(
                    "evaluation.truth",
                    "Swap rendered landscapes, whose true hybrids are known, and measure how close the model comes.",
                ),
                "folder": Row(
                    "evaluation.folder",
                    "Reconstruct and swap photos: measure what is lost, and whether hybrids look like photos.",
                ),
                "samples": Row(
                    "evaluation.samples",
                    "Measure whether a StyleGAN2's samples look like photos, by their kernel distance.",
                ),
                "compare": Row("evaluation.compare", "Show two results side by side."),
            },
        ),
    },
    "Files and models": {
        "help": Row("finding.find", "Find the command or slider for a task that you describe in your own words."),
        "models": Row(
            "models.models_app",
            "Show models by name: those bundled with graftlab, those in the cache, and those that can be downloaded.",
        ),
        "inspect": Row(
            "files.inspect",
            "Show what a file is: kind, architecture, parameters, training images, licence, origin.",
        ),
        "convert": Row(
            "files.convert",
            "Turn a model file of any format into graftlab's own, or a StyleGAN2 into rosinality's.",
        ),
        "verify": Row(
            "files.verify",
            "Read every byte of a model or of a file that graftlab wrote, and compare it with the hashes known of it.",
        ),
        "bench": Row(
            "bench.bench",
            "Measure this machine: its peak performance, and pictures encoded, decoded, swapped or sampled per second.",
        ),
    },
}
