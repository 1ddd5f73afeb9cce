"""Outputs that are complete or absent: files renamed when complete, pipes, locks."""
