"""One file from the web: resumed where it was cut, checked for size and hash, over https unless one asks for less.

What has arrived lies in FILE.part until it is whole, and beside it, in FILE.part.json, the address and the server's
mark of the file's version (ETag or Last-Modified). The next attempt asks for the rest on the condition that the mark
is still right (RFC 9110, sections 13.1.5 and 14.2), so parts of two versions are never joined.
"""

import contextlib
import errno
import hashlib
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from io import RawIOBase
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from graftlab.errors import GraftError
from graftlab.hardware import require_space
from graftlab.work.files import atomic_write
from graftlab.work.progress import Progress, silent

PIECE = 2**18  # bytes read at a time
REDIRECTS = 5  # followed at most
PATIENCE = 30  # seconds without a byte before a connection counts as cut
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before a new attempt; counted anew whenever bytes arrive
TO_REPEAT = (408, 429, 500, 502, 503, 504)  # HTTP: later it may be well
AGAIN = "the same command goes on where it stopped"
HAND = "fetch it in a browser and import it with 'graft models add FILE --as NAME'"
ANSWERS = {
    401: f"wants a login (401 Unauthorized); {HAND}",
    403: f"refuses this file (403 Forbidden); {HAND}",
    404: f"has no such file any more (404 Not Found); {HAND} from wherever it is offered now",
    410: f"has no such file any more (410 Gone); {HAND} from wherever it is offered now",
}
PAGE = re.compile(rb"\s*(<!doctype html|<html|<head)", re.IGNORECASE)


class CutError(Exception):
    """The connection broke, or the server was not well: worth another attempt."""


@dataclass(frozen=True)
class Answer:
    """A server that is about to send the file, or the rest of it."""

    body: Any  # http.client.HTTPResponse, to be read and closed
    start: int  # the position in the file of the first byte to come
    total: int | None  # bytes of the whole file, if the server tells
    mark: str | None  # of the file's version


def download(
    address: str,
    target: Path,
    size: int | None = None,  # bytes; None: not known
    sha256: str | None = None,
    progress: Progress = silent,  # of bytes
    pause: Callable[[float], object] = time.sleep,
    insecure: bool = False,  # fetch over http too, where anybody on the way can read and change what is sent
) -> Path:
    """Fetch a file, or what is missing of it, and return its path. A cut connection is tried again with pauses.

    GraftError, which leaves what has arrived for the next time, if the network fails for good or the disk is full;
    and if the server answers no file, the file is a web page, or its size or hash is wrong, which leaves nothing."""
    part = Part(target)
    furthest, vain = part.size, 0  # vain: attempts in a row that brought nothing new
    while True:
        try:
            fetch(address, part, size, progress, insecure)
            break
        except CutError as cut:
            furthest, vain = max(furthest, part.size), 0 if part.size > furthest else vain + 1
            if vain > len(PAUSES):
                raise GraftError(f"{address} cannot be fetched ({cut}); later {AGAIN}.") from None
            pause(PAUSES[max(0, vain - 1)])
    part.check(address, size, sha256)
    return part.finish()


