"""Ogg pages: constant serial numbers when writing, lost pages and chained streams when reading."""
