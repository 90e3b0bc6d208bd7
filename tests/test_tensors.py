"""Tensors and numpy arrays in pickles: what they hold is what was saved, and none lies beyond its bytes."""

import pickle
import struct
from io import BytesIO

import numpy as np
import pytest
import torch
from claims import refused
from pickle_programs import call, name, text, whole

from graftlab.checkpoints.containers.pickles import unpickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

ARRAYS = [np.arange(6).astype(kind).reshape(2, 3) for kind in ("f2", "f4", "f8", ">f4", "u1", ">i2", "i8", "?", "c8")]
ARRAYS += [np.asfortranarray(array) for array in ARRAYS] + [np.zeros((0, 3)), np.float32(2), np.arange(9)[::2]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_arrays_are_tensors(protocol):
    found = unpickle(pickle.dumps(ARRAYS, protocol), "x.pkl")
    for array, tensor in zip(ARRAYS, found, strict=True):
        if array.ndim:
            assert tuple(tensor.shape) == array.shape
            np.testing.assert_array_equal(tensor.numpy(), array)
        else:
            assert tensor == array


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_and_text(protocol):
    value = [
        np.float64(1.5),
        np.float16(2),
        np.int64(-3),
        np.bool_(True),
        np.complex64(1 + 2j),
        np.str_("é"),
        np.array(["a"]),
    ]
    found = unpickle(pickle.dumps(value, protocol), "x.pkl")
    assert found == [1.5, 2.0, -3, True, 1 + 2j, "é", ["a"]]
    assert [type(number) for number in found[:4]] == [float, float, int, bool]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors_in_plain_pickles(protocol):
    tensor = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    value = [tensor, tensor.T, tensor[1:3, ::2], torch.nn.Parameter(tensor), tensor.bfloat16(), torch.tensor(3)]
    for before, after in zip(value, unpickle(pickle.dumps(value, protocol), "x.pkl"), strict=True):
        assert torch.equal(before, after)
        assert before.dtype == after.dtype
        assert not after.requires_grad


def test_tensors_with_attributes_and_of_other_devices():
    tensor = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    tagged = tensor.clone()
    tagged.tag = "mine"
    assert torch.equal(unpickle(pickle.dumps(tagged, 2), "x.pkl"), tensor)
    numbers = pickle.dumps(tensor.numpy(), 2)[2:-1]  # as PyTorch writes tensors of TPUs and of DirectML
    program = call("torch._utils", "_rebuild_device_tensor_from_numpy", numbers, name("torch", "float32"), text("xla"))
    assert torch.equal(unpickle(b"\x80\x04" + program + b".", "x.pkl"), tensor)


def torch_bytes(value) -> bytes:
    buffer = BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def test_the_same_bytes_are_not_read_again_and_again():
    data = torch_bytes(torch.zeros(1000).untyped_storage())
    program = b"B" + struct.pack("<I", len(data)) + data + b"q\x000"
    program += b"]" + (name("torch.storage", "_load_from_bytes") + b"h\x00\x85Ra") * 5
    refused("bytes inside bytes", unpickle, b"\x80\x04" + program + b".", "x.pkl")


def storage_program(count: int) -> bytes:
    """The instructions that remember a storage of so many numbers under 0."""
    data = torch_bytes(torch.arange(float(count))._typed_storage())
    return call("torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", len(data)) + data) + b"q\x000"


def integer(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def tensor_program(offset: int, size: tuple, stride: tuple) -> bytes:
    """A pickle of a tensor over a storage of 12 numbers."""
    shape = [b"(" + b"".join(map(integer, numbers)) + b"t" for numbers in (size, stride)]
    tensor = call("torch._utils", "_rebuild_tensor_v2", b"h\x00", integer(offset), *shape, b"\x89", b"N")
    return whole(storage_program(12), tensor)


def test_a_tensor_within_its_storage():
    tensor = unpickle(tensor_program(1, (2, 3), (5, 2)), "x.pkl")
    assert tensor.tolist() == [[1, 3, 5], [6, 8, 10]]


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (13,), (1,)),
        (1, (12,), (1,)),
        (0, (2, 3), (11, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (-2,), (1,)),
        (0, (100_000, 100_000), (0, 0)),
        (0, (2,), (0,)),
        (0, (4, 4), (1, 1)),
        (0, (2**40, 2**40), (1, 1)),
        (2**62, (1,), (1,)),
        (0, (2, 3), (3,)),
        (0, (1,) * 20, (1,) * 20),
        (0, (2**40, 2**40, 0), (1, 1, 1)),
        (0, (2**62,), (1,)),
    ],
)
def test_tensors_beyond_their_storage_are_refused(offset, size, stride):
    refused(r"^x\.pkl holds a tensor", unpickle, tensor_program(offset, size, stride), "x.pkl")


def test_views_do_not_add_up_without_end():
    arguments = b"(h\x00K\x00" + integer(4000) + b"\x85K\x01\x85\x89Ntq\x010"
    view = name("torch._utils", "_rebuild_tensor_v2") + b"h\x01Ra"
    few, many = (whole(storage_program(4000), arguments, b"]", view * count) for count in (3, 1000))
    assert len(unpickle(few, "x.pkl")) == 3
    refused("more bytes in tensors", unpickle, many, "x.pkl")


@pytest.mark.parametrize("kind", ["O", "V8", "M8[s]", "x" * 99, "f4,f4", "U0", "f3"])
def test_numpy_types_other_than_numbers_and_text_are_refused(kind):
    dtype = call("numpy", "dtype", text(kind), b"\x89\x88")
    refused("numpy", unpickle, whole(call("numpy.core.multiarray", "scalar", dtype, b"C\x04abcd")), "x.pkl")


def test_numpy_shapes_must_fit_their_bytes():
    array = pickle.dumps(np.zeros(4, "u1"), 2)
    refused("does not fit", unpickle, array.replace(b"K\x04\x85", b"M\xff\xff\x85"), "x.pkl")
