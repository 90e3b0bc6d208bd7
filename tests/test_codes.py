"""Codes: mixing, arithmetic, matrices and files."""

import json
from operator import add, sub
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import save_file

from graftlab.codes import Codes, StyleCodes, SwapCodes

HOSTILE = sorted((Path(__file__).parent / "fixtures" / "hostile").glob("*.safetensors"))


def swap_codes(count=2, grid=(4, 5), seed=0, **options):
    torch.manual_seed(seed)
    return SwapCodes(torch.randn(count, 8, *grid), torch.randn(count, 16), **options)


def style_codes(count=2, seed=0):
    torch.manual_seed(seed)
    return StyleCodes(torch.randn(count, 6, 10))


def same(a, b):
    assert type(a) is type(b)
    for name in a.parts:
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-6, atol=1e-6)
    return True


# -- a batch ----------------------------------------------------------------------------------------------------------


def test_batches_that_differ_and_parts_of_other_dimensions_are_refused():
    refused("2 of structure and 3 of texture", SwapCodes, torch.zeros(2, 8, 4, 4), torch.zeros(3, 16))
    for structure, texture in (((2, 8, 4), (2, 16)), ((2, 8, 4, 4), (2, 16, 3)), ((2, 8, 4, 4), ()), ((), ())):
        refused("dimensions", SwapCodes, torch.zeros(structure), torch.zeros(texture))


def test_indexing_gives_batches():
    codes = swap_codes(3, size=(13, 17), model="m")
    for index in (0, 2, -1, -3):
        one = codes[index]
        assert (len(one), one.size, one.model) == (1, (13, 17), "m")
        assert torch.equal(one.texture[0], codes.texture[index])
    assert torch.equal(codes[1:].structure, codes.structure[1:])
    assert torch.equal(codes[::2].texture, codes.texture[::2])
    assert torch.equal(codes[torch.tensor([2, 0])].texture, codes.texture[[2, 0]])
    assert len(codes[torch.tensor([True, False, True])]) == 2
    for beyond in (3, -4):
        with pytest.raises(IndexError):
            codes[beyond]
    items = list(codes)
    assert len(items) == 3
    same(Codes.cat(items), codes)


def test_cat_joins_in_order():
    a, b = swap_codes(1, seed=1, model="m"), swap_codes(2, seed=2)
    joined = Codes.cat([a, b])
    assert (len(joined), joined.model) == (3, "m")
    assert torch.equal(joined.structure, torch.cat([a.structure, b.structure]))
    assert torch.equal(joined.texture, torch.cat([a.texture, b.texture]))
    refused("no codes to join", Codes.cat, [])
    refused("differ in size", Codes.cat, [swap_codes(), swap_codes(grid=(4, 4))])
    refused("differ in size", Codes.cat, [swap_codes(size=(14, 18)), swap_codes(size=(15, 18))])


def test_to_another_precision():
    codes = swap_codes(size=(15, 20), model="m").to(torch.float64)
    assert (codes.structure.dtype, codes.texture.dtype) == (torch.float64, torch.float64)
    assert (codes.size, codes.model) == ((15, 20), "m")


# -- mix --------------------------------------------------------------------------------------------------------------


def test_mix_keeps_and_swaps():
    a, b = swap_codes(seed=1), swap_codes(seed=2)
    same(a.mix(b), a)
    same(a.mix(b, structure=0, texture=0.0), a)
    same(a.mix(b, structure=1, texture=1.0), b)
    hybrid = a.mix(b, texture=1)
    assert torch.equal(hybrid.structure, a.structure)
    assert torch.equal(hybrid.texture, b.texture)


@pytest.mark.parametrize("share", [0.25, -0.5, 1.5])
def test_mix_interpolates_and_exaggerates(share):
    a, b = swap_codes(seed=1), swap_codes(seed=2)
    mixed = a.mix(b, structure=share, texture=share)
    same(mixed, a + share * (b - a))
    same(a.mix(b, structure=torch.tensor(share), texture=torch.tensor(share)), mixed)
    same(style_codes(2, 1).mix(style_codes(2, 2), w=share), style_codes(2, 1) * (1 - share) + share * style_codes(2, 2))


