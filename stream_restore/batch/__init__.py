"""Many recordings: a folder restored into another."""

from .batch import SUFFIXES, Batch, Item, Summary

__all__ = [
    "SUFFIXES",
    "Batch",
    "Item",
    "Summary",
]
