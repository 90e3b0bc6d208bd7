"""An interpreter of our own for the instructions of pickle, protocols 0 to 5, that builds plain values only.

A pickle is a program for a stack machine (Lib/pickletools.py describes every instruction). Two of its instructions
look up a global, and five call it; here the first give a `Name`, and the others hand that name to `Calls`, which knows
a few functions by heart and makes a `Record` of everything else.
"""

import re
import struct
from collections.abc import Callable
from typing import Protocol

from graftlab.checkpoints.containers.records import (
    CUT_OFF,
    Allowance,
    Name,
    Record,
    Unfinished,
    checked_key,
    damaged,
    mention,
    refuse,
)

KEPT_IN_PLACE = 1 << 16  # bytes from which a string of bytes stays where it is in the file
LONGEST_TEXT = 1 << 24  # bytes
LONGEST_LINE = 1 << 20  # bytes, of protocol 0
LONGEST_INTEGER = 1024  # bytes
INTEGER = re.compile(rb"[+-]?[0-9]{1,2500}L?")
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[\\'\"nrt])")  # what Python 2 wrote into quoted text
UNESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\", b"'": b"'", b'"': b'"'}


class Calls(Protocol):
    """What happens where a pickle calls something."""

    def call(self, name: Name, arguments: tuple) -> object: ...
    def build(self, target: object, state: object) -> object: ...


class Machine:
    """Runs one pickle. Every value it makes is a number, text, bytes, list, tuple or dict, `Name`, `Record`, or comes
    from `calls` or `persistent`. Sets are lists."""

    def __init__(
        self,
        data: memoryview,  # of bytes; may go on after the pickle
        position: int,  # of the pickle's first byte
        allowance: Allowance,
        calls: Calls,
        persistent: Callable[[object], object] | None,  # persistent ids are refused where this is None
    ):
        self.data, self.position, self.allowance, self.calls = data, position, allowance, calls
        self.where, self.persistent = allowance.where, persistent
        self.stack: list = []
        self.below: list[list] = []  # stacks under the marks
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """The pickle's value; `position` is then behind it. GraftError if it is damaged or asks for too much."""
        try:
            while True:
                opcode = self.data[self.position]
                self.position += 1
                self.allowance.spend("steps", 1)
                if opcode == STOP:
                    return self.stack.pop()
                ACTIONS[opcode](self)
        except (IndexError, KeyError, struct.error, UnicodeError):
            if self.position >= len(self.data):
                damaged(self.where, CUT_OFF)
            damaged(self.where, f"is damaged or no checkpoint (byte {self.position})")

    def take(self, count: int, most: int | None = None) -> memoryview:
        """The next bytes of the file."""
        if most is not None and count > most:
            refuse(self.where, f"holds a value of {count} bytes where at most {most} make sense")
        start, end = self.position, self.position + count
        if count < 0 or end > len(self.data):
            self.position = len(self.data)
            raise IndexError
        self.position = end
        return self.data[start:end]

    def number(self, layout: str) -> int:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def line(self, most: int = 300) -> bytes:
        """Up to the next line break, which is skipped."""
        window = 128
        while True:
            chunk = bytes(self.data[self.position : self.position + min(window, most + 1)])
            end = chunk.find(b"\n")
            if end >= 0:
                self.position += end + 1
                return chunk[:end]
            if self.position + len(chunk) == len(self.data):
                self.position = len(self.data)
                raise IndexError
            if window > most:
                damaged(self.where, f"is damaged or no checkpoint (byte {self.position})")
            window *= 8

    def push(self, value: object) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list:
        items, self.stack = self.stack, self.below.pop()
        return items

    def remember(self, index: int) -> None:
        value = self.memo[index] = self.stack[-1]
        if isinstance(value, Unfinished):
            value.places.append(index)

    # Numbers

    def integer_line(self) -> None:
        text = self.line(2600).strip()
        if text in (b"00", b"01"):
            return self.push(text == b"01")
        if not INTEGER.fullmatch(text):
            raise IndexError
        return self.push(int(text.rstrip(b"L")))

    def float_line(self) -> None:
        try:
            self.push(float(self.line()))
        except ValueError:
            raise IndexError from None

    def long(self, layout: str) -> None:
        self.push(int.from_bytes(self.take(self.number(layout), LONGEST_INTEGER), "little", signed=True))

    # Text and bytes

    def text(self, layout: str) -> None:
        self.push(str(self.take(self.number(layout), LONGEST_TEXT), "utf-8"))

    def raw_bytes(self, layout: str) -> None:
        data = self.take(self.number(layout))
        self.push(data if len(data) >= KEPT_IN_PLACE else data.tobytes())

    def old_text(self, layout: str) -> None:
        """Python 2's strings are text or bytes; Latin-1 keeps both."""
        data = self.take(self.number(layout))
        self.push(data if len(data) >= KEPT_IN_PLACE else str(data, "latin-1"))

    def text_line(self) -> None:
        text = str(self.line(LONGEST_LINE), "raw-unicode-escape")
        text.encode()  # halves of characters cannot be written anywhere
        self.push(text)

    def quoted_line(self) -> None:
        line = self.line(LONGEST_LINE).strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise IndexError
        self.push(
            str(
                ESCAPE.sub(lambda found: UNESCAPED.get(found[1]) or bytes([int(found[1][1:], 16)]), line[1:-1]),
                "latin-1",
            )
        )

    # Containers

    def tuple_of(self, count: int) -> None:
        start = len(self.stack) - count
        if start < 0:
            raise IndexError
        items = tuple(self.stack[start:])
        del self.stack[start:]
        self.push(items)

    def push_all(self, kind: type) -> None:
        items = self.since_mark()
        self.push(kind(items))

    def append(self, items: list) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target.entries = [] if target.entries is None else target.entries
            target = target.entries
        if not isinstance(target, list):
            raise IndexError
        target.extend(items)

    def set_items(self, items: list) -> None:
        target = self.stack[-1]
        if isinstance(target, Record):
            target.entries = {} if target.entries is None else target.entries
            target = target.entries
        if not isinstance(target, dict) or len(items) % 2:
            raise IndexError
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(self.where, key)] = value

    def dict_of(self, items: list) -> None:
        self.push({})
        self.set_items(items)

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    # Globals and calls

    def name_lines(self) -> Name:
        return mention(self.where, str(self.line(), "utf-8"), str(self.line(), "utf-8"))

    def global_on_stack(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise IndexError
        self.push(mention(self.where, module, name))

    def call(self, name: object, arguments: object) -> None:
        if not isinstance(name, Name) or not isinstance(arguments, tuple):
            refuse(self.where, "asks to call something that has no name")
        self.push(self.calls.call(name, arguments))

    def reduce(self) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        self.call(name, arguments)

    def new_with_keywords(self) -> None:
        keywords, arguments, name = self.stack.pop(), self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple) or not isinstance(keywords, dict):
            raise IndexError
        self.allowance.spend_entries(len(arguments))
        self.call(name, (*arguments, keywords) if keywords else arguments)

    def instance_lines(self) -> None:
        self.call(self.name_lines(), tuple(self.since_mark()))

    def instance(self) -> None:
        name, *arguments = self.since_mark() or [None]
        self.call(name, tuple(arguments))

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack.pop()
        built = self.calls.build(target, state)
        self.push(built)
        if isinstance(target, Unfinished):
            for index in target.places:
                self.memo[index] = built

    def persistent_id(self, key: object) -> None:
        if self.persistent is None:
            refuse(self.where, "refers to parts of another file (persistent ids), which only PyTorch's own files do")
        self.push(self.persistent(key))

    def unwelcome(self) -> None:
        refuse(self.where, "uses instructions that no checkpoint needs (extension codes, buffers outside the file)")

    # The rest

    def protocol(self) -> None:
        if (protocol := self.number("B")) > 5:
            refuse(self.where, f"is a pickle of protocol {protocol}, which is unknown, or is damaged")

    def frame(self) -> None:
        if self.number("<Q") > len(self.data) - self.position:
            self.position = len(self.data)
            raise IndexError

    def memo_line(self) -> int:
        text = self.line(20)
        if not text.isdigit():
            raise IndexError
        return int(text)


