"""Boxes cut out of photos and put back."""

import tiny
import torch
from claims import refused

from graftlab.inversion.crops import Box, cut, paste

PHOTO = tiny.pictures(1, 60, 90)


def test_boxes():
    assert Box.parse("1, 2,30,40") == Box(1, 2, 30, 40)
    assert Box.central(PHOTO, (32, 32)) == Box(15, 0, 60, 60)
    assert Box.central(PHOTO, (16, 32)) == Box(0, 7, 90, 45)
    for text in ("", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "1.5,0,5,5"):
        refused(r"left,top,width,height", Box.parse, text)


def test_a_box_of_the_right_size_is_cut_as_it_is_and_goes_back_where_it_was():
    box = Box(10, 5, 32, 32)
    piece = cut(PHOTO, box, (32, 32), "x.png")
    assert torch.equal(piece, PHOTO[:, :, 5:37, 10:42])
    assert torch.allclose(paste(PHOTO, piece, box), PHOTO, atol=1e-6)


def test_edges_are_soft_inside_the_box():
    box = Box(20, 10, 40, 40)
    result = paste(torch.zeros(1, 3, 60, 90), torch.ones(1, 3, 40, 40), box, soft=0.2)
    outside = result.clone()
    outside[:, :, *box.area] = 0
    assert not outside.any()
    line = result[0, 0, 30, 20:60]
    assert line[9:31].eq(1).all()
    assert (line[:8].diff() > 0).all()
    assert 0 < line[0] < 0.2
    assert torch.allclose(line, line.flip(0))
    hard = paste(torch.zeros(1, 3, 60, 90), torch.ones(1, 3, 40, 40), box, soft=0)
    assert hard[:, :, *box.area].eq(1).all()


def test_what_is_refused():
    refused(r"reaches beyond x\.png, 90 x 60", cut, PHOTO, Box(60, 0, 40, 40), (32, 32), "x.png")
    refused("same shape", cut, PHOTO, Box(0, 0, 50, 40), (32, 32), "x.png")
    says = r"x\.png shows 40 x 40 pixels, fewer than the 64 x 64.*--enlarge"
    refused(says, cut, PHOTO, Box(0, 0, 40, 40), (64, 64), "x.png")
    assert cut(PHOTO, Box(0, 0, 40, 40), (64, 64), "x.png", enlarge=True).shape == (1, 3, 64, 64)
    refused(r"0 to 0\.5", paste, PHOTO, PHOTO, Box(0, 0, 40, 40), soft=0.6)
