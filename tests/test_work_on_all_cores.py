"""Arithmetic on all cores: results in order, work within work, errors that are not lost."""

import threading
import time

import pytest

from stream_restore.engine import threads
from stream_restore.engine.threads import cores, each


def test_results_come_in_the_order_of_their_numbers() -> None:
    assert each(lambda number: number**2, 1000) == [number**2 for number in range(1000)]
    assert each(str, 0) == []


def test_work_may_ask_for_all_cores_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def sums(depth: int) -> int:
        return sum(each(lambda _: sums(depth - 1), 3)) if depth else 1

    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "cores", lambda count=count: count)
        done: list[int] = []
        worker = threading.Thread(target=lambda done=done: done.append(sums(5)), daemon=True)  # would it hang?
        worker.start()
        worker.join(60)
        assert done == [3**5], count


@pytest.mark.parametrize("wrong", [0, 5])
def test_an_error_in_any_of_them_is_raised(wrong: int) -> None:
    def work(number: int) -> int:
        if number == wrong:
            raise ValueError("wrong")
        return number

    with pytest.raises(ValueError, match="wrong"):
        each(work, 6)


def test_nothing_goes_on_after_an_error() -> None:
    under_way = threading.Barrier(2) if cores() > 1 else None
    ended: list[int] = []

    def work(number: int) -> int:
        if under_way and number < 2:
            under_way.wait(60)
        if threading.current_thread() is threading.main_thread():
            raise ValueError("wrong")
        time.sleep(0.05)
        ended.append(number)
        return number

    with pytest.raises(ValueError, match="wrong"):
        each(work, 1000)
    before = len(ended)
    time.sleep(0.2)
    assert len(ended) == before < 1000


def test_the_cores_are_those_of_this_process() -> None:
    assert cores() >= 1
