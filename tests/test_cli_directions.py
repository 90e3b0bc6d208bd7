"""`graft directions`: what it writes is what the same calls in Python give, and mistakes are one sentence."""

import importlib.util
import json
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from claims import shows
from tiny import new_model, pictures, stylegan2

from graftlab.checkpoints import load as loading
from graftlab.checkpoints.load import bundled_models, load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes
from graftlab.editing import style_directions
from graftlab.editing.directions import Directions, sweep
from graftlab.editing.fitting import between, principal
from graftlab.editing.style_directions import SEEDS, ganspace, read_directions, sefa
from graftlab.figures.sheets import sheet
from graftlab.images import read, read_recipe, to_uint8, write
from graftlab.networks.affines import affines

HILL, LAKE, SEA = "photos/hill.png", "photos/lake at dusk.jpg", "photos/海.png"
FILE = "d.safetensors"
RECIPE = Path(__file__).parents[1] / "recipes" / "landscapes" / "directions.py"


@pytest.fixture
def found(graft, model):
    """Directions of the three photos, in a file, one of them with correlations and a side."""
    about = {"correlations": {"night": {"snow": -0.3, "night": 0.71, "mist": 0.1}}, "toward": {"night": "darkness"}}
    first = principal(model, "photos", 32, 2)
    directions = Directions(("night", "component 2"), first.vectors, first.mean, first.explained, first.model, about)
    directions.save(FILE)
    return directions


# -- fit, show --------------------------------------------------------------------------------------------------------


def test_fit_writes_what_python_finds(graft, model):
    result = graft("directions", "fit", "photos", "-k", 2, "-o", "new/mine.safetensors")
    assert result.code == 0
    wanted, written = principal(model, "photos", 32, 2), Directions.load("new/mine.safetensors")
    assert torch.equal(written.vectors, wanted.vectors)
    assert (written.names, written.model, written.about) == (wanted.names, model.fingerprint, wanted.about)
    assert result.out.splitlines() == [
        f"component {i + 1}: {share:.1%} of the variance" for i, share in enumerate(wanted.explained.tolist())
    ]
    assert str(Path("new/mine.safetensors")) in result.err
    assert "could not be read" not in result.err
    Path("photos/torn.png").write_bytes(Path(HILL).read_bytes()[:200])
    assert "1 photo could not be read." in graft("directions", "fit", "photos", "-k", 2).err


def test_fit_takes_any_source_size_and_sample(graft, model):
    shutil.make_archive("photos", "zip", "photos")
    assert graft("directions", "fit", "photos.zip", "-k", 1, "--size", 40, "--most", 2, "--seed", 3).code == 0
    written, wanted = Directions.load("directions.safetensors"), principal(model, "photos.zip", 40, 1, 2, 3)
    assert torch.equal(written.vectors, wanted.vectors)
    assert written.about["pictures"] == 2


def test_the_same_command_twice_gives_the_same_bytes(graft, found):
    for command in (("fit", "photos", "-k", 2, "-o", FILE), ("sweep", HILL, FILE, "-o", "s.png")):
        assert graft("directions", *command).code == 0
        before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
        assert graft("directions", *command).code == 0
        assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_show(graft, found):
    result = graft("directions", "show", FILE)
    assert result.code == 0
    first, second = (f"{share:.1%} of the variance" for share in found.explained.tolist())
    assert result.out == (f"night (toward darkness): {first}; follows night +0.71, snow -0.30\ncomponent 2: {second}\n")
    told = json.loads(graft("directions", "show", FILE, "--json").out)
    assert told["model"] == found.model
    assert told["about"] == found.about
    assert told["directions"] == [
        {
            "name": "night",
            "explained": pytest.approx(found.explained[0].item()),
            "correlations": {"night": 0.71, "snow": -0.3, "mist": 0.1},
        },
        {"name": "component 2", "explained": pytest.approx(found.explained[1].item()), "correlations": {}},
    ]


def test_photos_that_are_none_leave_no_empty_bar(graft):
    Path("empty").mkdir()
    refused = graft("directions", "fit", "empty")
    (line,) = [line for line in refused.err.splitlines() if line.strip()]
    assert refused.code == 2
    assert line.startswith("graft: empty holds no images")


