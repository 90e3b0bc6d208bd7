"""Co-occurrence of patches: against closed forms, and on textures that nobody would mistake for each other."""

import pytest
import torch
from tiny import pictures

from graftlab.codes import SwapCodes
from graftlab.evaluation.folder import folder
from graftlab.evaluation.patches import PATCHES, REFERENCES, Boxes, co_occurrence, cut
from graftlab.images import write
from graftlab.perception.choice import feature_network

SIZE = 64


def textures(seed=0):
    """Four pictures (4, 3, SIZE, SIZE), each the same all over: fine noise, stripes, blots, a plain."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(3, SIZE, SIZE, generator=generator) * 2 - 1
    stripes = torch.where(torch.arange(SIZE) % 8 < 4, 0.8, -0.8).expand(3, SIZE, SIZE)
    blots = pictures(1, SIZE, SIZE, seed)[0] * torch.tensor([1, -0.5, 0.2])[:, None, None]
    plain = torch.full((3, SIZE, SIZE), 0.3) + 0.02 * noise
    return torch.stack([noise, stripes, blots, plain])


# -- where is cut -----------------------------------------------------------------------------------------------------


def test_boxes_are_a_function_of_the_seed_and_leave_pytorch_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    boxes, again, other = (Boxes.draw(3, 2, seed) for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(boxes.photos.offset, again.photos.offset)
    assert torch.equal(boxes.hybrids.scale, again.hybrids.scale)
    assert not torch.equal(boxes.photos.offset, other.photos.offset)
    assert boxes.photos.flip.shape == (3, REFERENCES + PATCHES)
    assert boxes.hybrids.flip.shape == (2, PATCHES)


def test_patches_are_an_eighth_to_a_quarter_of_the_picture():
    line = torch.linspace(-1, 1, SIZE)
    places = torch.stack([line.expand(SIZE, SIZE), line[:, None].expand(SIZE, SIZE), torch.zeros(SIZE, SIZE)])[None]
    patches = cut(places, Boxes.draw(1, 1, 0).photos, [0])
    assert patches.shape == (1, REFERENCES + PATCHES, 3, SIZE // 4, SIZE // 4)
    inner = patches[..., 1:-1, 1:-1]  # at the picture's border, half of what is seen lies beyond it
    for axis in (0, 1):
        extent = inner[0, :, axis].flatten(1).max(1).values - inner[0, :, axis].flatten(1).min(1).values
        assert (extent > 2 / 8 * 0.8).all()
        assert (extent < 2 / 4).all()
        assert extent.max() - extent.min() > 0.05


def test_a_picture_is_cut_alike_in_any_batch():
    images, boxes = pictures(3, SIZE, SIZE), Boxes.draw(3, 1, 0).photos
    together = cut(images, boxes, range(3))
    assert torch.equal(cut(images[1:2], boxes, [1]), together[1:2])
    assert not torch.equal(cut(images[1:2], boxes, [2]), together[1:2])


# -- the share --------------------------------------------------------------------------------------------------------


def test_the_share_counts_patches_and_splits_ties():
    def photo(*vector):
        return torch.tensor(vector).expand(REFERENCES + PATCHES, 2)

    photos = torch.stack([photo(1.0, 0.0), photo(0.0, 2.0)])
    hybrid = torch.tensor([[3.0, 1.0], [1.0, 3.0], [1.0, 4.0], [1.0, 1.0]])  # nearer to 0, to 1, to 1, to both
    shares = co_occurrence(photos, torch.stack([hybrid, hybrid]), [(0, 1), (1, 0)])
    assert shares == {"hybrids": 0.5, "photos": 0.0, "own": 1.0}
    assert co_occurrence(photos, hybrid[None], [(0, 1)])["hybrids"] == (0 + 1 + 1 + 0.5) / 4
    assert co_occurrence(photos[[0, 0]], hybrid[None], [(0, 1)]) == {"hybrids": 0.5, "photos": 0.5, "own": 0.5}


def test_references_are_averaged_and_not_held_against_themselves():
    """Half of the references point elsewhere: their mean, unlike any one of them, is nearer to one photo for all."""
    axes = torch.eye(3)
    mixed = torch.cat([axes[[0]].expand(REFERENCES // 2, 3), axes[[1]].expand(REFERENCES - REFERENCES // 2, 3)])
    photos = torch.stack(
        [
            torch.cat([mixed, axes[[2]].expand(PATCHES, 3)]),  # patches like nothing among its references
            torch.cat([axes[[0]].expand(REFERENCES, 3), axes[[0]].expand(PATCHES, 3)]),
        ]
    )
    diagonal = (axes[0] + axes[1]).expand(1, PATCHES, 3)
    assert co_occurrence(photos, diagonal, [(1, 0)])["hybrids"] == 1
    assert co_occurrence(photos, diagonal, [(1, 0)])["own"] == 0.5  # as far from both


@pytest.fixture(scope="module")
def seen():
    """Of the textures: pictures, boxes, pairs of all, and the features of the patches."""
    images = textures()
    swaps = [(a, b) for a in range(4) for b in range(4) if a != b]
    boxes = Boxes.draw(len(images), len(swaps), seed=0)
    return boxes, swaps, feature_network().patches(cut(images, boxes.photos, range(4)))


def test_the_network_tells_textures_apart(seen):
    """Other pictures of the same textures stand for hybrids: of the texture's, then of the structure's."""
    boxes, swaps, photos = seen
    more = textures(seed=1)
    for which, low, high in ((1, 0.9, 1.0), (0, 0.0, 0.1)):
        made = cut(more[[swap[which] for swap in swaps]], boxes.hybrids, range(len(swaps)))
        shares = co_occurrence(photos, feature_network().patches(made), swaps)
        assert low <= shares["hybrids"] <= high
        assert shares["own"] > 0.9
        assert shares["photos"] < 0.1


class Both:
    """A model whose codes are two copies of the picture, of which it shows one."""

    def __init__(self, shown):
        self.shown = shown

    def encode(self, images):
        return SwapCodes(images, images)

    def decode(self, codes):
        return getattr(codes, self.shown)


def test_of_models_on_a_folder_of_two_photos(tmp_path):
    for index, image in enumerate(textures()[:2]):
        write(image[None], tmp_path / f"{index}.png")
    taken, kept = (folder(Both(shown), tmp_path, SIZE) for shown in ("texture", "structure"))
    assert taken.hybrids["patches"]["hybrids"] > 0.9
    assert kept.hybrids["patches"]["hybrids"] < 0.1
    known = [
        {"photos": one.hybrids["patches"]["photos"], "own": one.hybrids["patches"]["own"]} for one in (taken, kept)
    ]
    assert known[0] == known[1]
    assert known[0]["photos"] < 0.1 < 0.9 < known[0]["own"]
    table = next(table for table in taken.tables() if table.title == "Hybrids")
    assert dict(table.rows)["patches ↑"] == list(taken.hybrids["patches"].values())
    assert "own" in table.text().splitlines()[1]