class Part:
    """What has arrived of a file."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def mark(self, address: str) -> str | None:
        """The version of which the part is, if it is of that address and can be continued."""
        try:
            note = json.loads(self.note.read_text("utf-8"))
            return str(note["mark"]) if note["address"] == address and self.size else None
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def begin(self, address: str, mark: str | None) -> None:
        """Forget what has arrived: another version, or the first byte of all, is about to."""
        self.drop()
        if mark:
            atomic_write(self.note, lambda file: file.write(json.dumps({"address": address, "mark": mark}).encode()))

    def drop(self) -> None:
        self.note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def check(self, address: str, size: int | None, sha256: str | None) -> None:
        if size is not None and self.size != size:
            found = self.size
            self.drop()
            raise GraftError(f"{address} sent {found:,} bytes and not the {size:,} known; deleted: fetch it again.")
        if sha256 is None:
            return
        with self.path.open("rb") as file:
            found_hash = hashlib.file_digest(file, "sha256").hexdigest()
        if found_hash != sha256:
            self.drop()
            raise GraftError(
                f"{address} sent another file than the one known, so it was deleted: SHA-256 {found_hash} instead of "
                f"{sha256}."
            )

    def finish(self) -> Path:
        self.path.replace(self.target)
        self.note.unlink(missing_ok=True)
        return self.target


def fetch(address: str, part: Part, size: int | None, progress: Progress, insecure: bool) -> None:
    """One attempt. CutError if it broke off; what has arrived stays."""
    answer = ask(address, part, insecure)
    if answer is None:  # nothing is missing
        return
    with contextlib.closing(answer.body):
        total = answer.total or size
        if size not in (None, total):
            part.drop()
            raise GraftError(f"{address} offers {total:,} bytes and not the {size:,} known: another file now; {HAND}.")
        pieces = iter(lambda: read(answer.body), b"")
        if answer.start == 0:
            first = next(pieces, b"")
            refuse_page(address, answer.body.headers.get_content_type(), first)
            part.begin(address, answer.mark)
            pieces = chain([first], pieces)
        require_space(part.target, (total or 0) - answer.start)
        done = answer.start
        with part.path.open("ab", buffering=0) as file:
            for piece in pieces:
                store(file, piece, part.path)
                done += len(piece)
                progress(done, total)
    if total is not None and done < total:
        raise CutError(f"the connection broke after {done:,} of {total:,} bytes")


def ask(address: str, part: Part, insecure: bool) -> Answer | None:
    """Ask for the file, or the rest of it; None if nothing is missing."""
    mark = part.mark(address)
    have = part.size if mark else 0
    headers = {"User-Agent": "graftlab", "Accept-Encoding": "identity"}
    if mark:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    try:
        body = open_address(address, headers, insecure)
    except urllib.error.HTTPError as error:
        with error:
            if mark and error.code == 416:  # nothing lies beyond what has arrived: it is whole, or of another version
                if error.headers.get("Content-Range", "").strip() == f"bytes */{have}":
                    return None
                part.drop()
                raise CutError("the server has another version now") from None
            if error.code in TO_REPEAT:
                raise CutError(f"the server answers {error.code} {error.reason}") from None
            answer = ANSWERS.get(error.code, f"answers {error.code} {error.reason}; {HAND}")
            raise GraftError(f"{address}: the server {answer}.") from None
    length = body.headers.get("Content-Length", "")
    if body.status != 206:
        return Answer(body, 0, int(length) if length.isdigit() else None, version(body.headers))
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", body.headers.get("Content-Range", "").strip())
    its_mark = body.headers.get("ETag" if mark and mark.startswith('"') else "Last-Modified", mark)
    if span is None or int(span[1]) != have or its_mark != mark:
        body.close()
        part.drop()
        raise CutError("the server sent another part than the one asked for")
    return Answer(body, have, int(span[2]), mark)


def version(headers: Any) -> str | None:
    """The server's mark of a version that is good enough for joining parts: a strong ETag, or the time of change."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects come back as errors, so that every address is looked at before it is asked."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def open_address(address: str, headers: dict[str, str], insecure: bool) -> Any:
    """The response to GET, after at most five redirects that are allowed. HTTPError for a status that is no success."""
    opener, at = urllib.request.build_opener(NoRedirect), address
    for _ in range(REDIRECTS + 1):
        check_address(at, address if insecure else "", "" if at == address else f"{address} leads elsewhere: ")
        try:
            return opener.open(urllib.request.Request(at, headers=headers), timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            if error.code not in (301, 302, 303, 307, 308) or "Location" not in error.headers:
                raise
            error.close()
            at = joined(at, error.headers["Location"])
        except ValueError:
            raise GraftError(f"{at} is not a valid address; {HAND}.") from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise GraftError(f"{at} has no trusted certificate ({reason.verify_message}); {HAND}.") from None
            raise CutError(str(reason) or type(reason).__name__) from None
    raise GraftError(f"{address} redirects more than {REDIRECTS} times; {HAND}.")


def joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError:  # no address; it will be refused
        return location


def check_address(address: str, insecure: str, why: str = "") -> None:
    """GraftError for anything but https, or http to the same server as `insecure`, an address or nothing."""
    with contextlib.suppress(ValueError):  # of an address that is none
        parts = urlsplit(address)
        same = parts.scheme == "http" and parts.netloc == urlsplit(insecure).netloc
        if parts.hostname and (parts.scheme == "https" or same):
            return
    raise GraftError(f"{why}{address} is no https address, and nothing else is fetched; {HAND}.")


def read(body: Any) -> bytes:
    """The next bytes, as many as are there; none at the end, even one that came too soon."""
    try:
        return bytes(body.read1(PIECE))
    except (OSError, http.client.HTTPException) as error:
        raise CutError(str(error) or type(error).__name__) from None


def store(file: RawIOBase, piece: bytes, path: Path) -> None:
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise GraftError(f"The disk is full; {path} keeps what has arrived: make room, and {AGAIN}.") from None
        raise GraftError(f"{path} cannot be written ({error.strerror}); check the disk, and {AGAIN}.") from None


def refuse_page(address: str, kind: str, first: bytes) -> None:
    """A login, a quota, an apology: what comes instead of a file."""
    if kind in ("text/html", "application/xhtml+xml") or PAGE.match(first):
        raise GraftError(f"{address} sends a web page and not a file (a quota or a login, perhaps); {HAND}.")
