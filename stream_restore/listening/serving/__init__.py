"""An embedded server for a listening test."""

from .server import LOOPBACK, TestServer
from .store import STORE, Store

__all__ = ["LOOPBACK", "STORE", "Store", "TestServer"]
