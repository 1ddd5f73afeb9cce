"""A real S3 server on loopback, which child processes find, too, and which can be told to be a bad one."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from fsspec import get_filesystem_class
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

__all__ = ["Buckets", "buckets"]

Answer = Callable[[str, list[tuple[str, str]]], object]


@dataclass
class Buckets:
    """The server, with a bucket s3://tapes.

    Attributes:
        bucket: by another client.
        busy: what of a request, as "PUT /tapes/a.wav", is answered 503; and `forbidden`, 403.
        held: what of one waits until `released`.
        requests: so far.
    """

    bucket: Any
    busy: str | None = None
    forbidden: str | None = None
    held: str | None = None
    released: Event = field(default_factory=Event)
    requests: list[str] = field(default_factory=list)

    def objects(self) -> dict[str, bytes]:
        """The bytes of all objects, by name."""
        return {each.key: each.get()["Body"].read() for each in self.bucket.objects.all()}

    def unfinished(self) -> list[Any]:
        """Uploads in parts that were neither completed nor ended."""
        return list(self.bucket.multipart_uploads.all())

    def empty(self) -> None:
        """Forget all objects and faults."""
        self.bucket.objects.all().delete()
        self.busy = self.forbidden = self.held = None
        self.released.clear()
        self.requests.clear()


@contextmanager
def buckets() -> Iterator[Buckets]:
    """The server, and its address in the environment, until the context ends."""
    moto = DomainDispatcherApplication(create_backend_app)
    about = Buckets(None)

    def answer(environ: dict[str, Any], start: Answer) -> Iterable[bytes]:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        about.requests.append(request)
        if about.held and about.held in request:
            about.released.wait(60)
        for what, status, code in (
            (about.busy, "503 Service Unavailable", "ServiceUnavailable"),
            (about.forbidden, "403 Forbidden", "AccessDenied"),
        ):
            if what and what in request:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                said = f"<Error><Code>{code}</Code><Message>told to be bad</Message></Error>".encode()
                start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(said)))])
                return [] if environ["REQUEST_METHOD"] == "HEAD" else [said]
        answered: Iterable[bytes] = moto(environ, start)
        return answered

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",  # what is tried again, this package tries again
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        about.bucket = boto3.resource("s3").Bucket("tapes")
        about.bucket.create()
        about.empty()
        # fsspec keeps its clients, and takes one of an earlier server for one of this.
        get_filesystem_class("s3").clear_instance_cache()
        yield about
    about.released.set()
    server.shutdown()
    server.server_close()
