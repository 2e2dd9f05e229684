"""What commands print while they work."""

import io
import sys

from salus.cli.output import progress_counter, warn


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self):
        return True


def test_a_warning_is_one_line(capsys):
    warn("two\nlines")
    assert capsys.readouterr().err == "salus: two lines\n"


def test_progress_is_counted_on_one_line_of_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    show = progress_counter("read")
    show(1, 2)
    show(2, 2)
    assert sys.stderr.getvalue() == "\rread 1/2\rread 2/2\n"


def test_progress_is_not_shown_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_counter("read") is None