def test_a_share_may_be_learned():
    a, b, share = swap_codes(seed=1), swap_codes(seed=2), torch.tensor(0.3, requires_grad=True)
    a.mix(b, texture=share).texture.sum().backward()
    assert share.grad == pytest.approx((b.texture - a.texture).sum().item(), rel=1e-4)


def test_codes_of_different_size_swap_whole_but_do_not_mix():
    a, b = swap_codes(grid=(4, 5)), swap_codes(grid=(6, 4), seed=1)
    assert a.mix(b, structure=1).structure.shape[2:] == (6, 4)
    refused("structure codes differ in size.* read the pictures at one size", a.mix, b, structure=0.5)


def test_size_goes_with_the_structure():
    a, b, exact = swap_codes(size=(13, 20)), swap_codes(size=(16, 17)), swap_codes()
    assert a.mix(b, texture=1).size == (13, 20)
    assert a.mix(b, structure=1).size == (16, 17)
    assert a.mix(b, structure=1, texture=1).size == (16, 17)
    assert a.mix(b, structure=0.5).size == (13, 20)
    assert a.mix(exact, structure=1).size is None
    assert exact.mix(a, structure=1).size == (13, 20)
    assert exact.mix(a, texture=1).size is None


def test_noise_goes_with_the_structure(tmp_path):
    draw = torch.Generator().manual_seed(0)
    a, b = (swap_codes(1, seed=seed, noise=torch.randn(1, 1, 64, 80, generator=draw)) for seed in (0, 1))
    bare = swap_codes(3)
    assert a.mix(b, texture=1).noise is a.noise
    assert torch.equal(a.mix(b, structure=1, texture=1).noise, b.noise)
    assert a.mix(bare[0], structure=1).noise is None
    assert a.mix(bare[0], structure=0.5).noise is None
    assert torch.equal(a.mix(bare, texture=1).noise, a.noise.expand(3, -1, -1, -1))
    left = torch.cat([torch.ones(1, 1, 1, 5), torch.zeros(1, 1, 1, 5)], 3)
    for share in (0.5, 0.3, 1.5):
        assert a.mix(b, structure=share).noise.std().item() == pytest.approx(1, abs=0.03)
    masked = a.mix(b, structure=left).noise
    assert torch.equal(masked, torch.cat([b.noise[..., :40], a.noise[..., 40:]], 3))
    direction = swap_codes(1, grid=(1, 1))
    assert (direction + a).noise is not None
    assert torch.equal((a + direction).noise, a.noise)
    assert torch.equal(((a - bare[0]) + bare[0]).noise, a.noise)
    joined = Codes.cat([a, b])
    assert torch.equal(joined[1].noise, b.noise)
    assert Codes.cat([a, bare]).noise is None
    joined.save(tmp_path / "codes.safetensors")
    assert torch.equal(Codes.load(tmp_path / "codes.safetensors").noise, joined.noise)
    assert a.moved(b.structure).noise is None


def test_one_item_mixes_with_any_batch():
    many, one = swap_codes(3, seed=1), swap_codes(1, seed=2)
    for share in (0.5, 1):
        mixed, other_way = many.mix(one, texture=share), one.mix(many, texture=share)
        assert (len(mixed), len(other_way)) == (3, 3)
        for i in range(3):
            same(mixed[i], many[i].mix(one, texture=share))
            same(other_way[i], one.mix(many[i], texture=share))
    refused("differ", many.mix, swap_codes(2), texture=1)
    refused("differ", many.mix, swap_codes(2), texture=0.5)


def test_a_mask_on_structure():
    a, b, mask = swap_codes(seed=1), swap_codes(seed=2), torch.zeros(1, 1, 4, 5)
    mask[..., 2:] = 1
    mixed = a.mix(b, structure=mask)
    assert torch.equal(mixed.structure[..., :2], a.structure[..., :2])
    assert torch.equal(mixed.structure[..., 2:], b.structure[..., 2:])
    assert torch.equal(mixed.texture, a.texture)
    fine = mask.repeat_interleave(4, 2).repeat_interleave(4, 3)
    same(a.mix(b, structure=fine), mixed)  # as many pixels as the picture
    same(a.mix(b, structure=fine.bool()), mixed)


