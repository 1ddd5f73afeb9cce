"""The page of a test, and what it sends, over HTTP: by Python's own server, meant for one laboratory.

Only files that the test has are served, by a table of their names: no path is put together from what was asked for.
"""

import json
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ...errors import ConfigError, SinkError, SourceError
from ..key import KEY, read_key
from .store import STORE, Store
from .submission import RefusedError, listener_of, session_of, submission_of

__all__ = ["LOOPBACK", "TestServer"]

LOOPBACK = "127.0.0.1"
LOCAL = {"localhost", "127.0.0.1", "::1"}
LARGEST_BODY = 1 << 16
PATIENCE_SECONDS = 30
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; "
    "script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Json = dict[str, Any]


class TestServer(ThreadingHTTPServer):
    """Serves the test in `folder`; `serve_forever` and `shutdown` as `http.server` has them.

    Args:
        host: an address to listen on; other machines reach it only if it is not of the loop-back.
        port: 0 for any that is free.
        warn: called with messages for the operator.

    Raises:
        SourceError: if the folder holds no test.
        SinkError: if the file of ratings cannot be opened.
        ConfigError: if the address cannot be listened on.
    """

    __test__: ClassVar[bool] = False  # of pytest's collection
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, folder: Path, host: str = LOOPBACK, port: int = 8000, warn: Callable[[str], None] = lambda text: None
    ) -> None:
        self.warn = warn
        self.key = read_key(folder / KEY)
        self.files = _files(folder / "page")
        self.local = host in LOCAL
        self.store = Store(folder / STORE, self.key)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            self.store.__exit__(None, None, None)
            raise ConfigError(f"{host}:{port} cannot be listened on: {error}; choose another --port") from error

    @property
    def url(self) -> str:
        """Where the test is."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"

    def server_close(self) -> None:
        """Stop listening and close the file of ratings."""
        super().server_close()
        self.store.__exit__(None, None, None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a listener that disconnects."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            self.warn(f"a request failed: {error!r}")


def _files(page: Path) -> Mapping[str, Path]:
    found = {f"/{path.relative_to(page).as_posix()}": path for path in page.rglob("*") if path.suffix in TYPES}
    if "/index.html" not in found:
        raise SourceError(f"{page}: holds no page of a test; build it with `mushra build`")
    return {**found, "/": found["/index.html"]}


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: TestServer
    server_version, sys_version = "mushra", ""
    timeout = PATIENCE_SECONDS

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self._expected():
            self._tell(HTTPStatus.MISDIRECTED_REQUEST, {"error": "another host is served here"})
        elif path == "/api/test":
            self._tell(HTTPStatus.OK, {"id": self.server.key.test})
        elif path in self.server.files:
            self._file(self.server.files[path])
        else:
            self._tell(HTTPStatus.NOT_FOUND, {"error": "not found"})

    do_HEAD = do_GET  # noqa: N815, the name is http.server's

    def do_POST(self) -> None:
        calls = {"/api/session": self._session, "/api/ratings": self._ratings, "/api/finish": self._finish}
        call = calls.get(urlsplit(self.path).path)
        try:
            if call is None:
                raise RefusedError("not found", HTTPStatus.NOT_FOUND)
            self._tell(HTTPStatus.OK, call(self._body()))
        except RefusedError as refused:
            self._tell(refused.status, {"error": str(refused)})
        except SinkError as error:
            self.server.warn(str(error))
            self._tell(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "cannot be kept now"})

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged, for privacy."""

    def _session(self, told: Json) -> Json:
        return {"session": self.server.store.begin(*listener_of(told, self.server.key))}

    def _ratings(self, told: Json) -> Json:
        self.server.store.add(session_of(told), submission_of(told, self.server.key))
        return {"step": told["step"]}

    def _finish(self, told: Json) -> Json:
        self.server.store.finish(session_of(told))
        return {"finished": True}

    def _expected(self) -> bool:
        """Whether the Host header names this server: protects against DNS rebinding."""
        host = urlsplit(f"//{self.headers.get('Host', '')}")
        return not self.server.local or host.hostname in LOCAL

    def _body(self) -> Json:
        """The request body, if it is a JSON object of acceptable size, from a page of this server.

        Raises:
            RefusedError: if it is not.
        """
        origin = self.headers.get("Origin")
        if not self._expected() or (origin is not None and urlsplit(origin).netloc != self.headers.get("Host")):
            raise RefusedError("sent by another page", HTTPStatus.FORBIDDEN)
        if self.headers.get_content_type() != "application/json":
            raise RefusedError("JSON is wanted", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError("a length is wanted", HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 9 or int(length) > LARGEST_BODY:
            raise RefusedError("too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return _object(self.rfile.read(int(length)))

    def _file(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except OSError:
            return self._tell(HTTPStatus.NOT_FOUND, {"error": "not found"})
        return self._send(HTTPStatus.OK, TYPES[path.suffix], data)

    def _tell(self, status: HTTPStatus, told: Json) -> None:
        self._send(status, "application/json", json.dumps(told).encode())

    def _send(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _object(data: bytes) -> Json:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RefusedError("no JSON") from error
    if not isinstance(told, dict):
        raise RefusedError("an object is wanted")
    return told
