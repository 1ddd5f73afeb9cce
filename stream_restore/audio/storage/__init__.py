"""Recordings at a URL, in any storage that fsspec knows: found, read by ranges, written when complete."""

from .listing import below, matching
from .place import Place, place_of, target_of
from .remote import Remote, is_url
from .retry import failures

__all__ = ["Place", "Remote", "below", "failures", "is_url", "matching", "place_of", "target_of"]
