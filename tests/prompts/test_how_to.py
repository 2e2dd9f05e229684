"""The page on prompts: its Python runs, and its commands do what it says."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

import salus
from salus.cli import main

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "prompts.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python_of_the_page_runs(folder, capsys):
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(block, names)
    assert "((213.0, 140.0),)" in capsys.readouterr().out


def test_commands_of_the_page_run(folder):
    (folder / "scans").mkdir()
    Image.fromarray(salus.make_phantom(seed=3).image).save(folder / "scan.png")
    Image.fromarray(salus.make_phantom(seed=4).image).save(folder / "scans" / "other.png")
    (folder / "prompts.csv").write_text("image,x,y,label\nother.png,213,140,1\n")
    commands = re.findall(r"^    (salus segment .*?)(?:  +#.*)?$", TEXT, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert main([*shlex.split(command)[1:], "--overwrite"]) == 0