# -- sweep ------------------------------------------------------------------------------------------------------------


def test_a_strip_per_picture(graft, model, found):
    command = ("directions", "sweep", HILL, SEA, FILE, "--name", "night", "--gains", "-2,0,.5", "-o", "s.png")
    assert graft(*command, "--seed", 7).code == 0
    rows = []
    for path in (HILL, SEA):
        image = read(path, 32, True)
        (strip,) = sweep(model, found, model.encode(image), ["night"], [-2, 0, 0.5], seed=7)
        assert torch.equal(strip[1], model.decode(model.encode(image), seed=7))
        rows.append([image, *strip])
    assert shows(
        "s.png", sheet(rows, ["hill", "海"], ["original", "-2", "0", "+0.5"], "landscapes-256: night", scale=4)
    )
    assert read_recipe("s.png") == {
        "command": shlex.join(["graft", *command, "--seed", "7"]),
        "model": model.fingerprint,
        "version": read_recipe("s.png")["version"],
        "noise": "fixed",
        "seed": 7,
    }


def test_without_a_name_all_directions(graft, model, found):
    assert graft("directions", "sweep", HILL, FILE).code == 0
    image, gains = read(HILL, 32, True), [-3, -1.5, 0, 1.5, 3]
    columns = ["original", "-3", "-1.5", "0", "+1.5", "+3"]
    rows = [[image, *strip] for strip in sweep(model, found, model.encode(image), found.names, gains)]
    assert shows("sweep.png", sheet(rows, found.names, columns, "landscapes-256: hill", scale=4))
    assert graft("directions", "sweep", HILL, LAKE, FILE, "--gains", "1", "-o", "two.png").code == 0
    rows = []
    for path in (HILL, LAKE):
        image = read(path, 32, True)
        rows += [[image, *strip] for strip in sweep(model, found, model.encode(image), found.names, [1])]
    labels = [f"{stem}: {name}" for stem in ("hill", "lake at dusk") for name in found.names]
    assert shows("two.png", sheet(rows, labels, ["original", "+1"], "landscapes-256", scale=4))


def test_options_reach_the_pictures(graft, found):
    shown = set()
    for options in ((), ("--seed", 1), ("--noise", "none"), ("--no-square",), ("--size", 48), ("--gains", "1")):
        assert graft("directions", "sweep", HILL, FILE, "--name", "night", *options).code == 0
        shown.add(to_uint8(read("sweep.png")).tobytes())
    assert len(shown) == 6


def test_precision_and_device_reach_the_model(graft, found, monkeypatch):
    opened, original = [], loading.load

    def load(path, kind, device, precision):
        opened.append((path, device, precision))
        return original(path, kind, device=device, precision=precision)

    monkeypatch.setattr("graftlab.rendering.renderer.load", load)
    for command in (("fit", "photos", "-k", 1), ("sweep", HILL, FILE)):
        assert graft("directions", *command, "--device", "cpu", "--precision", "bfloat16").code == 0
        assert opened[-1] == ("landscapes-256", "cpu", "bfloat16")


def test_bundled_directions_by_the_name_of_their_model(graft, bundle, found, tmp_path, monkeypatch):
    mine = tmp_path / "other bundle"
    mine.mkdir()
    shutil.copy(bundle / "landscapes-128.safetensors", mine / "hills.safetensors")
    shutil.copy(FILE, mine / "hills.directions.safetensors")
    monkeypatch.setattr(loading, "BUNDLED", mine)
    assert list(bundled_models()) == ["hills"]
    assert len(json.loads(graft("models", "--json").out)) == 1
    assert graft("directions", "show", "hills").out.startswith("night")
    assert graft("directions", "sweep", HILL, "hills", "--name", "night").code == 0  # with that model
    assert read_recipe("sweep.png")["model"] == found.model


# -- structures, masks, folders ---------------------------------------------------------------------------------------