def test_a_mask_makes_a_texture_a_map():
    a, b = swap_codes(seed=1), swap_codes(seed=2)
    mask = torch.rand(2, 1, 3, 7)
    mixed = a.mix(b, texture=mask)
    assert mixed.texture.shape == (2, 16, 3, 7)
    for y, x in ((0, 0), (2, 5)):
        share = mask[:, :, y, x]
        torch.testing.assert_close(mixed.texture[:, :, y, x], (1 - share) * a.texture + share * b.texture)


def test_masks_paint_one_region_after_the_other():
    a, b, c = (swap_codes(seed=seed) for seed in range(3))
    left, top = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8)
    left[..., :2], top[:, :, :4] = 1, 1
    painted = a.mix(b, texture=left).mix(c, texture=top).texture
    assert painted.shape == (2, 16, 4, 4)
    torch.testing.assert_close(painted[:, :, 0, 0], c.texture)
    torch.testing.assert_close(painted[:, :, 3, 0], b.texture)
    torch.testing.assert_close(painted[:, :, 3, 3], a.texture)
    half = a.mix(b, texture=left).mix(c, texture=0.5).texture
    torch.testing.assert_close(half[:, :, 0, 0], (b.texture + c.texture) / 2)


def test_a_mask_per_item_spreads_one_item():
    mixed = swap_codes(1, seed=1).mix(swap_codes(1, seed=2), texture=torch.rand(3, 1, 2, 2))
    assert (len(mixed), mixed.texture.shape) == (3, (3, 16, 2, 2))


def test_masks_that_do_not_fit_are_refused():
    a, b = swap_codes(2), swap_codes(2, seed=1)
    for mask in (torch.rand(3, 1, 4, 5), torch.rand(1, 2, 4, 5), torch.rand(4, 5)):
        refused("differ in size", a.mix, b, structure=mask)
    refused("dimensions", style_codes().mix, style_codes(), w=torch.rand(1, 1, 6, 10))


def test_a_mask_over_layers():
    a, b, layers = style_codes(seed=1), style_codes(seed=2), torch.zeros(1, 6, 1)
    layers[:, 3:] = 1
    mixed = a.mix(b, w=layers)
    assert torch.equal(mixed.w, torch.cat([a.w[:, :3], b.w[:, 3:]], 1))


def test_an_unknown_part_is_refused():
    refused(r"no style, w, only structure and texture", swap_codes().mix, swap_codes(), w=1, style=0.5)
    for act in (lambda: swap_codes().flatten("w"), lambda: swap_codes().like(torch.zeros(2, 2), "model")):
        refused("have no", act)


def test_kinds_and_models_do_not_mix():
    ours, theirs = swap_codes(model="a" * 64), swap_codes(model="b" * 64)
    acts = [lambda x, y: x.mix(y, texture=1), lambda x, y: x + y, lambda x, y: x - y, lambda x, y: Codes.cat([x, y])]
    for act in acts:
        refused(r"different models \(aaaaaaaaaaaa and bbbbbbbbbbbb\)", act, ours, theirs)
        refused("do not go together", act, ours, style_codes())
        assert act(ours, swap_codes()).model == "a" * 64
        assert act(swap_codes(), ours).model == "a" * 64


# -- arithmetic -------------------------------------------------------------------------------------------------------


def test_arithmetic():
    a, b = swap_codes(seed=1), swap_codes(seed=2)
    total, difference, scaled = a + b, a - b, 2.5 * a
    for name in a.parts:
        x, y = getattr(a, name), getattr(b, name)
        assert torch.equal(getattr(total, name), x + y)
        assert torch.equal(getattr(difference, name), x - y)
        assert torch.equal(getattr(scaled, name), x * 2.5)
    same(a * 2.5, scaled)


