"""`check_stage`: the law of a stage, enforced. For people who write stages."""

from .engine.check import check_stage, example_signal, partitions

__all__ = ["check_stage", "example_signal", "partitions"]
