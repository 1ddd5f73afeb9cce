"""Results of an analysis as an HTML page, JSON and CSV."""

import csv
import io
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from math import isfinite
from pathlib import Path
from string import Template
from typing import Any

from ...audio.outputs.atomic_file import write_atomic
from ...errors import ConfigError
from ...show.box_plot import Box, box_plot
from .findings import findings, label
from .outcome import Analysis

__all__ = ["write_analysis"]

CONDITION_COLUMNS = ("condition", "ratings", "median", "quartile 1", "quartile 3", "mean", "t low", "t high",
                     "bootstrap low", "bootstrap high")  # fmt: skip
PAIR_COLUMNS = ("first", "second", "mean difference", "t low", "t high", "p (Wilcoxon)", "p (Holm)", "rank-biserial",
                "Cohen's dz")  # fmt: skip

Cells = Sequence[str | float]


def write_analysis(folder: Path, analysis: Analysis) -> tuple[Path, list[str]]:
    """Write `index.html`, `analysis.json`, `conditions.csv`, `pairs.csv` and, with the extra `eval`, `box-plot.png`.

    Returns:
        The path of the page, and messages about missing parts.

    Raises:
        SinkError: if a file cannot be written.
    """
    missing = []
    try:
        picture = box_plot(
            [Box(label(each.name), each.scores, each.mean, each.t_interval) for each in analysis.conditions]
        )
        write_atomic(folder / "box-plot.png", picture)
    except ConfigError as error:
        picture, missing = b"", [f"no box plot: {error}"]
    write_atomic(folder / "analysis.json", json.dumps(_facts(analysis), indent=1, allow_nan=False) + "\n")
    write_atomic(folder / "conditions.csv", _csv(CONDITION_COLUMNS, _conditions(analysis)))
    write_atomic(folder / "pairs.csv", _csv(PAIR_COLUMNS, _pairs(analysis)))
    write_atomic(folder / "index.html", _page(analysis, picture))
    return folder / "index.html", missing


def _facts(analysis: Analysis) -> dict[str, Any]:
    derived = {name: getattr(analysis, name) for name in ("deviation", "power", "corrected_power", "needed")}
    facts: dict[str, Any] = _plain(asdict(analysis) | derived)
    return facts | {"findings": findings(analysis)}


def _plain(value: Any) -> Any:
    """Values for JSON: nan and infinity become null."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _conditions(analysis: Analysis) -> Iterable[Cells]:
    for each in analysis.conditions:
        numbers = (each.median, *each.quartiles, each.mean, *each.t_interval, *each.bootstrap_interval)
        yield label(each.name), len(each.scores), *numbers


def _pairs(analysis: Analysis) -> Iterable[Cells]:
    for each in analysis.differences:
        tests = (each.p, each.p_holm, each.rank_biserial, each.cohen_dz)
        yield label(each.first), label(each.second), each.mean, *each.interval, *tests


def _csv(columns: Sequence[str], rows: Iterable[Cells]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _page(analysis: Analysis, picture: bytes) -> str:
    page = files(__package__) / "page"
    image = f'<img alt="Box plot of all scores by condition" src="data:image/png;base64,{b64encode(picture).decode()}">'
    return Template((page / "report.html").read_text("utf-8")).substitute(
        findings="\n".join(f"<li>{escape(each)}" for each in findings(analysis)),
        picture=image if picture else "",
        conditions=_table(CONDITION_COLUMNS, _conditions(analysis), 1),
        pairs=_table(PAIR_COLUMNS, _pairs(analysis), 3),
    )


def _table(columns: Sequence[str], rows: Iterable[Cells], digits: int) -> str:
    head = "".join(f"<th scope=col>{escape(each)}" for each in columns)
    body = "\n".join("<tr>" + "".join(_cell(each, digits) for each in row) for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</thead>\n<tbody>{body}</tbody></table></div>"


def _cell(value: str | float, digits: int) -> str:
    if isinstance(value, str):
        return f"<th scope=row>{escape(value)}"
    return f"<td>{value}" if isinstance(value, int) else f"<td>{value:.{digits}f}" if isfinite(value) else "<td>&ndash;"
