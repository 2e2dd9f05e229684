"""`salus node`: its settings are checked, and mistakes are told in one line."""

import re
from pathlib import Path

import pytest

from salus.cli import main

pytest.importorskip("pynetdicom", reason="the extra node is not installed")


def test_check_reads_the_settings_and_starts_nothing(tmp_path, capsys):
    (tmp_path / "node.toml").write_text(
        'folder = "queue"\nlisten = {allowed = ["*"]}\ndestination = [{name = "a", url = "http://127.0.0.1:1/"}]\n'
    )
    assert main(["node", str(tmp_path / "node.toml"), "--check"]) == 0
    assert "results go to a" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["node.toml"]


def test_the_settings_of_the_how_to_are_right(tmp_path, monkeypatch):
    monkeypatch.setenv("ORTHANC_PASSWORD", "secret")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "node.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "node.toml").write_text(block)
        assert main(["node", str(tmp_path / "node.toml"), "--check"]) == 0


def test_a_mistake_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "node.toml").write_text('folder = "queue"\n')
    assert main(["node", str(tmp_path / "node.toml")]) == 2
    assert "there is no destination" in capsys.readouterr().err
