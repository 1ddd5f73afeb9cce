"""Whatever bytes come in, each reader gives sense or an error of its own; longer by scripts/fuzz."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def targets() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        return importlib.import_module("fuzzing.targets")


VALUES = [
    b"",
    b"none",
    b"0",
    b"-1",
    b"1",
    b"3",
    b"24",
    b"1e9",
    b"1e999",
    b"-1e999",
    b"nan",
    b"4000",
    b"-4000",
    b"9" * 5000,
]
LINES = st.lists(st.sampled_from(VALUES), max_size=11).map(b"\n".join)


def mutated(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Seeds of which pieces are replaced, left out or doubled; and bytes of no sense at all."""

    def cut(seed: bytes, start: int, stop: int, middle: bytes) -> bytes:
        return seed[: start % (len(seed) + 1)] + middle + seed[stop % (len(seed) + 1) :]

    place, middle = st.integers(0, 1 << 12), st.one_of(st.binary(max_size=16), st.sampled_from(AWKWARD))
    once = st.builds(cut, st.sampled_from(seeds), place, place, middle)
    return st.one_of(st.binary(max_size=300), once, st.builds(cut, once, place, place, middle))


AWKWARD = [b"\xff" * 4, b"\xff" * 8, bytes(4), b"\x80\0\0\0", b"nan", b"inf", b"-1", b"1e999", b"9" * 5000, b"[" * 5000]
"""What numbers are known to break on."""


@pytest.mark.parametrize("name", ["sound", "framing", "raw", "manifest", "container", "weights", "journal", "words"])
def test_any_bytes_give_sense_or_an_error(name: str, targets: Any) -> None:
    target = targets.TARGETS[name]

    # Without shrinking, which takes minutes; the bytes that fail are short as they are.
    @settings(
        max_examples=COUNTS[name],
        phases=(Phase.explicit, Phase.generate),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(mutated(targets.SEEDS[name]), LINES) if name == "words" else mutated(targets.SEEDS[name]))
    @example(b"")
    def check(data: bytes) -> None:
        target(data)

    for seed in targets.SEEDS[name]:
        target(seed)
    check()


COUNTS = {
    "sound": 250,
    "framing": 250,
    "raw": 300,
    "manifest": 300,
    "container": 200,
    "weights": 100,
    "journal": 200,
    "words": 150,
}
"""Examples of each; some seconds."""


def test_every_target_is_checked(targets: Any) -> None:
    assert set(COUNTS) == set(targets.TARGETS) == set(targets.SEEDS)


def test_what_security_names_exists() -> None:
    root = SCRIPTS.parent
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", (root / "SECURITY.md").read_text("utf-8")))
    files = {path.name: path.read_text("utf-8") for path in (root / "tests").glob("test_*.py")}
    assert len(named) > 10
    for name in named:
        assert name in files or any(f"def {name}(" in text for text in files.values()), name
