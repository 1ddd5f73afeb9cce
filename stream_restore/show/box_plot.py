"""Box plots of scores from 0 to 100, with means and their intervals. Drawing needs the extra `eval`."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from math import isfinite

from .picture import check

__all__ = ["Box", "box_plot"]

RANGES = ("bad", "poor", "fair", "good", "excellent")
INK = "#22507a"


@dataclass(frozen=True)
class Box:
    """The box of one name.

    Attributes:
        scores: the box shows quartiles and median, whiskers to 1.5 times their distance, and outliers.
        mean: a diamond.
        interval: of the mean; (nan, nan) draws none.
    """

    name: str
    scores: Sequence[float]
    mean: float
    interval: tuple[float, float]


def box_plot(boxes: Sequence[Box]) -> bytes:
    """A PNG.

    Raises:
        ConfigError: if matplotlib is not installed; the message names the extra.
    """
    check()
    figure = import_module("matplotlib.figure").Figure(figsize=(2 + 1.3 * len(boxes), 5), layout="constrained")
    axes = figure.subplots()
    axes.boxplot([each.scores for each in boxes], widths=0.5, medianprops={"color": INK, "linewidth": 2})
    for place, each in enumerate(boxes, 1):
        low, high = each.interval
        reach = [[each.mean - low], [high - each.mean]] if isfinite(low) and isfinite(high) else None
        axes.errorbar([place + 0.34], [each.mean], yerr=reach, fmt="D", color=INK, capsize=4, markersize=5)
    axes.set_xticks(range(1, len(boxes) + 1), [each.name for each in boxes], rotation=20, ha="right")
    axes.set_ylim(-2, 102)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("score; diamond: mean, 95 % t interval")
    for place, word in enumerate(RANGES):
        axes.text(1.01, 20 * place + 10, word, transform=axes.get_yaxis_transform(), va="center")
    axes.grid(axis="y", alpha=0.3)
    png = BytesIO()
    figure.savefig(png, dpi=120, format="png")
    return png.getvalue()
