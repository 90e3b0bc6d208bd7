"""What the tests share: a tiny model in the place of the bundled ones, photos, `graft` itself, one thread."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
import typer.main
from offline import offline
from tiny import lay_beside, new_model, pictures, stylegan2, tuned
from web import Web

from graftlab import cli
from graftlab.checkpoints import load
from graftlab.checkpoints.native import save_model
from graftlab.cli.lazy import Later
from graftlab.images import write
from graftlab.perception import choice, efficientnet

torch.set_num_threads(1)  # networks as small as these gain nothing by a second one
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start
os.fsync = lambda file: None  # what tests write need not outlive a power cut: waiting for the disk took half their time
typer.main.get_command, Later.load = cache(typer.main.get_command), cache(Later.load)  # a process runs one command

PHOTOS = {"hill.png": (50, 37), "lake at dusk.jpg": (64, 64), "海.png": (33, 80)}  # name: width, height


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A folder like graftlab/bundled, its models a tiny one of 32 px and stride 4 whose noise is not zero."""
    folder = tmp_path_factory.mktemp("bundled")
    shutil.copytree(load.BUNDLED / "photos", folder / "photos")
    about = {"images_seen": 1234, "trained_on": "nothing", "licence": "none"}
    for name in ("landscapes-128", "landscapes-256"):
        save_model(folder / f"{name}.safetensors", new_model(), about)
    return folder


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos of mine")
    for seed, (name, (width, height)) in enumerate(PHOTOS.items()):
        write(pictures(1, height, width, seed), folder / name)
    return folder


@pytest.fixture
def photos(photo_folder, tmp_path) -> Path:
    """A copy of the photos that a test may change."""
    return Path(shutil.copytree(photo_folder, tmp_path / "photos"))


@pytest.fixture
def model(bundle):
    """The tiny model in the place of the bundled ones."""
    return load.load(bundle / "landscapes-128.safetensors", device="cpu")


@pytest.fixture(scope="session")
def kin(tmp_path_factory) -> Callable[[str], list[torch.nn.Module]]:
    """Lays models of a kind in the folder at work, and returns them as loaded: StyleGAN2s of 32 px whose files
    a.safetensors, b and c are kin, and one, other.safetensors, that is not; or a.safetensors and b, autoencoders."""
    kinds: dict[str, tuple[Path, list[torch.nn.Module]]] = {}
    for kind, new, names in (("stylegan2", stylegan2, "abc"), ("autoencoder", new_model, "ab")):
        folder = tmp_path_factory.mktemp(kind)
        for seed, name in enumerate(names):
            about = ({"licence": "CC0", "trained_on": "hills"}, {"licence": "CC0"}, {})[seed]
            save_model(folder / f"{name}.safetensors", tuned(new(), seed) if seed else new(), about)
        kinds[kind] = folder, [load.load(path, device="cpu") for path in sorted(folder.iterdir())]
    save_model(kinds["stylegan2"][0] / "other.safetensors", stylegan2(4))

    def lay(kind: str) -> list[torch.nn.Module]:
        folder, models = kinds[kind]
        shutil.copytree(folder, ".", dirs_exist_ok=True)
        return models

    return lay


@pytest.fixture
def web(monkeypatch):
    """A server on this machine, without pages yet."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    web = Web()
    yield web
    web.close()


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    def refusal(self) -> str:
        """What a command that is refused says, on one line: nothing else, and no traceback."""
        assert (self.code, self.out) == (2, ""), self
        assert "Traceback" not in self.err
        return " ".join(self.err.split())


@pytest.fixture
def graft(request, bundle, photos, tmp_path, monkeypatch, capsys) -> Callable[..., Result]:
    """Run a command in this process, on the CPU, in a folder that holds nothing but photos/; only in tests with a
    `web`, or that are marked `connects`, may it open a socket."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "BUNDLED", bundle)
    monkeypatch.setenv("GRAFTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    connects = "web" in request.fixturenames or request.node.get_closest_marker("connects")

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        with nullcontext() if connects else offline():
            code = cli.run([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def refuses(graft) -> Callable[..., None]:
    """Checks that each of some commands is refused in one sentence, which says what stands beside it, and that every
    file is left as it was."""

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}

    def check(rows: Iterable[tuple[Sequence[object], str]], *group: object) -> None:
        before = files()
        for command, says in rows:
            result = graft(*group, *command)
            assert says in result.refusal(), command
            assert result.err.startswith("Usage: ") or result.err.count("graft: ") == 1, result.err
            assert files() == before, command

    return check


@pytest.fixture(scope="module")
def small_features():
    """Feature networks that see 64 px instead of 224, which takes a tenth of the time: what they find is no matter."""
    choice.feature_network.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet, "SIDE", 64)
        yield
    choice.feature_network.cache_clear()  # else later tests would find these


@pytest.fixture
def studio(bundle, tmp_path, monkeypatch):
    """A studio whose models are tiny ones, with directions and a distribution beside one of them."""
    from studio import opened  # which needs the packages of the extra

    folder = shutil.copytree(bundle, tmp_path / "bundled", ignore=shutil.ignore_patterns("photos"))
    monkeypatch.setattr(load, "BUNDLED", folder)
    monkeypatch.setenv("GRAFTLAB_CACHE", str(tmp_path / "cache"))
    lay_beside(folder / "landscapes-128.safetensors", load.load("landscapes-128", device="cpu"))
    with opened() as studio:
        yield studio
