"""Uploads in parts that were cut off: nobody sees them, but storage keeps their parts, and counts them."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["end_unfinished"]


def end_unfinished(storage: "AbstractFileSystem", path: str) -> None:
    """End unfinished uploads of this object, whoever began them, where storage is S3 and lets us."""
    ask: Any = getattr(storage, "call_s3", None)
    if ask is None:
        return
    bucket, key, _ = storage.split_path(path)
    with suppress(Exception):  # who may upload need not be allowed to list uploads
        found = ask("list_multipart_uploads", Bucket=bucket, Prefix=key)
        for each in found.get("Uploads", []):
            if each["Key"] == key:
                ask("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=each["UploadId"])