def test_fit_of_structures(graft, model):
    assert graft("directions", "fit", "photos", "--part", "structure", "-o", "all.safetensors").code == 0
    wanted, written = principal(model, "photos", 32, 8, part="structure"), Directions.load("all.safetensors")
    assert torch.equal(written.vectors, wanted.vectors)  # as many as a cell has channels
    assert json.loads(graft("directions", "show", "all.safetensors", "--json").out)["part"] == "structure"
    assert graft("directions", "sweep", HILL, "all.safetensors", "--first", 2, "--gains", "0,1").code == 0
    image = read(HILL, 32, True)
    rows = [[image, *strip] for strip in sweep(model, wanted, model.encode(image), wanted.names[:2], [0, 1])]
    assert shows("sweep.png", sheet(rows, wanted.names[:2], ["original", "0", "+1"], "landscapes-256: hill", scale=4))


def test_a_mask_is_read_as_the_picture_is(graft, model, found):
    mask = torch.full((1, 3, 37, 50), -1.0)
    mask[..., :25] = 1
    write(mask, "mask.png")
    command = ("directions", "sweep", HILL, FILE, "--name", "night", "--gains", "2", "--mask", "mask.png")
    assert graft(*command).code == 0
    image, region = read(HILL, 32, True), read("mask.png", 32, True).mean(1, keepdim=True) / 2 + 0.5
    (strip,) = sweep(model, found, model.encode(image), ["night"], [2], region)
    assert shows("sweep.png", sheet([[image, *strip]], ["night"], ["original", "+2"], "landscapes-256: night", scale=4))
    assert graft(*command, "--no-square").code == 0
    said = graft("directions", "sweep", SEA, *command[3:], "--no-square").refusal()
    assert "--mask mask.png of 50 x 37 pixels has another shape than 海, which is read as one of 32 x 78" in said


def test_between_writes_what_python_finds(graft, model, bundle):
    command = ("directions", "between", bundle / "photos", "photos", "--name", "mine", "-o", "new/m.safetensors")
    result = graft(*command)
    assert result.code == 0
    wanted, written = between(model, bundle / "photos", "photos", 32, "mine"), Directions.load("new/m.safetensors")
    assert torch.equal(written.vectors, wanted.vectors)
    assert written.about == wanted.about
    share = wanted.about["separation"]["mine"]
    assert result.out == (
        f"mine: {wanted.explained[0]:.1%} of the variance; "
        f"the whole difference is a gain of {wanted.about['difference']['mine']:.2f}; "
        f"{share['right']:.0%} of the pictures left out lie on their side, {share['distance']:.1f} deviations apart\n"
    )
    assert ("choose photos that differ more" in " ".join(result.err.split())) == (share["right"] < 0.75)
    assert json.loads(graft(*command, "--json").out)["about"] == wanted.about


# -- files of directions ----------------------------------------------------------------------------------------------


def test_rename_compose_orthogonalise(graft, found):
    assert graft("directions", "rename", FILE, "component 2", "haze", "-o", "1.safetensors").code == 0
    assert Directions.load("1.safetensors").names == ("night", "haze")
    terms = ("night=1.5", "haze=-0.5")
    assert graft("directions", "compose", "1.safetensors", "dusk", *terms, "-o", "2.safetensors").code == 0
    assert graft("directions", "show", "2.safetensors").out.splitlines()[2] == "dusk: +1.5 night -0.5 haze"
    made = found.rename("component 2", "haze").compose("dusk", {"night": 1.5, "haze": -0.5})
    assert torch.equal(Directions.load("2.safetensors").vectors, made.vectors)
    command = ("directions", "orthogonalise", "2.safetensors", "dusk", "--against", "night", "-o", "3.safetensors")
    assert graft(*command).code == 0
    written = Directions.load("3.safetensors")
    assert torch.equal(written.vectors, made.orthogonalise("dusk", made.select(["night"])).vectors)
    assert graft("directions", "show", "3.safetensors").out.splitlines()[2] == "dusk: at right angles to night"
    assert graft(*command[:-1], "4.safetensors", "--from", FILE).code == 0
    assert torch.equal(Directions.load("4.safetensors").vectors, written.vectors)


# -- a StyleGAN2's ----------------------------------------------------------------------------------------------------


@pytest.fixture
def styles(graft, monkeypatch):
    """A StyleGAN2 of which few seeds are looked at, however many are asked for."""
    save_model(Path("net.safetensors"), stylegan2())
    all_seeds = style_directions._map_seeds
    few = lambda codes_of, count, progress: all_seeds(codes_of, min(count, 200), progress)  # noqa: E731
    monkeypatch.setattr(style_directions, "_map_seeds", few)
    monkeypatch.setattr(style_directions, "BATCH", 100)
    return load("net.safetensors", device="cpu")