def test_a_direction_goes_with_any_picture():
    codes = swap_codes(3, (9, 3), size=(35, 12))
    direction = SwapCodes(torch.zeros(1, 8, 1, 1), torch.randn(1, 16))
    for turned in (codes + direction, direction + codes):
        assert (len(turned), turned.size) == (3, codes.size)
        assert torch.equal(turned.structure, codes.structure)
        torch.testing.assert_close(turned.texture, codes.texture + direction.texture)
    assert torch.equal((codes - 2 * direction).structure, codes.structure)


def test_a_direction_goes_with_a_texture_map():
    codes = swap_codes().mix(swap_codes(seed=1), texture=torch.rand(1, 1, 4, 16))  # 16 columns: as many as channels
    direction = SwapCodes(torch.zeros(1, 8, 1, 1), torch.randn(1, 16))
    turned = codes + direction
    torch.testing.assert_close(turned.texture[:, :, 1, 2], codes.texture[:, :, 1, 2] + direction.texture)


def test_codes_of_different_size_do_not_add():
    refused("structure codes differ in size", add, swap_codes(), swap_codes(grid=(5, 5)))
    refused("differ in size", sub, swap_codes(2), swap_codes(3))


# -- matrices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [(), ("texture",), ("texture", "structure")])
def test_flatten_and_like_are_inverse(parts):
    codes, template = swap_codes(3, seed=1, size=(15, 20)), swap_codes(3, seed=2, size=(15, 20))
    matrix = codes.flatten(*parts)
    assert matrix.shape == (3, sum(getattr(codes, name)[0].numel() for name in parts or codes.parts))
    back = template.like(matrix, *parts)
    for name in codes.parts:
        source = codes if name in (parts or codes.parts) else template
        assert torch.equal(getattr(back, name), getattr(source, name))
    assert back.size == (15, 20)


def test_like_repeats_what_is_not_named():
    template, rows = swap_codes(1), torch.randn(5, 16)
    codes = template.like(rows, "texture")
    assert torch.equal(codes.texture, rows)
    assert torch.equal(codes.structure, template.structure.expand(5, -1, -1, -1))
    assert len(template.like(torch.randn(4, 8 * 20 + 16))) == 4


def test_what_like_refuses():
    for matrix, words in (
        (torch.zeros(2, 15), "Rows of 15 numbers do not fit codes of 16"),
        (torch.zeros(16), "matrix"),
        (torch.zeros(3, 16), "batches of these codes differ"),
    ):
        refused(words, swap_codes(2).like, matrix, "texture")


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codes",
    [
        swap_codes(2, model="f" * 64, size=(13, 20)),
        swap_codes(1),
        swap_codes(2).to(torch.float16),
        swap_codes(2).mix(swap_codes(2, seed=1), texture=torch.rand(1, 1, 2, 3)),
        swap_codes(1).like(torch.randn(1, 8 * 20 + 16)),  # two views of one row
        swap_codes(1).like(torch.randn(3, 16), "texture"),
        style_codes(),
    ],
)
def test_save_and_load(tmp_path, codes):
    path = codes.save(tmp_path / "new folder" / "c")
    loaded = Codes.load(str(path))
    same(loaded, codes)
    assert loaded.model == codes.model
    assert all(getattr(loaded, name).dtype == getattr(codes, name).dtype for name in codes.parts)
    if isinstance(codes, SwapCodes):
        assert loaded.size == codes.size
        assert type(loaded.size) is type(codes.size)


def test_loaded_codes_outlive_their_file(tmp_path):
    path = swap_codes().save(tmp_path / "c")
    loaded = Codes.load(path)
    with path.open("r+b") as file:
        file.seek(-64, 2)
        file.write(b"\xff" * 64)
    same(loaded, swap_codes())


def test_hostile_files_are_refused():
    assert len(HOSTILE) == 4
    for path in HOSTILE:
        assert str(path) in refused("", Codes.load, path)


def test_what_is_no_codes_file(tmp_path):
    for name, content in (("empty", b""), ("page", b"<html>no</html>"), ("photo", b"\x89PNG\r\n\x1a\n" + bytes(100))):
        (tmp_path / name).write_bytes(content)
        refused(r"no safetensors file .*graft encode", Codes.load, tmp_path / name)
    refused("is a folder", Codes.load, tmp_path)
    refused("no such file", Codes.load, tmp_path / "nothing")


