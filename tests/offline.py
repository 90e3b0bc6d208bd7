"""Commands that may open no connection: Python's audit hooks, which see every socket, also those of libraries."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPENING = ("socket.__new__", "socket.getaddrinfo", "socket.gethostbyname")
watching: list[list[str]] = []  # a hook stays for good; this tells whether it is to do anything


def refuse_sockets(event: str, arguments: tuple[object, ...]) -> None:
    if watching and event in OPENING:
        watching[-1].append(f"{event} {arguments[-3:]}")
        raise PermissionError("this command opens no connection")


sys.addaudithook(refuse_sockets)


@contextmanager
def offline() -> Iterator[None]:
    """A block in which no socket can be made. AssertionError if one was tried, even where somebody caught the error."""
    watching.append(tried := [])
    try:
        yield
    finally:
        watching.pop()
    assert not tried, tried
