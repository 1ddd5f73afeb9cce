"""A report of a batch: what became of each recording, as JSON lines or CSV."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from math import inf, log10
from pathlib import Path
from typing import Any

from ..audio.outputs.atomic_file import write_atomic
from ..errors import ConfigError
from ..passes.job import Report
from .item import Item

__all__ = ["FAILED", "Row", "refuse_other_report", "row_of", "write_report"]

Row = Mapping[str, Any]
"""What became of one recording: see `row_of`."""

FAILED = "failed"
"""The status of a recording that has no result."""
KINDS = (".jsonl", ".json", ".csv")


def refuse_other_report(path: Path) -> None:
    """Refuse a name that does not say what kind of report it is.

    Raises:
        ConfigError: if it does not end in .jsonl, .json or .csv.
    """
    if path.suffix.lower() not in KINDS:
        raise ConfigError(f"{path}: a report is called .jsonl (JSON, a line for each recording) or .csv")


def row_of(item: Item, outcome: Report | str, attempts: int, elapsed_seconds: float, done: str) -> dict[str, Any]:
    """What became of a recording.

    Keys: input, output, status (`done`, which is "restored" or "degraded"; or "failed"), seconds (of sound),
    peak_dbfs (of the result), clipped (samples), found (by repair: figures of what was found and taken away),
    warnings, error, attempts, elapsed_seconds.
    """
    row: dict[str, Any] = {"input": str(item.source), "output": str(item.target), "status": FAILED, "error": None}
    row |= {"attempts": attempts, "elapsed_seconds": round(elapsed_seconds, 3)}
    if isinstance(outcome, str):
        return {**row, "error": outcome}
    peak = 20 * log10(outcome.peak) if outcome.peak else None
    found = {name: {key: _finite(each) for key, each in figures.items()} for name, figures in outcome.found.items()}
    sound = {"seconds": outcome.seconds, "peak_dbfs": peak, "clipped": sum(outcome.clipped.values())}
    return {**row, "status": done, **sound, "found": found, "warnings": outcome.warnings}


def write_report(path: Path, rows: Sequence[Row]) -> None:
    """Write all rows to a file, which is there when it is complete.

    In CSV a figure of a repair has a column of its own, as hum.level_db; warnings are joined by semicolons.

    Raises:
        SinkError: if it cannot be written.
    """
    write_atomic(path, _csv(rows) if path.suffix.lower() == ".csv" else "".join(json.dumps(row) + "\n" for row in rows))


def _finite(figure: float) -> float | None:
    """JSON knows no infinity: the level of nothing."""
    return figure if -inf < figure < inf else None


def _csv(rows: Sequence[Row]) -> str:
    flat = [_flat(row) for row in rows]
    text = StringIO()
    columns = list(dict.fromkeys(key for row in flat for key in row))
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(flat)
    return text.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    figures = {f"{name}.{key}": each for name, found in row.get("found", {}).items() for key, each in found.items()}
    plain = {key: value for key, value in row.items() if key != "found"}
    return {**plain, "warnings": "; ".join(row.get("warnings", [])), **figures}
