"""A real SFTP server on this machine, which can be told to break its connections."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

__all__ = ["Ssh", "ssh"]

asyncssh: Any = import_module("asyncssh")


@dataclass
class Ssh:
    """What the server has, and what is asked of it.

    Attributes:
        folder: that it serves.
        url: of this folder, for the one user that there is.
        cuts: connections that it will break in the middle of reading a file.
        connections: that were made.
    """

    folder: Path
    url: str = ""
    cuts: int = 0
    connections: int = 0


@contextmanager
def ssh(folder: Path) -> Iterator[Ssh]:
    """The server, until the context ends."""
    about, loop = Ssh(folder), asyncio.new_event_loop()

    class Door(asyncssh.SSHServer):  # type: ignore[misc]
        def connection_made(self, connection: Any) -> None:
            about.connections += 1

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, user: str, password: str) -> bool:
            return (user, password) == ("me", "secret")

    class Files(asyncssh.SFTPServer):  # type: ignore[misc]
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=str(folder))

        def read(self, file: Any, offset: int, size: int) -> Any:
            if about.cuts and offset > 0:
                about.cuts -= 1
                self.connection.abort()
            return super().read(file, offset, size)

    async def listen() -> Any:
        key = asyncssh.generate_private_key("ssh-ed25519")
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[key], server_factory=Door, sftp_factory=Files, password_auth=True
        )

    async def close(server: Any) -> None:
        server.close()
        await server.wait_closed()

    server = loop.run_until_complete(listen())
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    about.url = f"sftp://me:secret@127.0.0.1:{server.get_port()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))  # where no keys lie
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        yield about
    asyncio.run_coroutine_threadsafe(close(server), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
