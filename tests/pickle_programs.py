"""Pickles written by hand, instruction by instruction."""

import struct
from collections.abc import Callable


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(module: str, called: str) -> bytes:
    return f"c{module}\n{called}\n".encode()


def call(module: str, called: str, *arguments: bytes) -> bytes:
    """The instructions that call a global with what `arguments` leave on the stack."""
    return name(module, called) + b"(" + b"".join(arguments) + b"tR"


def whole(*instructions: bytes) -> bytes:
    return b"\x80\x04" + b"".join(instructions) + b"."


WAYS: dict[str, Callable[[str, str, bytes], bytes]] = {  # of calling a global with one argument
    "GLOBAL REDUCE": lambda module, called, argument: name(module, called) + argument + b"\x85R",
    "STACK_GLOBAL REDUCE": lambda module, called, argument: text(module) + text(called) + b"\x93" + argument + b"\x85R",
    "NEWOBJ": lambda module, called, argument: name(module, called) + argument + b"\x85\x81",
    "NEWOBJ_EX": lambda module, called, argument: name(module, called) + argument + b"\x85}\x92",
    "INST": lambda module, called, argument: b"(" + argument + f"i{module}\n{called}\n".encode(),
    "OBJ": lambda module, called, argument: b"(" + name(module, called) + argument + b"o",
    "memo": lambda module, called, argument: name(module, called) + b"q\x070" + b"h\x07" + argument + b"\x85R",
    "reconstructor": lambda module, called, argument: call(
        "copyreg", "_reconstructor", name(module, called), name("builtins", "object"), argument
    ),
    "newobj": lambda module, called, argument: call("copyreg", "__newobj__", name(module, called), argument),
    "BUILD": lambda module, called, argument: name(module, called) + b"}" + text("x") + argument + b"sb",
}
