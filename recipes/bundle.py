#!/usr/bin/env python3
"""Turn the outcome of a training run into a model that ships: float16, and a header that tells its story.

python recipes/bundle.py runs/lakes/last.safetensors graftlab/bundled/lakes-64.safetensors --trained-on "alpine lakes"
"""

import argparse
from pathlib import Path

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="best.safetensors or last.safetensors of a run")
    parser.add_argument("out", type=Path, help="model file to write")
    parser.add_argument("--trained-on", required=True, help="the pictures, in words")
    parser.add_argument("--licence", default="Apache-2.0")
    parser.add_argument("--discriminators", action="store_true", help="ship them too, for whoever fine-tunes the model")
    options = parser.parse_args()
    file = open_model(options.source)
    about = {**file.about, "trained_on": options.trained_on, "licence": options.licence}
    about["training"]["data"] = Path(about["training"]["data"]).name  # not where it lay
    discriminators = dict(file.discriminators) if options.discriminators else None
    save_model(options.out, load(options.source, device="cpu"), about, half=True, discriminators=discriminators)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