def test_sefa(graft, styles):
    result = graft("directions", "sefa", "-m", "net.safetensors", "--layers", "0-3", "-k", 3, "-o", FILE)
    assert result.code == 0
    wanted = sefa(affines(styles, range(4)), styles.codes_of, 3, range(4))
    assert torch.equal(Directions.load(FILE).vectors, wanted.vectors)
    assert (Directions.load(FILE).layers, Directions.load(FILE).about) == ((0, 1, 2, 3), wanted.about)
    *lines, last = result.out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(wanted.names)
    assert last == "They change the layers 0, 1, 2, 3 of w."
    command = ("directions", "sweep", "3,9", FILE, "-m", "net.safetensors", "--first", 2, "--gains", "0,2")
    assert graft(*command, "--psi", 0.5).code == 0
    rows, labels = [], []
    for seed in (3, 9):
        rows += sweep(styles, wanted, styles.codes_of([seed], 0.5), wanted.names[:2], [0, 2], noise="const")
        labels += [f"seed {seed}: {name}" for name in wanted.names[:2]]
    assert shows("sweep.png", sheet(rows, labels, ["0", "+2"], "net", scale=4))
    assert graft(*command, "--psi", 0.5, "--layers", "6").code == 0
    assert not shows("sweep.png", sheet(rows, labels, ["0", "+2"], "net", scale=4))


def test_components_of_w(graft, styles):
    assert graft("directions", "ganspace", "-m", "net.safetensors", "-k", 4, "-o", FILE).code == 0
    found, wanted = Directions.load(FILE), ganspace(styles.codes_of, SEEDS, 4)
    assert torch.equal(found.vectors, wanted.vectors)
    assert found.about == wanted.about
    assert graft("sample", "-m", "net.safetensors", "--seeds", "5,6", "--codes", "w.safetensors").code == 0
    command = ("directions", "sweep", "w.safetensors", FILE, "-m", "net.safetensors", "--first", 1)
    assert graft(*command, "--noise", "fixed").code == 0
    codes, gains, rows = Codes.load("w.safetensors"), [-3, -1.5, 0, 1.5, 3], []
    for i in range(2):
        rows += sweep(styles, found, codes[i], ["component 1"], gains, noise="fixed")
    columns = ["-3", "-1.5", "0", "+1.5", "+3"]
    assert shows("sweep.png", sheet(rows, ["w 0", "w 1"], columns, "net: component 1", scale=4))


def test_vectors_of_other_programs(graft, styles):
    np.save("age.npy", np.eye(16, dtype=np.float32)[:1])
    assert "graft directions import" in graft("directions", "show", "age.npy").refusal()
    assert graft("directions", "import", "age.npy", "-m", "net.safetensors", "-o", FILE).code == 0
    written, wanted = Directions.load(FILE), read_directions(Path("age.npy"), styles.codes_of, 8, 16)
    assert torch.equal(written.vectors, wanted.vectors)
    assert (written.names, written.model) == (("age",), styles.fingerprint)


def test_components_of_ganspace(graft, styles):
    axes, mean = np.eye(16, dtype=np.float32)[:5], np.zeros(16, np.float32)
    numbers = np.array([5, 4, 3, 2, 1], np.float32)
    shares = {"act_stdev": numbers, "lat_stdev": numbers, "var_ratio": numbers / 20, "random_stdevs": numbers}
    np.savez("g.npz", act_comp=axes, act_mean=mean, lat_comp=axes, lat_mean=mean, **shares)
    assert graft("directions", "ganspace", "g.npz", "-m", "net.safetensors", "-k", 3, "-o", FILE).code == 0
    written = Directions.load(FILE)
    assert torch.equal(written.vectors, torch.diag(torch.tensor([5.0, 4, 3]))[:, :3] @ torch.eye(16)[:3])
    assert (written.part, written.model) == ("w", styles.fingerprint)
    np.savez("g.npz", act_comp=axes, act_mean=mean, lat_comp=axes[:, :15], lat_mean=mean[:15], **shares)
    refused = graft("directions", "ganspace", "g.npz", "-m", "net.safetensors")
    assert "a w of 15 channels, and this model's has 16" in " ".join(refused.err.split())


