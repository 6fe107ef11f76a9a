"""Calls that may hang are not waited for."""

import threading

import pytest

from fustor_core.hanging import answers


def test_what_answers_is_there_whatever_hangs_beside_it() -> None:
    release = threading.Event()
    assert answers([lambda: 1, release.wait, lambda: 2], within=0.1) == [1, None, 2]
    release.set()
    assert answers([], within=0.1) == []


def test_an_error_is_that_of_the_call() -> None:
    def fail() -> int:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        answers([fail], within=5)
