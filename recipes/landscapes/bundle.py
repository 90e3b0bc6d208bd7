#!/usr/bin/env python3
"""Turn the outcome of a training run into the model that ships: float16, and a header that tells its story.

python recipes/landscapes/bundle.py runs/landscapes/last.safetensors graftlab/bundled/landscapes-128.safetensors
"""

import argparse
from pathlib import Path

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model

STORY = {
    "trained_on": "rendered alpine lakes and crops of nature photographs (recipes/landscapes)",
    "licence": "Apache-2.0",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="best.safetensors or last.safetensors of a run")
    parser.add_argument("out", type=Path, help="model file to write")
    options = parser.parse_args()
    about = open_model(options.source).about
    about["training"]["data"] = Path(about["training"]["data"]).name  # not where it lay
    save_model(options.out, load(options.source, "cpu"), {**about, **STORY}, half=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