# -- mistakes ---------------------------------------------------------------------------------------------------------


def mistakes():
    yield ("show", "missing"), "missing: no such file"
    yield ("show", HILL), "hill.png"
    yield ("sweep", HILL, "landscapes-128"), "landscapes-128"  # without directions beside it
    yield ("sweep", "nowhere.png", FILE), "nowhere.png"
    yield ("sweep", HILL, FILE, "--name", "snow"), "no direction 'snow', only night, component 2"
    yield ("sweep", HILL, FILE, "--gains", "1,much"), "--gains takes numbers"
    yield ("sweep", HILL, FILE, "--gains", "1e4"), "between -1000 and 1000"
    yield ("sweep", HILL, FILE, "-m", "other"), "another model"
    yield ("sweep", HILL, FILE, "-o", HILL), "a file that this command reads"
    yield ("sweep", HILL, FILE, "--size", "30000"), "million pixels"
    yield ("fit", "photos", "-k", "3"), "3 directions need more readable pictures than 3, not 3"
    yield ("fit", "photos", "-k", "0"), "greater than or equal"
    yield ("fit", "photos", "-k", "1", "-m", "d.safetensors"), "no model that graftlab knows"
    yield ("fit", "photos", "-k", "1", "-m", "other", "-o", "other"), "a file that this command reads"
    yield ("fit", "photos", "-k", "1", "--part", "w"), "structure or texture, not of 'w'"
    yield ("between", "photos", "photos", "-o", "x"), "the same mean"
    yield ("between", "photos", "empty"), "empty holds no images"
    yield ("between", "single", "photos"), "single has 1 readable picture; a mean needs two"
    yield ("between", "photos", "single", "-m", "net"), "net is a StyleGAN2"
    yield ("sweep", HILL, FILE, "--mask", "black.png"), "--mask black.png is black all over"
    yield ("sweep", HILL, FILE, "--mask", "nowhere.png"), "nowhere.png"
    yield ("sweep", HILL, FILE, "--mask", "black.png", "-o", "black.png"), "a file that this command reads"
    yield ("sweep", HILL, FILE, "-m", "net"), "net is a StyleGAN2"
    yield ("sweep", "many", "w", "-m", "net"), "takes numbers and ranges such as 1,4,10-20, not 'many'"
    yield ("sweep", "1", "w", "-m", "net", "--layers", "8"), "layers 0 to 7, not 8"
    yield ("sweep", "1", "w", "-m", "net", "--mask", "black.png"), "mask"
    yield ("sweep", "1", "w"), "landscapes-256 is a Swapping Autoencoder"
    yield ("sefa", "-m", "net", "--layers", "8"), "this model has layers 0 to 7, not 8"
    yield ("sefa", "-m", "other", "--layers", "0"), "other is a Swapping Autoencoder"
    yield ("ganspace", HILL, "-m", "net"), "hill.png"
    yield ("rename", FILE, "snow", "ice", "-o", "x"), "no direction 'snow'"
    yield ("rename", FILE, "night", "day", "-o", FILE), "a file that this command reads"
    yield ("compose", FILE, "dusk", "night", "-o", "x"), "such as hour=1.5, not 'night'"
    yield ("compose", FILE, "dusk", "night=nan", "-o", "x"), "between -1000 and 1000"
    yield ("orthogonalise", FILE, "night", "--against", "factor 1", "--from", "w", "-o", "x"), "of one model"


def test_mistakes_are_told_in_one_sentence(refuses, found):
    save_model(Path("other"), new_model(1))
    save_model(Path("net"), stylegan2())
    network = load("net", device="cpu")
    sefa(affines(network, [0]), network.codes_of, 2, count=9).save("w")
    write(torch.full((1, 3, 32, 32), -1.0), "black.png")
    for name in ("empty", "single"):
        Path(name).mkdir()
    shutil.copy(HILL, "single")
    refuses(mistakes(), "directions")


# -- the recipe -------------------------------------------------------------------------------------------------------