STOP = ord(".")
M = Machine
ACTIONS: dict[int, Callable[[Machine], object]] = {
    code[0]: action
    for code, action in {
        b"\x80": M.protocol,
        b"\x95": M.frame,
        b"I": M.integer_line,
        b"L": M.integer_line,
        b"F": M.float_line,
        b"J": lambda m: m.push(m.number("<i")),
        b"K": lambda m: m.push(m.number("B")),
        b"M": lambda m: m.push(m.number("<H")),
        b"G": lambda m: m.push(m.number(">d")),
        b"\x8a": lambda m: m.long("B"),
        b"\x8b": lambda m: m.long("<i"),
        b"N": lambda m: m.push(None),
        b"\x88": lambda m: m.push(True),
        b"\x89": lambda m: m.push(False),
        b"S": M.quoted_line,
        b"V": M.text_line,
        b"T": lambda m: m.old_text("<i"),
        b"U": lambda m: m.old_text("B"),
        b"B": lambda m: m.raw_bytes("<I"),
        b"C": lambda m: m.raw_bytes("B"),
        b"\x8e": lambda m: m.raw_bytes("<Q"),
        b"\x96": lambda m: m.raw_bytes("<Q"),
        b"\x8c": lambda m: m.text("B"),
        b"X": lambda m: m.text("<I"),
        b"\x8d": lambda m: m.text("<Q"),
        b"(": M.mark,
        b"0": M.pop,
        b"1": M.since_mark,
        b"2": lambda m: m.push(m.stack[-1]),
        b")": lambda m: m.tuple_of(0),
        b"\x85": lambda m: m.tuple_of(1),
        b"\x86": lambda m: m.tuple_of(2),
        b"\x87": lambda m: m.tuple_of(3),
        b"t": lambda m: m.push_all(tuple),
        b"]": lambda m: m.push([]),
        b"\x8f": lambda m: m.push([]),
        b"l": lambda m: m.push_all(list),
        b"\x91": lambda m: m.push_all(list),
        b"a": lambda m: m.append([m.stack.pop()]),
        b"e": lambda m: m.append(m.since_mark()),
        b"\x90": lambda m: m.append(m.since_mark()),
        b"}": lambda m: m.push({}),
        b"d": lambda m: m.dict_of(m.since_mark()),
        b"s": lambda m: m.set_items([m.stack.pop(-2), m.stack.pop()]),
        b"u": lambda m: m.set_items(m.since_mark()),
        b"p": lambda m: m.remember(m.memo_line()),
        b"q": lambda m: m.remember(m.number("B")),
        b"r": lambda m: m.remember(m.number("<I")),
        b"\x94": lambda m: m.remember(len(m.memo)),
        b"g": lambda m: m.push(m.memo[m.memo_line()]),
        b"h": lambda m: m.push(m.memo[m.number("B")]),
        b"j": lambda m: m.push(m.memo[m.number("<I")]),
        b"c": lambda m: m.push(m.name_lines()),
        b"\x93": M.global_on_stack,
        b"R": M.reduce,
        b"\x81": M.reduce,
        b"\x92": M.new_with_keywords,
        b"i": M.instance_lines,
        b"o": M.instance,
        b"b": M.build,
        b"P": lambda m: m.persistent_id(str(m.line(), "utf-8")),
        b"Q": lambda m: m.persistent_id(m.stack.pop()),
        **dict.fromkeys((b"\x82", b"\x83", b"\x84", b"\x97", b"\x98"), M.unwelcome),
    }.items()
}
