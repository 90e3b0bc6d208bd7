"""A small web server in one thread, whose pages misbehave in the ways that downloads meet."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass
class Page:
    """What is served at a path, and how."""

    data: bytes = b""
    status: int = 200
    tag: str | None = '"one"'
    modified: str | None = None
    kind: str = "application/octet-stream"
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes sent by the first answers, before the connection breaks
    location: str | None = None
    length: bool = True  # whether Content-Length is told


class Web:
    """Pages by path, and the headers of all requests in their order."""

    def __init__(self):
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                web.requests.append((self.path, dict(self.headers)))
                web.answer(self)

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    @property
    def ranges(self) -> list[str | None]:
        """What each request asked for."""
        return [headers.get("Range") for _, headers in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        page = self.pages.get(handler.path, Page(status=404))
        start, status = 0, page.status
        wanted = handler.headers.get("Range")
        end = len(page.data)
        condition = handler.headers.get("If-Range")
        if wanted and page.ranges and status == 200 and condition in (None, page.tag, page.modified):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) + 1 if last else end
            status = 206 if start < len(page.data) else 416
        handler.send_response(status)
        for name, value in (("ETag", page.tag), ("Last-Modified", page.modified), ("Location", page.location)):
            if value is not None:
                handler.send_header(name, value)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(page.data)}")
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{len(page.data)}")
        body = page.data[start:end] if status in (200, 206) else b""
        if page.length:
            handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Type", page.kind)
        handler.end_headers()
        handler.wfile.write(body[: page.cuts.pop(0)] if page.cuts and body else body)
