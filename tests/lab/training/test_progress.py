"""Durations in lines of progress."""

import pytest

from salus.lab.training.progress import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (250, "4 min 10 s"), (5400, "1 h 30 min"), (100_000, "1 d 3 h"), (float("nan"), "–")],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert format_duration(seconds) == text
