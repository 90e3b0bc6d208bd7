"""Every block of shell in README.md and docs/ runs as it stands, by bash, from an empty folder: one for each page.

The bundled models are tiny ones under the same names; what descends in hundreds of steps takes two, films are of eight
frames of 64 pixels at the most, eight seeds are shown instead of hundreds, no picture is above 200 pixels, and above
128 it is large enough for tiles. A comment above a block says what it needs that is not there:

    <!-- given: day/, window.mp4, metfaces.pkl (StyleGAN2) -->   a reader's own: stand-ins of that kind are put there
    <!-- given: a checkout -->                                   the pictures and folders of this repository
    <!-- skip: trains for hours -->                              what cannot be: the block does not run

Options of skipped blocks are checked by test_docs.py all the same."""

import os
import shutil
import subprocess
import wave
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from test_docs import ROOT, Block, name_of, parsed
from test_language import small as dual_encoder
from test_psp import checkpoint
from test_upscaling import small
from tiny import ready, stylegan2, stylegan3
from torch import Tensor

from graftlab import cli
from graftlab.benchmarking import machine, speed
from graftlab.benchmarking.clock import once
from graftlab.blending.inputs import Inputs
from graftlab.checkpoints import deltas, load
from graftlab.checkpoints.describe import describe
from graftlab.checkpoints.native import save_model
from graftlab.cli import filming
from graftlab.cli.desk import PictureOptions, ReadingOptions, ViewingOptions
from graftlab.config import preset
from graftlab.editing import style_directions, tiles, word_directions
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import distribution
from graftlab.images import read, to_image
from graftlab.inversion import search
from graftlab.inversion.guidance import Guidance
from graftlab.inversion.refine import Refinement
from graftlab.inversion.search import Search
from graftlab.inversion.training import EncoderTrainer
from graftlab.inversion.tuning import Tuning
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.video.film import Film, render
from graftlab.work import examples

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELLS = ("sh", "bash", "shell", "console")
COUNTED = {"as it stands": 45, "given": 69, "skip": 37}  # blocks; who adds one that does not run decides so here
BASH = shutil.which("bash")
GRAFT = r"""
set -e
shopt -s expand_aliases
graft() { printf '%s\0' "$#" "$@" >&"$ASK"; read -r code <&"$ANSWER"; cat "$SAID"; return "$code"; }
"""


def shell_blocks(page: Path) -> list[Block]:
    return [block for block in parsed(page)[0] if block.language in SHELLS]


def commands(block: Block) -> str:
    """What one pastes: of a console, what stands behind its prompts."""
    if block.language != "console":
        return block.code
    return "\n".join(line.removeprefix("$ ") for line in block.code.splitlines() if line.startswith("$ "))


# -- stand-ins --------------------------------------------------------------------------------------------------------


