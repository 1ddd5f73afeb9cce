"""A web server on loopback that gives the files of a folder, and can be told to be a bad one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

__all__ = ["Web", "web"]


@dataclass
class Web:
    """What the server gives, and what it was asked for.

    Attributes:
        folder: of the files.
        url: of the folder.
        ranges: whether parts of a file can be asked for.
        busy: so many of the next requests for a file's bytes are answered 503.
        good: after so many more answers `bad` requests are answered 503; None: never.
        cuts: of so many of the next answers only half is sent.
        sent: bytes of files sent so far.
    """

    folder: Path
    url: str = ""
    ranges: bool = True
    busy: int = 0
    good: int | None = None
    bad: int = 0
    cuts: int = 0
    sent: int = 0
    paths: list[str] = field(default_factory=list)


@contextmanager
def web(folder: Path) -> Iterator[Web]:
    """The server, until the context ends."""
    about = Web(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, body: bool) -> None:
            about.paths.append(self.path)
            path = folder / self.path.partition("?")[0].lstrip("/")
            if not path.is_file():
                return self._head(404, 0)
            if about.good is not None:
                about.good -= 1
                if -about.bad <= about.good < 0:
                    return self._head(503, 0)
            if body and about.busy:
                about.busy -= 1
                return self._head(503, 0)
            data = path.read_bytes()
            part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if about.ranges else None
            if part is None:
                self._head(200, len(data))
            else:
                first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
                data, size = data[first : last + 1], len(data)
                self._head(206, len(data), f"bytes {first}-{last}/{size}")
            if body:
                self._send(data)
            return None

        def _head(self, status: int, size: int, part: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(size))
            self.send_header("ETag", '"1"')
            if part:
                self.send_header("Content-Range", part)
            self.end_headers()

        def _send(self, data: bytes) -> None:
            cut = about.cuts > 0 and len(data) > 1
            about.cuts -= cut
            data = data[: len(data) // 2] if cut else data
            about.sent += len(data)
            self.wfile.write(data)
            self.close_connection = self.close_connection or cut

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    about.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield about
    finally:
        server.shutdown()
        server.server_close()