@pytest.fixture
def recipe():
    spec = importlib.util.spec_from_file_location("recipe_directions", RECIPE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COLOURS = ("haze", "grass", "leaf")
NUMBERS = ("structure_seed", "texture_seed", "exposure", "snowline", "tree_snow", "cloud_cover", "mist", "visibility")


def rendered(folder, count=40, views=2):
    """Pictures whose brightness is their exposure, in folders of two views, with an index.csv. The last is missing."""
    rng = np.random.default_rng(0)
    lines = [",".join(["file", "archetype", *NUMBERS, *(f"{name}_{c}" for name in COLOURS for c in "rgb")])]
    for i in range(count):
        values = {name: rng.uniform(0.2, 1) for name in NUMBERS} | {"structure_seed": i // views, "texture_seed": i}
        file = f"{i // views:06d}/{i % views}.png"
        numbers = [*(f"{value:.5f}" for value in values.values()), *(f"{x:.4f}" for x in rng.uniform(0.1, 1, 9))]
        lines.append(",".join([file, "summer", *numbers]))
        if i < count - 1:
            write((pictures(1, seed=i) * 0.3 + 2 * values["exposure"] - 1.2).clamp(-1, 1), folder / file)
    (folder / "index.csv").write_text("\n".join(lines) + "\n")


def test_the_recipe_finds_all_factors(recipe, bundle, tmp_path, capsys):
    rendered(tmp_path / "alpine")
    out = tmp_path / "d.safetensors"
    model = str(bundle / "landscapes-128.safetensors")
    recipe.main([model, str(tmp_path / "alpine"), str(out), "-k", "3"])
    found = Directions.load(out)
    factors = list(recipe.FACTORS)
    assert found.names[:5] == tuple(factors)
    assert [name.split(" (")[0] for name in found.names[5:]] == ["component 1", "component 2", "component 3"]
    assert (found.about["pictures"], found.about["held_out"]) == (29, 10)  # a picture is missing
    assert found.correlations("hour")["hour"] > 0.5  # brightness is all that these pictures follow
    assert list(found.about["toward"]) == list(found.about["told"]) == factors
    assert str(tmp_path) not in json.dumps(found.about)
    printed = capsys.readouterr().out
    assert all(f"\n{factor} " in printed for factor in factors)
    before = out.read_bytes()
    recipe.main([model, str(tmp_path / "alpine"), str(out), "-k", "3"])
    assert out.read_bytes() == before


@pytest.mark.parametrize("together", [1, 2])  # structures that share their textures
def test_nothing_is_fitted_and_held_out(recipe, together):
    structures = np.repeat(np.arange(50, 90), 2)
    textures = np.arange(80).reshape(-1, together, 2).swapaxes(1, 2).reshape(-1) // together
    fitted, held_out = recipe.choose(structures, textures, 60, seed=1)
    assert len(fitted) + len(held_out) == 60
    assert 12 <= len(held_out) <= 18
    for column in (structures, textures):
        assert not {column[i] for i in fitted} & {column[i] for i in held_out}
    assert recipe.choose(structures, textures, 60, seed=1) == (fitted, held_out)
    assert recipe.choose(structures, textures, 60, seed=2) != (fitted, held_out)


def test_relations_go_through_others(recipe):
    groups = recipe.related(np.array([1, 1, 2, 3, 3, 4]), np.array([7, 8, 8, 9, 7, 5]))
    assert groups.tolist() == [0, 0, 0, 0, 0, 5]


def test_the_recipe_says_what_is_missing(recipe, bundle, tmp_path):
    model, out = str(bundle / "landscapes-128.safetensors"), str(tmp_path / "d")
    for folder, says in (("photos", "index.csv is missing"), ("empty", "none of the pictures")):
        (tmp_path / folder).mkdir()
        if folder == "empty":
            (tmp_path / "empty" / "index.csv").write_text("file,archetype,exposure\n0.jpg,summer,1\n")
            write(pictures(), tmp_path / "empty" / "other.png")
        with pytest.raises(SystemExit, match=says):
            recipe.main([model, str(tmp_path / folder), out])
    with pytest.raises(SystemExit, match="neither a file nor a known model"):
        recipe.main(["nothing", str(tmp_path), out])
    assert not Path(out).exists()