def near(model, seed):
    """One that was fine-tuned from it."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        tensor.add_(0.02 * torch.randn(tensor.shape, generator=generator))
    return model


def style(seed: int = 0):
    """Of 64 pixels, whatever its name says."""
    model = stylegan2(channels=(16,) * 5, w_channels=32)
    return near(model, seed) if seed else model


def swapping(seed: int = 0):
    torch.manual_seed(0)
    model = ready(SwappingAutoencoder(preset("tiny", 64)))
    return near(model, seed) if seed else model


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """The bundled folder, with tiny models under the names of those that ship."""
    folder = tmp_path_factory.mktemp("bundled")
    shutil.copytree(load.BUNDLED / "photos", folder / "photos", ignore=shutil.ignore_patterns("*.md"))
    about = {"images_seen": 100, "licence": "none"}
    for number, name in enumerate(("landscapes-128", "landscapes-256", "colours-128")):
        save_model(folder / f"{name}.safetensors", swapping(number), about)
        model = load.load(folder / f"{name}.safetensors", SwappingAutoencoder, device="cpu")
        known = distribution(model, folder / "photos", 64)
        known.save(folder / f"{name}.textures.safetensors")
        names = [*("hour", "golden light", "season", "dryness", "haze"), *(f"component {i + 1}" for i in range(10))]
        vectors = 0.1 * torch.randn(len(names), len(known.texture.mean), generator=torch.Generator().manual_seed(1))
        found = Directions(tuple(names), vectors, known.texture.mean, torch.full((15,), 0.05), model.fingerprint, {})
        found.save(folder / f"{name}.directions.safetensors")
    for size, names in ((64, ("alpine", "woodblock")), (128, ("alpine", "woodblock", "neon"))):
        base = None
        for seed, name in enumerate(names):
            parent = {} if base is None else {"parent": base}
            path = folder / f"{name}-{size}.safetensors"
            save_model(path, style(seed), {**about, **parent})
            base = base or load.load(path, device="cpu").fingerprint
    (folder / "woodblock-128").mkdir()
    for images in (800, 1600):
        model = near(style(), images)
        save_model(
            folder / "woodblock-128" / f"{images:09d}.safetensors", model, {"images_seen": images, "parent": base}
        )
    save_model(folder / "upscale-4.safetensors", small(factor=4))
    words = describe(load.BUNDLED / "graft-mini.safetensors")["config"]["vocabulary"]
    dual_encoder(vocabulary=tuple(words)).save(folder / "graft-mini.safetensors", {})
    return folder


@cache
def glimpse(photo: Path) -> Tensor:
    return read(photo, 64)


def lay_out(given: str, shelf: Path) -> None:
    """Put the things there that a mark names, separated by commas, each of the kind in brackets or of its name's."""
    for item in given.split(","):
        name, _, kind = item.strip().rstrip(")").partition(" (")
        path = Path(name).expanduser()
        if path.exists():  # an earlier block wrote it, or had it too
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "a checkout":
            if not Path("graftlab").exists():
                Path("graftlab").mkdir()
                Path("graftlab/bundled").symlink_to(shelf)
                Path("docs/images").mkdir(parents=True)
        elif kind == "StyleGAN2":
            save_model(path, style(len(name)))
        elif kind == "StyleGAN3":
            save_model(path, stylegan3())
        elif kind == "Swapping Autoencoder":
            save_model(path, swapping(len(name)))
        elif kind == "e4e":
            torch.save(checkpoint("Encoder4Editing"), path)
        elif kind == "mask":
            to_image(torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)).save(path)
        elif kind == "upscaler":
            save_model(path, small(factor=4))
        elif kind == "snapshots":
            shutil.copytree(shelf / "woodblock-128", path / "models")
        elif name.endswith((".mp4", ".mov")):
            frames = [read(shelf / "photos" / f"{photo}.jpg", 32, True) for photo in ("peaks", "render-winter")]
            render(Film(18, Fraction(5), lambda number, frames=frames: frames[number // 9]), path)
        elif path.suffix == ".wav":
            with wave.open(name, "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(bytes(range(256)) * 200)
        elif path.suffix:
            shutil.copy(shelf / "photos" / "autumn-hills.jpg", path)
        else:
            path.mkdir()
            many = path.name == "photos"  # as many as a mixture needs
            for photo in sorted((shelf / "photos").iterdir())[: None if many else 3]:
                for level in range(8 if many else 1):
                    dim = to_image(glimpse(photo) * (1 - level / 10) / len(name))  # so that day is not night
                    dim.save(path / f"{photo.stem}-{level}.jpg")  # where `write` would wait for the disk each time


# -- running ----------------------------------------------------------------------------------------------------------


def asked(stream) -> Iterator[list[str]]:
    """Command lines that bash writes, as long as it lives: a count, and so many words, each ended by a zero byte."""

    def word() -> str:
        letters = bytearray()
        while (letter := stream.read(1)) not in (b"\0", b""):
            letters += letter
        return letters.decode()

    while count := word():
        yield [word() for _ in range(int(count))]


def paste(lines: str) -> int:
    """Run lines in bash, `graft` in this process, which has PyTorch already; returns the exit code."""
    (ask, asking), (answers, answer) = os.pipe(), os.pipe()
    said = Path.cwd().with_name("said")  # on stdout, for what stands behind a pipe
    environment = {**os.environ, "HOME": os.getcwd(), "ASK": str(asking), "ANSWER": str(answers), "SAID": str(said)}
    with subprocess.Popen(
        [BASH, "-c", GRAFT + lines], env=environment, pass_fds=(asking, answers), stdin=subprocess.DEVNULL
    ) as shell:
        os.close(asking)
        os.close(answers)
        with open(ask, "rb") as questions, open(answer, "wb", 0) as replies:
            for words in asked(questions):
                with said.open("w", encoding="utf-8") as out, redirect_stdout(out):
                    code = cli.run(words)
                replies.write(b"%d\n" % code)
    return shell.returncode


def hurry(kind, monkeypatch) -> None:
    """Two steps of what descends in hundreds."""
    step = kind.step

    def short(self):
        self.steps = min(self.steps, max(2, self.done + 1))
        return step(self)

    monkeypatch.setattr(kind, "step", short)


def short(options, most, monkeypatch) -> None:
    """Films of so many frames at the most."""
    limit = options.limit
    monkeypatch.setattr(options, "limit", lambda self, fps: min(limit(self, fps) or most, most))


def sized(options, side, monkeypatch) -> None:
    """Pictures of another size than the options say."""
    desk = options.desk

    def other(self, *given, **named):
        return desk(replace(self, size=side(self.size)), *given, **named)

    monkeypatch.setattr(options, "desk", other)


@pytest.fixture
def quick(monkeypatch, small_features) -> None:
    """Little of everything that a command does much of."""
    for kind in (Search, Guidance, Refinement, Tuning, EncoderTrainer):
        hurry(kind, monkeypatch)
    for module in (machine, speed):
        monkeypatch.setattr(module, "durations", lambda work, device: [once(work, device)])
    numbers = Inputs.numbers.fget
    monkeypatch.setattr(Inputs, "numbers", property(lambda self: numbers(self)[:8]))
    for module, name in (
        (style_directions, "ganspace"),
        (style_directions, "sefa"),
        (word_directions, "ganspace"),
        (word_directions, "probe_styles"),
        (word_directions, "probe_textures"),
    ):
        monkeypatch.setattr(module, name, partial(getattr(module, name), count=40))
    monkeypatch.setattr(search, "SAMPLES", search.MAPPED)
    try_textures = Guidance.try_textures

    def try_few(self, *given):
        self.settings = replace(self.settings, candidates=8)
        try_textures(self, *given)

    monkeypatch.setattr(Guidance, "try_textures", try_few)
    monkeypatch.setattr(filming, "FPS", "1")
    short(filming.Shooting, 8, monkeypatch)
    sized(filming.Shooting, lambda size: 64, monkeypatch)
    for options in (ReadingOptions, PictureOptions):
        sized(options, lambda size: size and min(size, 200), monkeypatch)
    for options in (PictureOptions, ViewingOptions):
        monkeypatch.setattr(options, "own", 128)
    monkeypatch.setattr(tiles, "WHOLE", 128**2)


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize("page", [page for page in PAGES if shell_blocks(page)], ids=name_of)
def test_blocks_run(page, quick, shelf, tmp_path, monkeypatch, capfd):
    for module in (load, deltas):
        monkeypatch.setattr(module, "BUNDLED", shelf)
    monkeypatch.setattr(examples, "FOLDER", shelf / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GRAFTLAB_CACHE", str(tmp_path / ".cache"))
    for block in shell_blocks(page):
        if block.skip is not None:
            continue
        if block.given:
            lay_out(block.given, shelf)
        code = paste(commands(block))
        assert code == 0, f"{name_of(page)}:{block.line}: {capfd.readouterr().err[-600:]}"


def test_blocks_that_do_not_run_are_counted():
    found = dict.fromkeys(COUNTED, 0)
    for page in PAGES:
        for block in shell_blocks(page):
            found["skip" if block.skip is not None else "given" if block.given else "as it stands"] += 1
    assert found == COUNTED


def test_a_line_that_fails_ends_its_block(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paste("graft help clouds | grep -q haze && touch ~/done\n") == 0
    assert (tmp_path / "done").exists()
    assert paste('graft swap "no such.jpg" @peaks\ntouch never\n') == 2
    assert not Path("never").exists()
    assert paste("nobody-has-this-program\n") == 127
