"""Progress with the time left, for a person who watches and for a log."""

import io
import sys

import pytest

from salus.cli import progress
from salus.cli.progress import Progress


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand, in seconds."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def run(clock, monkeypatch, stream, steps, total, **options):
    """Show progress at (seconds since the begin, number done)."""
    monkeypatch.setattr(sys, "stderr", stream)
    show = Progress("images", **options)
    for seconds, done in steps:
        clock[0] = 100 + seconds
        show(done, total)
    return stream.getvalue()


def test_a_terminal_sees_one_line_with_the_time_left(clock, monkeypatch):
    text = run(clock, monkeypatch, Terminal(), [(0, 0), (10, 10), (20, 20), (100, 100)], 100)
    assert [line.rstrip() for line in text.split("\r")[1:]] == [
        "images 0/100", "images 10/100, 90 s left", "images 20/100, 80 s left", "images 100/100",
    ]  # fmt: skip
    assert text.endswith("images 100/100\n")


def test_images_that_were_done_before_do_not_count_as_fast(clock, monkeypatch):
    text = run(clock, monkeypatch, Terminal(), [(0, 90), (10, 91)], 100)
    assert "images 91/100, 90 s left" in text


def test_a_log_gets_a_line_now_and_then(clock, monkeypatch):
    steps = [(second, second) for second in range(0, 101)]
    text = run(clock, monkeypatch, io.StringIO(), steps, 100)
    assert text == "images 30/100, 70 s left\nimages 60/100, 40 s left\nimages 90/100, 10 s left\n"


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_quiet_and_a_single_thing_show_nothing(clock, monkeypatch, stream):
    assert run(clock, monkeypatch, stream(), [(0, 0), (50, 50)], 100, quiet=True) == ""
    assert run(clock, monkeypatch, stream(), [(0, 0), (50, 1)], 1) == ""


def test_a_message_does_not_run_into_the_counter(clock, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    show = Progress("images")
    show(0, 9)
    show(3, 9)
    show.message("salus: b.png: no image")
    show(4, 9)
    visible = [line.split("\r")[-1].rstrip() for line in stream.getvalue().split("\n")]
    assert visible == ["salus: b.png: no image", "images 4/9"]
