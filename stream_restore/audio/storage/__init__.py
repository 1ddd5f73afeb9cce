"""Recordings at a URL, in any storage that fsspec knows: found, read by ranges, written when complete."""

from .listing import below, matching
from .place import Place, is_url, place_of, target_of
from .remote import Remote
from .retry import failures

__all__ = ["Place", "Remote", "below", "failures", "is_url", "matching", "place_of", "target_of"]
