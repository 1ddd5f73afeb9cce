"""The analysis of a listening test: equal to SciPy and statsmodels, finds what simulated listeners were given."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from stream_restore.cli.main import main
from stream_restore.errors import SourceError
from stream_restore.listening import Analysis, Rating, analyse, read_csv
from stream_restore.listening.analysis.findings import findings
from stream_restore.listening.analysis.statistics import (
    bootstrap_interval,
    differences,
    friedman,
    holm,
    least_p,
    listeners_needed,
    power,
    t_interval,
)
from stream_restore.listening.ratings import LOW_ANCHOR, MID_ANCHOR, REFERENCE

RNG = np.random.default_rng(534)
COLUMNS = {
    name: np.clip(RNG.normal(mean, 12, 18), 0, 100).round() for name, mean in zip("abcd", (80, 74, 60, 30), strict=True)
}
PLANTED = {REFERENCE: 98.0, "good": 75.0, "worse": 65.0, MID_ANCHOR: 45.0, LOW_ANCHOR: 20.0}


def simulated(seed: int, listeners: int = 20, trials: int = 6, planted: Mapping[str, float] = PLANTED) -> list[Rating]:
    """Listeners with a use of the scale, taste and scatter of their own."""
    rng = np.random.default_rng(seed)
    ratings = []
    for listener in range(listeners):
        offset = rng.normal(0, 6)
        taste = dict.fromkeys(planted, 0.0) | {name: rng.normal(0, 6) for name in planted if name != REFERENCE}
        for trial in range(trials):
            for name, mean in planted.items():
                score = 100 if name == REFERENCE else np.clip(mean + offset + taste[name] + rng.normal(0, 8), 0, 89)
                ratings.append(Rating(f"L{listener}", f"T{trial}", name, float(np.round(score))))
    return ratings


def means(found: Analysis) -> dict[str, float]:
    return {each.name: each.mean for each in found.conditions}


# Against independent computations


def test_intervals_equal_statsmodels_and_scipy() -> None:
    column = COLUMNS["b"]
    assert t_interval(column) == pytest.approx(DescrStatsW(column).tconfint_mean(0.05), rel=1e-12)
    # Two random sets of resamples: the ends of the intervals agree to some hundredths of their length.
    theirs = scipy.stats.bootstrap((column,), np.mean, method="percentile", n_resamples=20000, rng=1)
    assert bootstrap_interval(column, 0) == pytest.approx(theirs.confidence_interval, abs=0.3)
    assert bootstrap_interval(column, 0) == bootstrap_interval(column, 0) != bootstrap_interval(column, 1)


def test_friedman_equals_its_formula() -> None:
    table = np.array([scipy.stats.rankdata(row) for row in np.array(list(COLUMNS.values())).T])
    count, conditions = table.shape
    # Conover, Practical Nonparametric Statistics (1999), 5.8: valid with ties.
    spread = np.square(table).sum() - count * conditions * (conditions + 1) ** 2 / 4
    sums = table.sum(axis=0) - count * (conditions + 1) / 2
    statistic = (conditions - 1) * np.square(sums).sum() / spread
    found = friedman(COLUMNS)
    assert found is not None
    assert found.statistic == pytest.approx(statistic, rel=1e-12)
    assert found.p == pytest.approx(scipy.stats.chi2.sf(statistic, conditions - 1), rel=1e-10)
    assert found.kendall_w == pytest.approx(statistic / (count * (conditions - 1)), rel=1e-12)


def test_wilcoxon_is_exact_for_few_listeners() -> None:
    # All 2**8 signs of eight differences without ties.
    column = np.array([3.0, -1.0, 4.0, 6.0, -2.0, 9.0, 8.0, 5.0])
    ranks = np.abs(column).argsort().argsort() + 1
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    least = np.abs((ranks * np.sign(column)).sum())
    wanted = (np.abs(ranks @ signs) >= least).mean()
    (found,) = differences({"a": column, "b": np.zeros(8)})
    assert found.p == pytest.approx(wanted, rel=1e-12)
    assert found.rank_biserial == pytest.approx((ranks * np.sign(column)).sum() / ranks.sum())
    assert found.cohen_dz == pytest.approx(column.mean() / column.std(ddof=1))


def test_holm_equals_statsmodels() -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).beta(0.3, 2, 15).tolist()
        assert holm(values) == pytest.approx(multipletests(values, method="holm")[1].tolist(), rel=1e-12)
    assert [each.p_holm for each in differences(COLUMNS)] == holm([each.p for each in differences(COLUMNS)])


def test_power_equals_statsmodels() -> None:
    for listeners in (6, 12, 20, 80):
        for deviation in (5.0, 15.0, 40.0):
            # Far out, statsmodels gives nan.
            wanted = np.nan_to_num(TTestPower().power(10 / deviation, listeners, 0.05), nan=1.0)
            assert power(listeners, 10, deviation) == pytest.approx(wanted, abs=1e-9)
    needed = TTestPower().solve_power(10 / 15, None, 0.05, 0.8)
    assert listeners_needed(10, 15) == int(np.ceil(needed))
    assert listeners_needed(0.001, 15) is None


def test_the_power_that_is_told_is_how_often_a_planted_difference_is_found() -> None:
    rng = np.random.default_rng(0)
    told = power(15, 10, 14)
    hits = np.mean([scipy.stats.ttest_1samp(rng.normal(10, 14, 15), 0).pvalue < 0.05 for _ in range(2000)])
    assert hits == pytest.approx(told, abs=0.04)
    by_rank = np.mean([differences({"a": rng.normal(10, 14, 15), "b": np.zeros(15)})[0].p < 0.05 for _ in range(1000)])
    assert by_rank == pytest.approx(told, abs=0.08)


# Simulated listeners


def test_planted_effects_are_recovered() -> None:
    found = analyse(simulated(1))
    assert [each.name for each in found.conditions] == list(PLANTED)
    for name, mean in means(found).items():
        assert mean == pytest.approx(PLANTED[name], abs=6)
    pair = next(each for each in found.differences if (each.first, each.second) == ("good", "worse"))
    assert pair.p_holm < 0.05
    assert pair.interval[0] < 10 < pair.interval[1]
    assert any(line.startswith("good is rated above worse") for line in findings(found))


def test_where_nothing_is_planted_little_is_found() -> None:
    equal = PLANTED | {"good": 70.0, "worse": 70.0, "third": 70.0}
    wrong = 0
    for seed in range(40):
        found = analyse(simulated(seed, 15, 3, equal))
        wrong += any(e.p_holm < 0.05 for e in found.differences if {e.first, e.second} <= {"good", "worse", "third"})
    assert wrong <= 5
    line = next(line for line in findings(found) if "Friedman" in line)
    assert line.startswith("It is not shown") == (
        found.friedman_systems is not None and found.friedman_systems.p >= 0.05
    )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    held = [low < 50 < high for low, high in (t_interval(rng.normal(50, 10, 15)) for _ in range(1000))]
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


def test_where_too_few_listened_to_show_anything_that_is_said() -> None:
    # Ten pairs and eight listeners: the least p of all, 2/256, is 0.08 after Holm.
    found = analyse(simulated(3, 8))
    assert all(each.p_holm > 0.05 for each in found.differences)
    assert found.corrected_power == 0 < found.power
    assert "With 8 listeners no p after Holm can be below 0.078" in "\n".join(findings(found))
    assert scipy.stats.wilcoxon(np.arange(1.0, 9.0)).pvalue == least_p(8)


def test_the_power_that_is_told_for_all_pairs_is_reached() -> None:
    hits, told = 0, []
    for seed in range(60):
        found = analyse(simulated(1000 + seed, 16, 3))
        hits += any(e.p_holm < 0.05 for e in found.differences if {e.first, e.second} == {"good", "worse"})
        told.append(found.corrected_power)
    assert hits / 60 >= np.mean(told) - 0.15


def test_power_is_printed() -> None:
    text = "\n".join(findings(analyse(simulated(3, 16))))
    assert "with 16 listeners" in text
    assert "difference of 10 points" in text
    assert "For 80 % by one test it takes" in text


def test_more_trials_of_the_same_listeners_are_not_more_listeners() -> None:
    once = simulated(4, 10, 1)
    ten = [Rating(e.listener, f"{e.trial}.{copy}", e.condition, e.score) for e in once for copy in range(10)]
    assert analyse(ten).differences == analyse(once).differences


# Post-screening


def with_scores(listener: str, condition: str, scores: list[float]) -> list[Rating]:
    return [Rating(listener, f"T{trial}", condition, score) for trial, score in enumerate(scores)]


@pytest.mark.parametrize(("missed", "out"), [(3, False), (4, True)])
def test_a_hidden_reference_below_90_in_more_than_15_percent_excludes(missed: int, out: bool) -> None:
    ratings = simulated(0, 8, 20)
    spoilt = [r for r in ratings if (r.listener, r.condition) != ("L3", REFERENCE)]
    spoilt += with_scores("L3", REFERENCE, [89.0] * missed + [90.0] * (20 - missed))
    found = analyse(spoilt)
    assert [each.listener for each in found.exclusions] == ["L3"] * out
    assert ("L3" in found.listeners) is not out
    assert any("L3, who rated the hidden reference below 90" in line for line in findings(found)) is out


def test_a_mid_anchor_above_90_excludes_unless_a_quarter_of_all_do_so() -> None:
    ratings = simulated(0, 8, 4)

    def praised(listeners: set[str]) -> list[Rating]:
        hit = {(listener, MID_ANCHOR) for listener in listeners}
        return [replace(r, score=95.0) if (r.listener, r.condition) in hit else r for r in ratings]

    assert [each.listener for each in analyse(praised({"L2"})).exclusions] == ["L2"]
    assert [each.listener for each in analyse(praised({"L2", "L5"})).exclusions] == ["L2", "L5"]
    assert analyse(praised({"L1", "L2", "L5"})).exclusions == ()


def test_nobody_left_is_said() -> None:
    with pytest.raises(SourceError, match="leaves out all 3 listeners"):
        analyse([Rating(r.listener, r.trial, r.condition, 50.0) for r in simulated(0, 3)])


# What is not complete


def test_unfinished_trials_are_left_aside_and_named() -> None:
    ratings = simulated(0, 6, 3)
    found = analyse([r for r in ratings if (r.listener, r.trial, r.condition) != ("L1", "T2", "good")])
    assert "trial 'T2' of listener 'L1' is not complete: it was left aside" in found.warnings
    assert "1 of 6 listeners finished fewer than all 3 trials" in found.warnings
    rest = [r for r in ratings if (r.listener, r.trial) != ("L1", "T2")]
    assert found.conditions == analyse(rest).conditions


def test_a_condition_that_some_trials_lack_is_left_aside_and_named() -> None:
    found = analyse([*simulated(0), Rating("L0", "T0", "other", 3.0)])
    assert found.warnings == ("'other' is not in every trial: it was left aside",)


def test_one_listener_gets_means_and_no_intervals() -> None:
    found = analyse(simulated(0, 1))
    assert np.isnan(found.conditions[0].t_interval[0])
    assert any("With one listener" in line for line in findings(found))


def test_figures_are_correlated_with_scores() -> None:
    ratings = simulated(2)
    places = {(r.trial, r.condition) for r in ratings}
    figures = {place: {"SDR": PLANTED[place[1]] / 5} for place in places}
    (found,) = analyse(ratings, figures).correlations
    pairs = [(PLANTED[name] / 5, np.mean([r.score for r in ratings if (r.trial, r.condition) == (trial, name)]))
             for trial, name in sorted(places) if name != REFERENCE]  # fmt: skip
    assert found.count == len(pairs) == 24
    assert found.pearson == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1])
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(*np.array(pairs).T).statistic)


# Files


def write(path: Path, header: str, rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def own_file(path: Path, ratings: list[Rating]) -> Path:
    rows: list[list[object]] = [[r.listener, r.trial, r.condition, r.score] for r in ratings]
    return write(path, "listener,trial,condition,score", rows)


WEBMUSHRA = "session_test_id,email,age,trial_id,rating_stimulus,rating_score,rating_time,rating_comment"


def test_webmushra_is_read(tmp_path: Path) -> None:
    ratings = simulated(7, 5, 2)
    rows: list[list[object]] = [
        ["test", f"{r.listener}@x.org", 30, r.trial, r.condition, int(r.score), 61500, "a, comment"] for r in ratings
    ]
    read = read_csv(write(tmp_path / "mushra.csv", WEBMUSHRA, rows))
    assert [(r.listener, r.trial, r.condition, r.score) for r in read] == [
        (f"{r.listener}@x.org 30", r.trial, r.condition, r.score) for r in ratings
    ]
    assert read[0].seconds == 61.5
    assert means(analyse(read)) == means(analyse(ratings))


def test_webmushra_listeners_who_gave_no_names_are_several(tmp_path: Path) -> None:
    rows: list[list[object]] = [["test", "", "", r.trial, r.condition, r.score, 1, ""] for r in simulated(7, 5, 2)]
    assert len({r.listener for r in read_csv(write(tmp_path / "mushra.csv", WEBMUSHRA, rows))}) == 5


@pytest.mark.parametrize("score", ["101", "-1", "nan", "inf", "good", ""])
def test_a_score_that_is_none_is_named_with_its_line(tmp_path: Path, score: str) -> None:
    path = write(tmp_path / "r.csv", "listener,trial,condition,score", [["a", "t", "x", 5], ["a", "t", "y", score]])
    with pytest.raises(SourceError, match=r"r\.csv, line 3: .* is no number from 0 to 100"):
        read_csv(path)


def test_a_second_rating_of_one_place_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "listener,trial,condition,score", [["a", "t", "x", 5], ["a", "t", "x", 6]])
    with pytest.raises(SourceError, match="listener 'a' rated 'x' of trial 't' 2 times"):
        read_csv(path)


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'listener,trial,condition,score\n"a'])
def test_what_is_no_file_of_ratings_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.csv").write_bytes(data)
    with pytest.raises(SourceError, match=r"r\.csv"):
        read_csv(tmp_path / "r.csv")


def test_the_command_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings = simulated(9)
    path, out = own_file(tmp_path / "ratings.csv", ratings), tmp_path / "found"
    assert main(["mushra", "analyse", str(path), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("20 listeners rated 6 trials of 5 conditions.")
    assert said.endswith(f"{out / 'index.html'}\n")
    facts = json.loads((out / "analysis.json").read_text("utf-8"))
    assert {each["name"]: each["mean"] for each in facts["conditions"]} == means(analyse(ratings))
    assert facts["findings"] == findings(analyse(ratings))
    assert (out / "box-plot.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((out / "conditions.csv").open()))
    assert [row["condition"] for row in rows][:2] == ["hidden reference", "good"]
    assert all(float(one["mean"]) >= float(two["mean"]) for one, two in pairwise(rows))
    assert "good is rated above worse" in (out / "index.html").read_text("utf-8")
    assert main(["mushra", "analyse", str(path), "-o", str(out)]) == 1
    assert "--force" in capsys.readouterr().err


def test_names_of_conditions_are_no_html(tmp_path: Path) -> None:
    planted = {REFERENCE: 100.0, "<script>x</script>": 60.0, "b": 50.0}
    path, out = own_file(tmp_path / "ratings.csv", simulated(0, planted=planted)), tmp_path / "found"
    assert main(["mushra", "analyse", str(path), "-o", str(out), "-q"]) == 0
    assert "<script" not in (out / "index.html").read_text("utf-8")
