"""What `graft` can do: every command by what people want, where it is defined, and the first words of its help."""

from graftlab.cli.lazy import Group, Panels, Row

COMMANDS: Panels = {
    "Pictures": {
        "swap": Row("pictures.swap", "Put one picture's structure with another's texture."),
        "grid": Row("pictures.grid", "Every structure with every texture on one sheet, the originals in the margins."),
        "interpolate": Row("pictures.interpolate", "A strip from one picture's codes to another's."),
        "reconstruct": Row(
            "pictures.reconstruct",
            "Pictures beside what their codes keep of them, with L1 (share of the full range) and PSNR.",
        ),
        "encode": Row(
            "pictures.encode",
            "Turn pictures into codes: structure and texture, in one file that knows its model.",
        ),
        "decode": Row("pictures.decode", "Turn codes back into pictures; several become NAME-000, NAME-001 ..."),
        "panorama": Row(
            "stills.panorama",
            "Join structures to one wide picture, or a tall one, in which they melt into each other.",
        ),
        "weave": Row(
            "stills.weave",
            "Blend the structures of pictures of one size, side by side, stacked, diagonally or along masks.",
        ),
        "regions": Row(
            "stills.regions",
            "Give parts of a picture other pictures' textures; masks say where, and share where they overlap.",
        ),
        "mix": Row("stills.mix", "Give a picture a mixture of textures, by weights of any sum."),
        "select": Row("stills.select", "Click a place, get a mask of all places whose structure is alike."),
        "translate": Row(
            "distillation.translate",
            "Redraw photos with a student, in one pass; several become NAME-000, NAME-001 ...",
        ),
        "upscale": Row(
            "upscale.upscale",
            "Make pictures, or a video with its sound, larger. Several become NAME-000 and so on, or go into a folder.",
        ),
        "directions": Group(
            "Find directions among codes, look at them, apply them.",
            {
                "show": Row(
                    "direction_files.show",
                    "Names, shares of the variance, and correlations with what is known of the pictures they were "
                    "found in.",
                ),
                "rename": Row("direction_files.rename", "Give a direction another name."),
                "compose": Row("direction_files.compose", "Add a direction that is a weighted sum of others."),
                "orthogonalise": Row(
                    "direction_files.orthogonalise",
                    "Take out of a direction what it shares with others, so that it changes those no more.",
                ),
                "fit": Row("directions.fit", "Find the directions in which the codes of photos vary most (PCA)."),
                "between": Row(
                    "directions.between",
                    "Find the direction from the textures of some photos to those of others, and how well it tells "
                    "them apart.",
                ),
                "sefa": Row(
                    "directions.sefa",
                    "Find the directions of w that change a StyleGAN2's layers most, from its weights alone (SeFa).",
                ),
                "ganspace": Row(
                    "directions.ganspace",
                    "Find the directions in which a StyleGAN2's w varies most (GANSpace), or take over what "
                    "GANSpace has found.",
                ),
                "sweep": Row(
                    "directions.sweep",
                    "A strip of gains for each picture and direction, the original in the margin.",
                ),
            },
        ),
        "textures": Group(
            "Fit a distribution to the textures of photos, and draw from it.",
            {
                "fit": Row(
                    "textures.fit",
                    "Fit a distribution to the textures of photos, for 'graft textures sample' and 'graft novelty'.",
                ),
                "sample": Row(
                    "textures.sample",
                    "A picture under random textures, by number: the same seed gives the same texture in any company.",
                ),
            },
        ),
        "novelty": Row(
            "textures.novelty",
            "How unlike a model's training photos pictures are, or those of --from, as a percentile of some held out.",
        ),
        "demo": Row("models.demo", "Swap two of the bundled photographs, and draw a sheet of swaps."),
    },
    "StyleGAN2": {
        "sample": Row(
            "style.sample",
            "Pictures of a StyleGAN2, by number: the same seed gives the same picture everywhere.",
        ),
        "mix-styles": Row(
            "style.mix_styles",
            "A sheet of a StyleGAN2's style mixing: each row's picture with some layers of each column's.",
        ),
        "invert": Row(
            "inversion.invert",
            "Find the codes from which a StyleGAN2 draws photos, all at once; the same command resumes.",
        ),
        "toonify": Row(
            "inversion.toonify",
            "Redraw a photo: its codes in one StyleGAN2, rendered by another that was made from it.",
        ),
    },
    "Films": {
        "film": Group(
            "Make films: everything that one can do with codes, over time.",
            {
                "recurse": Row(
                    "walks.recurse",
                    "Encode, move the structure, decode, and again. Played backwards unless --no-reverse.",
                ),
                "walk": Row(
                    "walks.walk",
                    "A walk from picture to picture through their codes; a circle, or noise, leaves one picture "
                    "and comes back.",
                ),
                "sweep": Row("walks.sweep", "A direction's gain from one number to another and back."),
                "blend": Row(
                    "blend_films.blend",
                    "The network changes while the latents, or photos, stay: from model to model, or by the level "
                    "of a swap.",
                ),
                "recon": Row("film.recon", "A video through its codes: same size, speed and sound."),
                "desync": Row("film.desync", "A video whose textures come from other moments than its structures."),
                "textures": Row("film.textures", "Textures that melt into each other, over a video or a picture."),
                "ride": Row(
                    "film.ride",
                    "A train ride: past landscapes joined into an endless one, or a real one in other textures.",
                ),
            },
        ),
    },
    "Networks": {
        "blend": Row(
            "blending.blend",
            "Blend networks of which one was fine-tuned from the other: layer swap, interpolation and what lies "
            "between.",
        ),
        "diff": Row(
            "blending.diff",
            "How far each layer of B has moved from A's: its weights, and what it makes of the same latents or photos.",
        ),
        "sheet": Row(
            "blend_sheets.sheet",
            "Blends in rows and columns: snapshots by swap level, share by level, model by model; same latents or "
            "photos.",
        ),
        "clusters": Group(
            "Parts of pictures that a network tells apart, for `graft blend --clusters`.",
            {
                "fit": Row(
                    "clusters.fit",
                    "Cluster what a layer makes of many pictures: wherever there is sky, its features point "
                    "roughly the same way.",
                ),
                "show": Row("clusters.show", "A sheet of pictures, and where each cluster lies in them."),
            },
        ),
    },
    "Training": {
        "data": Group(
            "Look at photos and pack them for training.",
            {
                "scan": Row(
                    "training.scan",
                    "Read every photo once and say what is there: sizes, unreadable files, duplicates, odd kinds.",
                ),
                "pack": Row(
                    "training.pack",
                    "Write photos in the form that is fastest to train from: one memory-mapped file at the "
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
            "Train a StyleGAN2 or a Swapping Autoencoder on, with other photos; the same command resumes.",
        ),
        "train-encoder": Row(
            "inversion.train_encoder",
            "Train a network that guesses the codes of a picture at once, for 'graft invert'; the same command "
            "resumes.",
        ),
        "pairs": Row(
            "distillation.pairs",
            "Draw pairs of pictures of the same w by a base and its blend, for 'graft distill'; the same command "
            "goes on.",
        ),
        "distill": Row(
            "distillation.distill",
            "Train a student that redraws photos in one pass, as base and blend do in two; the same command resumes.",
        ),
        "eval": Group(
            "Measure models: against the truth, on photos, one beside another.",
            {
                "truth": Row(
                    "evaluation.truth",
                    "Swap rendered landscapes, whose true hybrids are known, and say how near the model comes.",
                ),
                "folder": Row(
                    "evaluation.folder",
                    "Reconstruct and swap photos: what is lost, and whether hybrids look like photos.",
                ),
                "samples": Row(
                    "evaluation.samples",
                    "Whether a StyleGAN2's samples look like photos: their kernel distance.",
                ),
                "compare": Row("evaluation.compare", "Two results side by side."),
            },
        ),
    },
    "Files and models": {
        "help": Row("finding.find", "Which command or slider does something: say it in your words."),
        "models": Row(
            "models.models_app",
            "Models by name: those that come with graftlab, those in the cache, and those that can be fetched.",
        ),
        "inspect": Row(
            "files.inspect",
            "What a file is: kind, architecture, parameters, training images, licence, where it came from.",
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
            "Measure this machine: what it reaches at its best, and pictures encoded, decoded, swapped or sampled "
            "per second.",
        ),
    },
}
