"""`salus report` on the light install."""

import sys

from salus.cli import main


def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("salus.lab.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["report", str(tmp_path)]) == 2
    assert capsys.readouterr().err == 'salus: matplotlib is not installed; run: pip install "salus[train]"\n'
