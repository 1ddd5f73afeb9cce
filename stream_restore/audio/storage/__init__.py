"""Recordings at a URL, in any storage that fsspec knows: read by ranges, written when complete."""

from .remote import Remote, is_url

__all__ = ["Remote", "is_url"]
