"""Results of an evaluation as JSON, CSV and an HTML page."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ..audio.outputs.atomic_file import write_atomic
from ..show.png import PALETTE
from ..show.viewer import address

__all__ = ["PRINTED", "write_report"]

TITLE = "Un'analisi quantitativa e visiva del restauro audio zero-shot con Demucs"
AUTHOR = "Aurora Di Giovanna, 2025"
PRINTED = {
    "degraded": {"sdr_db": -32.77, "si_sdr_db": -64.06},
    "restored": {"sdr_db": -22.66, "si_sdr_db": -29.63},
}
"""The paper's table for its only clip, Kevin MacLeod's "Vibe Ace"."""
PRINTED_CLIP = "vibe_ace"
FIGURES = {
    "sdr_db": "SDR",
    "si_sdr_db": "SI-SDR",
    "bss_sdr_db": "BSS-eval SDR",
    "segmental_sdr_db": "segmental SDR",
    "sdr_below_db": "SDR below {split}",
    "sdr_above_db": "SDR above {split}",
    "lsd_db": "log-spectral distance",
}
LESS_IS_BETTER = {"lsd_db"}

Clip = Mapping[str, Any]


def write_report(folder: Path, clips: Sequence[Clip]) -> Path:
    """Write `results.json`, `results.csv` and `index.html`; return the path of the page.

    Args:
        folder: of the evaluation.
        clips: results of `stream_restore.experiment.evaluation.evaluate`, at least one.

    Raises:
        SinkError: if a file cannot be written.
    """
    printed = {"title": TITLE, "author": AUTHOR, **PRINTED}
    write_atomic(folder / "results.json", json.dumps({"printed": printed, "clips": list(clips)}, indent=1) + "\n")
    write_atomic(folder / "results.csv", _csv(clips))
    write_atomic(folder / "index.html", _page(clips))
    return folder / "index.html"


def _csv(clips: Sequence[Clip]) -> str:
    """One line for each clip and signal."""
    columns = ["clip", "seconds", "sample_rate", "signal", "model", *FIGURES, "snr_db", "si_sdr_zero_mean_db", "scale"]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for clip in clips:
        facts = {"clip": clip["name"], "seconds": clip["seconds"], "sample_rate": clip["sample_rate"]}
        table.writerows({**row, **facts} for row in clip["rows"])
    return text.getvalue()


def _page(clips: Sequence[Clip]) -> str:
    models = [row["model"] for row in clips[0]["rows"] if row["signal"] == "restored"]
    words = {
        f"{signal}_{name}": _number(row[f"{name}_db"]) for signal, row in PRINTED.items() for name in ("sdr", "si_sdr")
    }
    return Template(_file("report.html")).substitute(
        words,
        style=_file("report.css"),
        colours=", ".join("#" + bytes(PALETTE[place]).hex() for place in range(60, 256, 30)),
        count=f"{len(clips)} clip{'s' if len(clips) > 1 else ''}",
        models=escape(", ".join(models)),
        title=escape(TITLE),
        author=escape(AUTHOR),
        clip="Kevin MacLeod &ndash; Vibe Ace",
        summary=_summary(clips, models) if len(clips) > 1 else "",
        clips="\n".join(map(_clip, clips)),
        misaligned="".join(map(_misaligned, clips)),
    )


def _file(name: str) -> str:
    return (files(__package__) / "page" / name).read_text("utf-8")


def _summary(clips: Sequence[Clip], models: Sequence[str]) -> str:
    """Mean gain of each model over the clips with a known gain."""
    rows = []
    for model in models:
        cells = ""
        for figure in FIGURES:
            gains = [gain for clip in clips if (gain := _gain(clip, model, figure)) is not None]
            cells += f"<td>{_gained(sum(gains) / len(gains) if gains else None, figure) or _number(None)}</td>"
        rows.append(f"<tr><th scope=row>{escape(model)}</th>{cells}</tr>")
    head = f"<tr><th scope=col>restored by</th>{_heads(clips[0])}</tr>"
    return f"<section><h2>Mean gain over {len(clips)} clips, in dB</h2>{_table(head, rows)}</section>"


def _clip(clip: Clip) -> str:
    """One section: the table, warnings, and the figures."""
    name, folder = escape(clip["name"].replace("_", " ")), address(clip["name"])
    printed = "".join(f"<th scope=col class=paper>{title}, printed</th>" for title in ("SDR", "SI-SDR"))
    head = f"<tr><th scope=col>dB</th>{_heads(clip)}{printed}</tr>"
    said = [f"{_signal(row)}: {text}" for row in clip["rows"] for text in row["warnings"]]
    models = [row["model"] for row in clip["rows"] if row["signal"] == "restored"]
    return "\n".join([
        f"<section><h2>{name}</h2>",
        f"<p>{clip['seconds']:.1f} s at {clip['sample_rate'] / 1000:g} kHz.",
        f'<a class=button href="{folder}/index.html">Look closer and listen</a></p>',
        _table(head, [_row(clip, row) for row in clip["rows"]]),
        *(f"<p class=warning>{escape(text)}</p>" for text in said),
        *(_picture(folder, name, model) for model in models),
        *(_acted(row) for row in clip["rows"] if row.get("acted")),
        "</section>",
    ])  # fmt: skip


def _table(head: str, rows: Sequence[str]) -> str:
    return f"<div class=wide><table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table></div>"


def _picture(folder: str, name: str, model: str) -> str:
    text = f"Mel spectrograms of {name}: original, degraded, restored by {escape(model)}, residual"
    image = f'<img loading="lazy" src="{folder}/spectrograms-{address(model)}.png" alt="{text}">'
    return f'<a href="{folder}/index.html">{image}</a>'


def _acted(row: Mapping[str, Any]) -> str:
    """Where repairs changed a clip: a strip for each that did, as long as the clip."""
    strips = "".join(f"<dt>{escape(name)}</dt><dd>{_strip(each['shares'])}</dd>" for name, each in row["acted"].items())
    return f"<dl class=acted><dt>{escape(_signal(row))}, where</dt><dd>repairs acted</dd>{strips}</dl>"


def _strip(shares: Sequence[float]) -> str:
    strokes = "".join(f"M{at} 0V1h1V0z" for at, share in enumerate(shares) if share)
    return (
        f'<svg viewBox="0 0 {len(shares)} 1" preserveAspectRatio=none role=img '
        f'aria-label="{100 * sum(map(bool, shares)) / len(shares):.1f} % of the clip"><path d="{strokes}"/></svg>'
    )


def _heads(clip: Clip) -> str:
    split = f"{clip['rows'][0]['split_hz'] / 1000:g} kHz"
    return "".join(f"<th scope=col>{title.format(split=split)}</th>" for title in FIGURES.values())


def _row(clip: Clip, row: Mapping[str, Any]) -> str:
    restored = row["signal"] == "restored"
    cells = ""
    for figure in FIGURES:
        gain = _gain(clip, row["model"], figure) if restored else None
        cells += f"<td>{_number(row[figure])} {_gained(gain, figure)}</td>"
    printed = PRINTED[row["signal"]] if PRINTED_CLIP in clip["name"].lower() else {}
    cells += "".join(f"<td class=paper>{_number(printed.get(figure))}</td>" for figure in ("sdr_db", "si_sdr_db"))
    return f"<tr><th scope=row>{escape(_signal(row))}</th>{cells}</tr>"


def _signal(row: Mapping[str, Any]) -> str:
    return f"restored by {row['model']}" if row["signal"] == "restored" else "degraded"


def _gain(clip: Clip, model: str, figure: str) -> float | None:
    """The gain over the degraded signal, if both figures are finite."""
    before = next(row[figure] for row in clip["rows"] if row["signal"] == "degraded")
    after = next(row[figure] for row in clip["rows"] if row["model"] == model)
    return after - before if isinstance(before, float) and isinstance(after, float) else None


def _gained(gain: float | None, figure: str) -> str:
    if gain is None:
        return ""
    better = (gain < 0) == (figure in LESS_IS_BETTER)
    sign = "&minus;" if gain < 0 else "+"
    return f"<small class={'better' if better else 'worse'}>{sign}{abs(gain):.2f}</small>"


def _misaligned(clip: Clip) -> str:
    """Figures of a clip's degraded signal, deliberately misaligned."""
    name = escape(clip["name"].replace("_", " "))
    return "".join(
        f"<tr><th scope=row>{name}, {escape(slip)}</th><td>{_number(found['sdr_db'])}</td>"
        f"<td>{_number(found['si_sdr_db'])}</td></tr>"
        for slip, found in clip["misaligned"].items()
    )


def _number(value: float | str | None) -> str:
    """Two decimals; a dash if unknown."""
    if value is None:
        return "&ndash;"
    text = value.replace("inf", "&infin;") if isinstance(value, str) else f"{value:.2f}"
    return text.replace("-", "&minus;")
