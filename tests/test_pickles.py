"""Our interpreter of pickles: it agrees with Python's about plain values, knows the calls that build data, and refuses
the rest."""

import argparse
import datetime
import decimal
import fractions
import math
import pickle
import struct
import sys
import typing
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from claims import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from pickle_programs import WAYS, call, name, text, whole

from graftlab.checkpoints.containers.pickles import LEVELS, Name, Record, unpickle
from graftlab.errors import GraftError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

KEYS = st.text(max_size=5) | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.booleans() | st.none()
LEAVES = (
    KEYS
    | st.integers(-(10**200), 10**200)
    | st.binary(max_size=300)
    | st.binary(max_size=9).map(bytearray)
    | st.complex_numbers(allow_nan=False)
    | st.sets(st.integers() | st.text(max_size=3), max_size=1)  # the order of more is not pickle's
    | st.frozensets(st.integers(), max_size=1)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=25,
)


def as_we_say(value):
    """What Python's pickle gives, in the types that ours gives."""
    if isinstance(value, dict):
        return {key: as_we_say(inner) for key, inner in value.items()}
    if isinstance(value, list | set | frozenset):
        return [as_we_say(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple(as_we_say(inner) for inner in value)
    return bytes(value) if isinstance(value, bytearray) else value


@settings(deadline=None, max_examples=150)
@given(VALUES, st.sampled_from(PROTOCOLS))
def test_plain_values_are_what_python_reads(value, protocol):
    data = pickle.dumps(value, protocol)
    expected = as_we_say(pickle.loads(data))
    found = unpickle(data, "x.pkl")
    assert repr(found) == repr(expected)  # 0.0 and -0.0, 1 and True are different
    assert found == expected


def read_or_refused(program: bytes) -> bool:
    try:
        unpickle(program, "x.pkl")
        return True
    except GraftError as error:
        return str(error).startswith("x.pkl ")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x80\x04", b"\x80\x02]q\x00(", b"\x80\x02}q\x00(X\x01\0\0\0a"]))
def test_noise_is_read_or_refused(noise, beginning):
    assert read_or_refused(beginning + noise)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damage_is_read_or_refused(data):
    value = {"a": [1, 2.5, "x", None], "b": np.arange(6.0), "c": torch.ones(2, 3), "d": argparse.Namespace(lr=0.1)}
    program = bytearray(pickle.dumps(value, data.draw(st.sampled_from(PROTOCOLS))))
    for _ in range(data.draw(st.integers(1, 4))):
        program[data.draw(st.integers(0, len(program) - 1))] = data.draw(st.integers(0, 255))
    assert read_or_refused(bytes(program))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sets_are_lists(protocol):
    found = unpickle(pickle.dumps([{1, 2, 3}, frozenset("abc"), set()], protocol), "x.pkl")
    assert [sorted(items) for items in found] == [[1, 2, 3], ["a", "b", "c"], []]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_calls_that_build_data(protocol):
    value = {
        "counter": Counter("abba"),
        "default": defaultdict(list, a=[1]),
        "deque": deque([1, 2], maxlen=5),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "where": torch.device("cuda", 1),
    }
    expected = {"counter": {"a": 2, "b": 2}, "default": {"a": [1]}, "deque": [1, 2], "size": (2, 3), "device": "cpu"}
    assert unpickle(pickle.dumps(value, protocol), "x.pkl") == {**expected, "where": "cuda:1"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_are_records_of_what_they_were(protocol):
    when = datetime.datetime(2020, 2, 2)
    options = argparse.Namespace(lr=0.002, size=64, out=PurePosixPath("runs/a"), when=when, kind=torch.float16)
    found = unpickle(pickle.dumps(options, protocol), "x.pkl")
    assert isinstance(found, Record)
    assert (found.name, found.arguments) == (Name("argparse", "Namespace"), ())
    assert (found.state["lr"], found.state["size"]) == (0.002, 64)
    assert found.state["out"].arguments == ("runs", "a")
    assert found.state["when"].name == Name("datetime", "datetime")
    assert found.state["kind"] == "float16" or found.state["kind"] == Name("torch", "float16")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_only_describes_a_training_is_kept_as_records(protocol):
    described = {
        "options of OmegaConf": {"ref_type": typing.Any},
        "run": uuid.UUID(int=7),
        "rates": [decimal.Decimal("0.1"), fractions.Fraction(1, 3)],
        "sizes": range(4, 9),  # Python 2's name for it in protocols 0 to 2
        "chance": [np.random.RandomState(1), np.random.default_rng(1)],
        "layout": torch.strided,
    }
    found = unpickle(pickle.dumps(described, protocol), "x.pkl")
    assert found["options of OmegaConf"]["ref_type"] == Name("typing", "Any")
    assert found["sizes"].arguments == (4, 9, 1)
    assert found["layout"] == "torch.strided"


def test_a_class_that_is_a_dict_keeps_its_entries():
    found = unpickle(whole(name("easydict", "EasyDict"), b")\x81(", text("a"), b"K\x01u"), "x.pkl")
    assert (found.name, found.entries) == (Name("easydict", "EasyDict"), {"a": 1})
    ours = unpickle(whole(name("dnnlib.util", "EasyDict"), b")\x81(", text("a"), b"K\x01u}b"), "x.pkl")
    assert ours == {"a": 1}


def test_python_2_text_may_be_bytes():
    assert unpickle(b"S'a\\n\\xe9\\\\'\np0\n.", "x.pkl") == "a\né\\"
    assert unpickle(b"U\x02a\xe9.", "x.pkl") == "aé"
    assert unpickle(b"c__builtin__\nset\n((lI1\naI2\natR.", "x.pkl") == [1, 2]


def test_long_bytes_stay_where_they_are():
    data = memoryview(bytearray(pickle.dumps({"long": bytes(1 << 17), "short": b"short"}, 4)))
    found = unpickle(data, "x.pkl")
    assert found["short"] == b"short"
    data[data.tobytes().index(b"\0" * 100) + 60] = 7
    assert 7 in found["long"][:200].tobytes()


# Refusals

FORBIDDEN = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("__builtin__", "eval"),
    ("sys", "exit"),
    ("importlib", "import_module"),
    ("runpy", "run_path"),
    ("functools", "partial"),
    ("operator", "attrgetter"),
    ("codecs", "decode"),
    ("_pickle", "loads"),
    ("_io", "open"),
    ("commands", "getoutput"),
    ("urllib2", "urlopen"),
    ("pathlib", "os"),
    ("argparse", "_sys"),
    ("collections", "_sys"),
    ("pip", "main"),
    ("pip._internal", "main"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch.serialization", "load"),
    ("torch.utils.cpp_extension", "load_inline"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch._utils", "_rebuild_qtensor"),
    ("numpy", "load"),
    ("numpy.f2py", "compile"),
]


@pytest.mark.parametrize(("module", "called"), FORBIDDEN)
def test_calls_of_python_and_of_libraries_are_refused(module, called):
    for way in WAYS.values():
        program = whole(way(module, called, text("touch /tmp/pwned_by_pickle")))
        refused(r"^x\.pkl (asks to call|gives attributes)[^\n]*\.$", unpickle, program, "x.pkl")


def test_every_module_of_python_and_odd_names_are_refused():
    for module in sorted(sys.stdlib_module_names):
        refused("asks to call", unpickle, whole(name(module, "something")), "x.pkl")
    odd = [("torch.serialization", "os.system"), ("a", "b c"), ("a", ""), ("", "b"), ("оs", "system"), ("a" * 300, "b")]
    for module, called in (*odd, ("a.", "b")):
        refused("odd name", unpickle, whole(text(module), text(called), b"\x93"), "x.pkl")


REFUSED = {
    "extension code": (b"\x82\x01", "extension codes"),
    "long extension code": (b"\x84\x01\0\0\0", "extension codes"),
    "buffer outside": (b"\x97", "buffers outside"),
    "persistent id": (text("a") + b"Q", "another file"),
    "persistent line": (b"Pabc\n", "another file"),
    "unhashable key": (b"}]K\x01s", "list as the key"),
    "tuple as key": (b"})K\x01s", "tuple as the key"),
    "key of many bits": (b"}\x8a\x09" + b"\xff" * 8 + b"\x7f" + b"Ns", "int as the key"),
    "long integer": (b"\x8b" + struct.pack("<i", 5000) + bytes(5000), "5000 bytes"),
    "negative length": (b"\x8b" + struct.pack("<i", -5), "damaged|too early"),
    "long decimal": (b"I" + b"1" * 2600 + b"\n", "damaged"),
    "longer decimal": (b"L" + b"1" * 100_000 + b"L\n", "damaged"),
    "text longer than the file": (b"X" + struct.pack("<I", 2**31), "where at most|too early"),
    "bytes longer than the file": (b"\x8e" + struct.pack("<Q", 2**62), "too early"),
    "call of a call": (name("a", "b") + b")R)R", "no name"),
    "array without numbers": (
        call("numpy.core.multiarray", "_reconstruct", name("numpy", "ndarray")),
        "without numbers",
    ),
    "bytes without a storage": (call("torch.storage", "_load_from_bytes", b"C\x03K\x01."), "tensor's numbers"),
    "attributes of a number": (b"K\x01}b", "gives attributes to a int"),
    "arguments that do not fit": (call("torch", "Size", b"K\x01"), "does not take"),
    "call of itself": (call("copyreg", "__newobj__", name("copyreg", "__newobj__"), *[name("a", "b")] * 9), "not take"),
    "future protocol": (b"\x80\x09", "protocol 9"),
    "nothing on the stack": (b"", "too early"),
    "holds itself": (b"]q\x00h\x00a", "holds itself"),
    "holds itself further down": (b"]q\x00}" + text("a") + b"h\x00sa", "holds itself"),
    "deep": (b"]" * 2 * LEVELS + b"a" * (2 * LEVELS - 1), "nests or repeats"),
    "unfolds to 2**60": (b"]" + b"q\x00]h\x00ah\x00a" * 60, "nests or repeats"),
    "half a character": (b"V\\ud800\n", "damaged|too early"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_programs_that_no_checkpoint_needs_are_refused(case):
    program, match = REFUSED[case]
    refused(match, unpickle, whole(program), "x.pkl")


@pytest.mark.parametrize("program", [b"]" * 20_000 + b"a" * 19_999, b")" + b"\x85" * 19_999], ids=["lists", "tuples"])
def test_deeper_than_python_can_recurse(program):
    refused("nests or repeats", unpickle, whole(program), "x.pkl")


def test_work_is_bounded():
    refused("more steps", unpickle, b"\x80\x04" + b"}0" * 600_000 + b"N.", "x.pkl")
    long = text("x" * 1_000_000) + b"q\x000"
    copies = (name("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86Ra") * 50
    refused("more bytes of copies", unpickle, b"\x80\x04" + long + b"]" + copies + b".", "x.pkl")


def test_infinities_and_nothing_else_change_on_the_way():
    found = unpickle(pickle.dumps([math.inf, -math.inf, -0.0, 2**63, -(2**63)], 0), "x.pkl")
    assert repr(found) == f"[inf, -inf, -0.0, {2**63}, {-(2**63)}]"
    assert math.isnan(unpickle(pickle.dumps(math.nan, 0), "x.pkl"))


def test_paths_of_this_python_are_records():
    assert isinstance(unpickle(pickle.dumps(Path("a")), "x.pkl"), Record)