TENSORS = {"structure": torch.zeros(1, 8, 4, 4), "texture": torch.zeros(1, 16)}


def test_contents_that_make_no_sense_are_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    for header, tensors in (
        (None, TENSORS),
        ({}, TENSORS),
        ([], TENSORS),
        ("SwapCodes", TENSORS),
        ({"kind": "Codes"}, TENSORS),
        ({"kind": ["SwapCodes"]}, TENSORS),
        ({"kind": "swapping-autoencoder"}, TENSORS),
        ({"kind": "StyleCodes"}, TENSORS),
        ({"kind": "SwapCodes"}, {"structure": torch.zeros(1, 8, 4, 4)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "more": torch.zeros(1)}),
        ({"kind": "SwapCodes", "structure": 1}, TENSORS),
        ({"kind": "SwapCodes", "unknown": 1}, TENSORS),
        ({"kind": "SwapCodes", "parts": ["structure"]}, TENSORS),
        ({"kind": "SwapCodes", "model": 5}, TENSORS),
        ({"kind": "SwapCodes", "size": "no"}, TENSORS),
        ({"kind": "SwapCodes", "size": [16]}, TENSORS),
        ({"kind": "SwapCodes", "size": [16, 0]}, TENSORS),
        ({"kind": "SwapCodes", "size": [16.0, 16]}, TENSORS),
        ({"kind": "SwapCodes", "size": [True, True]}, TENSORS),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.zeros(2, 16)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.zeros(16)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.tensor(1.0)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.full((1, 16), torch.nan)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.full((1, 16), torch.inf)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.zeros(1, 16, dtype=torch.int64)}),
        ({"kind": "SwapCodes"}, {**TENSORS, "texture": torch.zeros(1, 16, dtype=torch.complex64)}),
        ({"kind": "StyleCodes"}, {"w": torch.zeros(2, 3)}),
    ):
        save_file(tensors, path, None if header is None else {"graftlab": json.dumps(header)})
        assert str(path) in refused("", Codes.load, path)


def test_a_header_that_nests_without_end_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "c", {"graftlab": "[" * 100_000})
    refused(r"is damaged .*graft encode", Codes.load, tmp_path / "c")


# -- with a model -----------------------------------------------------------------------------------------------------


def test_adding_a_vector_only_turns():
    model = tiny.model()
    codes = model.encode(tiny.pictures(2))
    torch.testing.assert_close(codes.structure.norm(dim=1), torch.ones(2, 8, 8))
    torch.testing.assert_close(codes.texture.norm(dim=1), torch.ones(2))
    picture = model.decode(codes)
    assert tiny.differ(model.decode(2 * codes), picture) < 1e-5
    assert tiny.differ(model.decode(-1 * codes), picture) > 1e-2
    assert tiny.differ(model.decode(codes + codes[0]), picture) > 1e-2


def test_a_mask_reaches_the_picture():
    model = tiny.model()
    a, b = model.encode(tiny.pictures(2))
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 4:] = 1
    plain, swapped = (model.decode(codes, noise="none") for codes in (a, a.mix(b, texture=1)))
    mixed = model.decode(a.mix(b, texture=mask), noise="none")
    assert tiny.differ(mixed[..., :2], plain[..., :2]) < tiny.differ(swapped[..., :2], plain[..., :2]) / 3
    assert tiny.differ(mixed[..., -2:], swapped[..., -2:]) < tiny.differ(plain[..., -2:], swapped[..., -2:]) / 3
    same_all_over = a.mix(b, texture=torch.full((1, 1, 3, 2), 0.25))
    assert tiny.differ(model.decode(same_all_over), model.decode(a.mix(b, texture=0.25))) < 1e-5


def test_codes_of_two_devices_go_together():
    """The device of the codes on the left wins, as for a model on a GPU and a direction from a file."""
    here, file = swap_codes().to("meta"), swap_codes(seed=1)
    for result in (here + file, here - file, here.mix(file, texture=1), here.mix(file, structure=0.5)):
        assert {part.device.type for part in (result.structure, result.texture)} == {"meta"}
    assert Codes.cat([here, file]).structure.device.type == "meta"
