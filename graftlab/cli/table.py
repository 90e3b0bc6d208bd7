"""What `graft` can do: every command by what people want, and where it is defined."""

from graftlab.cli.lazy import Group, Panels

COMMANDS: Panels = {
    "Pictures": {
        "swap": "swap.swap",
        "hybrids": "pictures.hybrids",
        "grid": "pictures.grid",
        "interpolate": "pictures.interpolate",
        "reconstruct": "pictures.reconstruct",
        "encode": "pictures.encode",
        "decode": "pictures.decode",
        "panorama": "stills.panorama",
        "weave": "stills.weave",
        "regions": "stills.regions",
        "mix": "stills.mix",
        "edit": "stills.edit",
        "select": "stills.select",
        "translate": "distillation.translate",
        "upscale": "upscale.upscale",
        "directions": Group(
            "Find, inspect and apply directions among codes.",
            {
                "show": "direction_files.show",
                "rename": "direction_files.rename",
                "compose": "direction_files.compose",
                "orthogonalise": "direction_files.orthogonalise",
                "fit": "directions.fit",
                "between": "directions.between",
                "sefa": "directions.sefa",
                "ganspace": "directions.ganspace",
                "import": "directions.import_file",
                "text": "directions.text",
                "sweep": "directions.sweep",
            },
        ),
        "textures": Group(
            "Fit a distribution to the textures of photos, and sample from it.",
            {
                "fit": "textures.fit",
                "sample": "textures.sample",
            },
        ),
        "index": "library.index",
        "find": "library.find",
        "guide": "guidance.guide",
        "novelty": "textures.novelty",
        "studio": "studio.studio",
        "demo": "models.demo",
    },
    "StyleGANs": {
        "sample": "style.sample",
        "mix-styles": "style.mix_styles",
        "invert": "inversion.invert",
        "toonify": "inversion.toonify",
    },
    "Films": {
        "film": Group(
            "Make films: codes that change over time.",
            {
                "recurse": "walks.recurse",
                "walk": "walks.walk",
                "sweep": "walks.sweep",
                "blend": "blend_films.blend",
                "recon": "film.recon",
                "desync": "film.desync",
                "textures": "film.textures",
                "ride": "film.ride",
            },
        ),
    },
    "Networks": {
        "blend": "blending.blend",
        "diff": "blending.diff",
        "sheet": "blend_sheets.sheet",
        "resize-model": "blending.resize_model",
        "clusters": Group(
            "Find the parts of pictures that a network distinguishes, for `graft blend --clusters`.",
            {
                "fit": "clusters.fit",
                "show": "clusters.show",
            },
        ),
    },
    "Training": {
        "data": Group(
            "Inspect photos and pack them for training.",
            {
                "scan": "training.scan",
                "pack": "training.pack",
                "index": "training.index",
            },
        ),
        "train": "training.train",
        "stylegan": Group(
            "Train a StyleGAN2.",
            {
                "train": "style_training.train",
            },
        ),
        "finetune": "style_training.finetune",
        "train-encoder": "inversion.train_encoder",
        "pairs": "distillation.pairs",
        "distill": "distillation.distill",
        "eval": Group(
            "Measure models: against the truth, on photos, or compared with each other.",
            {
                "truth": "evaluation.truth",
                "folder": "evaluation.folder",
                "samples": "evaluation.samples",
                "compare": "evaluation.compare",
            },
        ),
    },
    "Files and models": {
        "help": "finding.find",
        "models": "models.models_app",
        "inspect": "files.inspect",
        "card": "models.card",
        "convert": "files.convert",
        "verify": "files.verify",
        "export": Group(
            "Write models for other programs and for browsers.",
            {
                "web": "export.web",
                "onnx": "export.onnx",
            },
        ),
        "bench": "bench.bench",
    },
}
