"""Who may come in: whoever opened the address with the token in it, from this server's own pages, under its own name.

A page elsewhere can make a browser send requests here. It knows no token, its requests carry no cookie (SameSite), its
`Origin` is another; and where its name was made to point here (DNS rebinding), `Host` is not one that was told.
"""

import ipaddress
import json
import re
import secrets
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 256 << 20  # bytes of a request
MOST_VISITORS = 256  # whose cookies are known; the one that came first is forgotten
SCRIPT = "script"  # the visitor of requests that bring the token in a header, and no cookie
WELCOME = "welcome"  # instead of a token, in the address of who has been given cookies in a public studio
NO_COOKIES = "Let this page keep cookies, by which the studio tells its visitors apart, and load it again."
VISITOR = re.compile(r"[0-9a-f]{32}")
NO_TOKEN = "Open the address that 'graft studio' printed: it ends in ?token=..., and this request had no token."


class TooLongError(HTTPException):
    """A request of more than LARGEST_BODY."""

    def __init__(self) -> None:
        super().__init__(
            413, f"This is more than the {LARGEST_BODY >> 20} MiB that are taken at once: send fewer files"
        )


@dataclass
class Guard:
    """Lets requests through to `app` that may come in; `scope["visitor"]` then says whose they are."""

    app: ASGIApp
    hosts: Collection[str]  # that `Host` may name, such as 127.0.0.1:8000
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    any_address: bool = False  # whether `Host` may also be any IP address with this port
    scripts: Collection[str] = ()  # of the page, as hashes: what stands in it and may run
    public: bool = False  # whether anybody may come in, without a token: one of `hosts` is a proxy that speaks https

    def __post_init__(self) -> None:
        self.visitors: MutableMapping[str, None] = {}  # in the order in which they came

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self.foreign(headers):
            await refuse(scope, receive, send, 403, problem)
            return
        cookies = read_cookies(headers.get("cookie", ""))
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        visitor = self.known(cookies.get(self.visitor_cookie, ""))
        welcome = self.public and not visitor and given != WELCOME
        if scope["type"] == "http" and scope["path"] == "/" and (self.right(given) or welcome):
            there = {"location": f"/?token={WELCOME}" if welcome else "/", **HEADERS}
            await send_all(send, 303, b"", there, self.cookies(visitor or self.welcome()))
            return
        bearer = headers.get("authorization", "").partition(" ")
        by_header = bearer[0].lower() == "bearer" and self.right(bearer[2].strip())
        if not (by_header or self.right(cookies.get(self.token_cookie, ""))):
            await refuse(scope, receive, send, 403, NO_COOKIES if self.public else NO_TOKEN)
            return
        if not (visitor or by_header):  # the cookie of a visitor who was forgotten
            await refuse(scope, receive, send, 403, NO_TOKEN)
            return
        scope["visitor"] = visitor or SCRIPT
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await self.answer(scope, receive, send, headers)

    async def answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """Let a request through whose body is not too long, and tell browsers what the answer may do."""
        began, received = False, 0
        policy = self.policy(headers.get("host", ""))

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise TooLongError
            return message

        async def with_headers(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                known = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "content-security-policy": policy}.items():
                    known.setdefault(name, value)
            await send(message)

        told = headers.get("content-length", "0")
        try:
            if told.isdecimal() and int(told) > LARGEST_BODY:
                raise TooLongError
            await self.app(scope, counted, with_headers)
        except TooLongError as error:
            if not began:
                await refuse(scope, receive, send, error.status_code, f"{error.detail}.")

    # -- who ----------------------------------------------------------------------------------------------------------

    @property
    def token_cookie(self) -> str:
        """Browsers share the cookies of all ports of a machine."""
        return f"graftlab-token-{self.port}"

    @property
    def visitor_cookie(self) -> str:
        return f"graftlab-visitor-{self.port}"

    def right(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.token.encode())

    def known(self, visitor: str) -> str | None:
        """The visitor of a cookie, if it is one that was given out here."""
        return visitor if VISITOR.fullmatch(visitor) and visitor in self.visitors else None

    def welcome(self) -> str:
        """A new visitor."""
        visitor = secrets.token_hex(16)
        self.visitors[visitor] = None
        while len(self.visitors) > MOST_VISITORS:
            del self.visitors[next(iter(self.visitors))]
        return visitor

    def cookies(self, visitor: str) -> list[str]:
        about = f"; Path=/; HttpOnly; SameSite=Strict{'; Secure' if self.public else ''}"
        return [f"{self.token_cookie}={self.token}{about}", f"{self.visitor_cookie}={visitor}{about}"]

    def foreign(self, headers: Headers) -> str | None:
        """Why a request is not from here: a sentence, or None."""
        host = headers.get("host", "").lower()
        if not (host in self.hosts or (self.any_address and is_address(host, self.port))):
            return "This address is not one under which the studio was started; open the one that it printed."
        origins = headers.getlist("origin")
        if any(urlsplit(origin).netloc.lower() != host for origin in origins):
            return "This request comes from a page elsewhere, and only the studio's own page is answered."
        return None

    def policy(self, host: str) -> str:
        """Content Security Policy: everything from here, and pictures that the page itself has made."""
        socket = "wss" if self.public else "ws"
        scripts = " ".join(["'self'", *(f"'{digest}'" for digest in self.scripts)])
        return (
            f"default-src 'self'; script-src {scripts}; img-src 'self' blob: data:; media-src 'self' blob:; "
            f"connect-src 'self' {socket}://{host}; object-src 'none'; base-uri 'none'; form-action 'self'; "
            "frame-ancestors 'none'"
        )


HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def read_cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def is_address(host: str, port: int) -> bool:
    """Whether a `Host` is an IP address with this port: no name, so nobody can have pointed it here."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.port or 80) == port and bool(ipaddress.ip_address(parts.hostname or ""))
    except ValueError:
        return False


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """Answer with a sentence: as JSON, since people see that too."""
    if scope["type"] == "websocket":
        await receive()  # the handshake
        await send({"type": "websocket.close", "code": 1008, "reason": sentence[:120]})
        return
    kind = {"content-type": "application/json"}
    await send_all(send, status, json.dumps({"error": sentence}).encode(), {**HEADERS, **kind})


async def send_all(
    send: Send, status: int, body: bytes, headers: dict[str, str], cookies: Collection[str] = ()
) -> None:
    lines: list[tuple[Any, Any]] = [(name.encode(), value.encode()) for name, value in headers.items()]
    lines += [(b"set-cookie", cookie.encode()) for cookie in cookies]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
