"""Batches are a function of (source, seed, position); nothing leaks between training and validation."""

import io
import multiprocessing
import threading
import time
from itertools import islice

import numpy as np
import pytest
import torch
from claims import refused
from PIL import Image

from graftlab.data import TrainingImages, open_source, pack
from graftlab.data.image_source import content_key, fraction
from graftlab.errors import GraftError
from graftlab.work.parallel import ordered_map


def photo(seed: int, size=(48, 40), kind="PNG") -> bytes:
    file = io.BytesIO()
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(40):
        (tmp_path / "photos" / f"{i:02d}.png").write_bytes(photo(i))
    return tmp_path / "photos"


@pytest.fixture
def packed(folder, tmp_path):
    pack(open_source(folder), tmp_path / "photos.pack", 16)
    return open_source(tmp_path / "photos.pack")


def flat(folder, count):
    """Images of one colour each, so that every crop of image i is i."""
    for i in range(count):
        Image.new("RGB", (20, 18), (i, i, i)).save(folder / f"{i:03d}.png")


def shades(batch: torch.Tensor) -> list[int]:
    return ((batch[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


# ------------------------------------------------------------------------------------------------------------ order


def test_an_epoch_shows_every_image_once(tmp_path):
    flat(tmp_path, 30)
    images = TrainingImages(open_source(tmp_path), 8, holdout=0.2)
    n = len(images)
    held = sorted(int(name[:3]) for name in images.names_held_out)
    orders = [shades(images.batch(epoch * n, n)) for epoch in range(3)]
    for order in orders:
        assert sorted(order + held) == list(range(30))
    assert orders[0] != orders[1] != orders[2]
    assert shades(images.batch(n - 3, 6)) == orders[0][-3:] + orders[1][:3]
    assert shades(images.batch(0, 3 * n)) == [*orders[0], *orders[1], *orders[2]]


def test_position_decides_not_the_batch(folder, packed):
    for source in (open_source(folder), packed):
        images, other = TrainingImages(source, 16, crop="random"), TrainingImages(source, 16, crop="random")
        whole = images.batch(70, 12)
        assert torch.equal(whole, torch.cat([other.batch(76, 6), other.batch(70, 6)]).roll(6, 0))
        assert not torch.equal(whole, TrainingImages(source, 16, seed=1).batch(70, 12))


def test_mirroring_is_that_of_the_pack(folder, packed):
    plain, mirrored = TrainingImages(packed, 16, mirror=False), TrainingImages(packed, 16)
    turned = [torch.equal(a.flip(2), b) for a, b in zip(plain.batch(0, 36), mirrored.batch(0, 36), strict=True)]
    same = [torch.equal(a, b) for a, b in zip(plain.batch(0, 36), mirrored.batch(0, 36), strict=True)]
    assert all(np.logical_xor(turned, same))
    assert 8 < sum(turned) < 28
    squashed = TrainingImages(open_source(folder), 16, crop="resize", mirror=True)
    unturned = TrainingImages(open_source(folder), 16, crop="resize", mirror=False)
    pairs = zip(unturned.batch(0, 36), squashed.batch(0, 36), strict=True)
    assert [torch.equal(a.flip(2), b) for a, b in pairs] == turned


def test_half_are_mirrored_upside_down_whatever_is_mirrored_left_to_right(packed):
    plain, upside = (
        TrainingImages(packed, 16, mirror=False),
        TrainingImages(packed, 16, mirror=False, mirror_vertical=True),
    )
    across, both = TrainingImages(packed, 16), TrainingImages(packed, 16, mirror_vertical=True)
    turned = [torch.equal(a.flip(1), b) for a, b in zip(plain.batch(0, 36), upside.batch(0, 36), strict=True)]
    same = [torch.equal(a, b) for a, b in zip(plain.batch(0, 36), upside.batch(0, 36), strict=True)]
    assert all(np.logical_xor(turned, same))
    assert 8 < sum(turned) < 28
    for image, mirrored, upset in zip(across.batch(0, 36), both.batch(0, 36), turned, strict=True):
        assert torch.equal(image.flip(1) if upset else image, mirrored)


def _batch(images, pipe):
    pipe.send(images.batch(1000, 8).numpy())


def test_same_batch_in_a_spawned_process(folder):
    images = TrainingImages(open_source(folder), 16, crop="random", seed=3)
    expected = images.batch(1000, 8)  # threads and caches are in use when the object travels
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_batch, args=(images, there))
    child.start()
    assert here.poll(60)
    assert np.array_equal(here.recv(), expected.numpy())
    child.join()


# ---------------------------------------------------------------------------------------------------------- holdout


def test_adding_and_renaming_moves_nothing(folder):
    def held():
        source = open_source(folder)
        names = TrainingImages(source, 16, holdout=0.3).names_held_out
        return {content_key((folder / name).read_bytes()) for name in names}

    before = held()
    assert 4 < len(before) < 20
    (folder / "sub").mkdir()
    for i in range(40):
        (folder / f"{i:02d}.png").rename(folder / "sub" / f"renamed {39 - i}.PNG")
    assert held() == before
    for i in range(100, 140):
        (folder / f"new{i}.png").write_bytes(photo(i))
    after = held()
    assert before < after
    assert after - before == {key for key in map(content_key, map(photo, range(100, 140))) if fraction(key) < 0.3}


def test_copies_stay_together(folder):
    for i in range(40):
        (folder / f"copy{i}.png").write_bytes(photo(i))
    source = open_source(folder)
    images = TrainingImages(source, 16, holdout=0.3)
    held = images.names_held_out
    keys = [source.key(list(source.names).index(name)) for name in held]
    assert all(keys.count(key) == 2 for key in keys)
    assert keys == sorted(keys)
    assert len(images) + len(held) == 80


def test_both_sides_have_an_image(tmp_path):
    for second in (1, 0):  # 0: both are the same photo
        for i, seed in enumerate((0, second)):
            (tmp_path / f"{i}.png").write_bytes(photo(seed))
        for holdout in (0.001, 0.5, 0.999):
            images = TrainingImages(open_source(tmp_path), 16, holdout=holdout)
            assert (len(images), len(images.names_held_out)) == (1, 1)


def test_none_is_held_out_if_nobody_wants_it_or_of_a_single_image(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(photo(i))
    images = TrainingImages(open_source(tmp_path), 16, holdout=0.0)
    assert (len(images), images.names_held_out) == (2, [])
    (tmp_path / "0.png").unlink()
    images = TrainingImages(open_source(tmp_path), 16, holdout=0.9)
    assert (len(images), images.names_held_out) == (1, [])
    assert images.batch(5, 3).shape == (3, 3, 16, 16)
    assert images.held_out(4).shape == (0, 3, 16, 16)


def test_pack_and_folder_agree(folder, packed):
    a, b = TrainingImages(open_source(folder), 16, holdout=0.2), TrainingImages(packed, 16, holdout=0.2)
    assert a.names_held_out == b.names_held_out
    assert torch.equal(a.held_out(100), b.held_out(100))
    assert len(a.held_out(100)) == len(a.names_held_out)
    assert torch.equal(a.held_out(2), a.held_out(100)[:2])


# ----------------------------------------------------------------------------------------------------------- errors


def test_options_that_cannot_be(folder, packed):
    refused("packed at 16 px and training wants 32 px", TrainingImages, packed, 32)
    refused("no crop mode", TrainingImages, packed, 16, crop="centre")
    refused("out of range", TrainingImages, packed, 16, holdout=1.0)


def test_unreadable_images_are_replaced_and_counted(tmp_path):
    flat(tmp_path, 40)
    for i in (7, 8, 30):
        (tmp_path / f"{i:03d}.png").write_bytes((tmp_path / f"{i:03d}.png").read_bytes()[:40])
    images, other = (TrainingImages(open_source(tmp_path), 8, seed=2, holdout=0.02) for _ in range(2))
    n = len(images)
    epoch = images.batch(0, n)
    assert torch.equal(other.batch(n // 2, n - n // 2), epoch[n // 2 :])
    assert images.unreadable == {"007.png", "008.png", "030.png"} - set(images.names_held_out)
    held = {int(name[:3]) for name in images.names_held_out}
    assert set(shades(epoch)) == set(range(40)) - {7, 8, 30} - held
    assert shades(epoch).count(next(i for i in range(9, 40) if i not in held)) == 3  # itself, for 7 and for 8
    assert torch.equal(images.batch(0, n), epoch)
    names = sorted(images.unreadable)
    assert images.lost() == [f"Replaced, because they cannot be read: {', '.join(names)} ({len(names)})."]
    assert TrainingImages(open_source(tmp_path), 8).lost() == []


def test_images_that_would_be_enlarged_are_replaced_and_counted(tmp_path):
    flat(tmp_path, 12)
    for i in range(4, 10):  # more than the share that may be unreadable
        Image.new("RGB", (40, 15), (i, i, i)).save(tmp_path / f"{i:03d}.png")
    images = TrainingImages(open_source(tmp_path), 16, holdout=0)
    assert set(shades(images.batch(0, 12))) == {0, 1, 2, 3, 10, 11}
    told = (
        "Replaced, because they have fewer than 16 x 16 pixels: 004.png, 005.png, 006.png, 007.png, 008.png, ... (6)."
    )
    assert (images.lost(), images.unreadable) == ([told], set())
    none = TrainingImages(open_source(tmp_path), (16, 64), holdout=0)
    refused(r"No training image of .* has 64 x 16 pixels; train at a smaller size", none.batch, 0, 2)


def test_held_out_skips_the_unreadable(folder):
    images = TrainingImages(open_source(folder), 16, holdout=0.3)
    bad = images.names_held_out[0]
    rest = images.held_out(3)[1:]
    data = bytearray((folder / bad).read_bytes())
    data[30:60] = bytes(30)
    (folder / bad).write_bytes(data)
    images.unreadable.clear()
    assert torch.equal(images.held_out(2), rest)
    assert images.unreadable == {bad}


def test_too_many_unreadable_images_and_none_that_is_readable(tmp_path):
    flat(tmp_path, 60)
    for i in range(20, 32):
        (tmp_path / f"{i:03d}.png").write_bytes(b"")
    images = TrainingImages(open_source(tmp_path), 8, holdout=0)
    refused(r"1[12] of 60 images in .* are unreadable, most recently: .*png", images.batch, 0, 60)
    for number, path in enumerate(tmp_path.iterdir()):
        path.write_bytes(b"%d" % number) if number < 3 else path.unlink()
    refused(r"No training image of .* is readable", TrainingImages(open_source(tmp_path), 8).batch, 0, 2)


# ------------------------------------------------------------------------------------------------------- prefetching


def graftlab_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("graftlab-data")}


def test_prefetched_batches_are_the_same(folder, packed):
    for source in (open_source(folder), packed):
        images = TrainingImages(source, 16)
        batches = images.batches(12, 4, stride=8)
        for position, batch in zip(range(12, 100, 8), batches, strict=False):
            assert torch.equal(batch, images.batch(position, 4))
        assert graftlab_threads()
        batches.close()
        assert not graftlab_threads()


def test_errors_come_out_of_the_prefetcher(folder):
    images = TrainingImages(open_source(folder), 16)
    for path in folder.iterdir():
        path.write_bytes(b"")
    batches = images.batches(0, 4, 4)
    refused("unreadable", next, batches)
    assert not graftlab_threads()


def test_ordered_map_stays_in_order_and_near():
    started = []

    def work(i):
        started.append(i)
        time.sleep(0.002 * (i % 3))
        return i

    results = ordered_map(work, iter(range(10**9)), workers=4, ahead=6)
    assert list(islice(results, 20)) == list(range(20))
    results.close()
    assert max(started) < 20 + 6
    assert list(ordered_map(work, [])) == []


@pytest.mark.parametrize("failure", [GraftError, KeyboardInterrupt])
def test_what_comes_before_an_item_that_fails_is_not_lost(failure):
    def items():
        yield from range(5)
        raise failure("after 4")

    results = ordered_map(lambda i: 10 * i, items(), workers=2, ahead=3)
    assert list(islice(results, 5)) == [0, 10, 20, 30, 40]
    with pytest.raises(failure, match="after 4"):
        next(results)
