"""`salus demo` outlines the phantom in the package, again and again, and touches no other folder."""

import json

import numpy as np
import pytest
from PIL import Image

import salus
from salus.cli import main
from salus.data.phantom.demo import DEMO_IMAGE, DEMO_TRUTH
from salus.read.image import read_mask


def test_the_demo_runs_twice_and_its_files_are_those_of_segment(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["demo"]) == 0
    said = capsys.readouterr().out
    out = tmp_path / "salus-demo"
    truth, mask = read_mask(DEMO_TRUTH), read_mask(out / "masks" / "phantom.png")
    dice = 2 * (truth & mask).sum() / (truth.sum() + mask.sum())
    assert f"Dice with the truth: {dice:.3f}" in said
    assert dice > 0.8
    np.testing.assert_array_equal(mask, salus.segment(DEMO_IMAGE).mask)
    assert len(json.loads((out / "lesions.json").read_text())["images"]) == 1
    assert Image.open(out / "overlays" / "phantom.jpg").size == Image.open(DEMO_IMAGE).size


def test_the_shipped_phantom_is_the_made_one():
    phantom = salus.make_phantom(3)
    shipped = np.asarray(Image.open(DEMO_IMAGE)).astype(int)
    assert np.abs(shipped - phantom.image).max() <= 1  # another machine may round a grey level otherwise
    assert (read_mask(DEMO_TRUTH) != phantom.mask).mean() < 1e-3


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_demos_folder_is_left_alone(tmp_path, capsys, kind):
    target = tmp_path / "x"
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    assert main(["demo", "-o", str(target)]) == 2
    assert "name another with -o" in capsys.readouterr().err
    assert (target if kind == "file" else target / "mine.txt").read_text() == "mine"
