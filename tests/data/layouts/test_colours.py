"""Colour-coded masks: colours are labels, and both are lesion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts.example_sets import SHAPE, columns, picture, published, uclm

from salus.data.layouts import read_data_set
from salus.errors import SalusError


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_colours_are_labels_and_both_are_lesion(tmp_path: Path, suffix: str) -> None:
    data = read_data_set(uclm(tmp_path, suffix))
    cases = {case.name: case for case in data.cases}
    assert data.layout == "colours"
    assert [cases[n].label for n in ("ALWI_003", "VITR_000", "WAQU_001")] == ["normal", "benign", "malignant"]
    assert [cases[n].patient for n in ("ALWI_003", "VITR_000", "WAQU_001")] == ["ALWI", "VITR", "WAQU"]
    for name in ("VITR_000", "WAQU_001"):
        truth = cases[name].read_mask(SHAPE)
        assert truth[:, :6].all()
        assert not truth[:, 8:].any()
    assert not cases["ALWI_003"].read_mask(SHAPE).any()


def test_a_lesion_in_another_colour_is_no_tumour_free_image(tmp_path: Path) -> None:
    root = uclm(tmp_path)
    Image.fromarray(np.full((*SHAPE, 3), (0, 0, 255), np.uint8)).save(root / "masks" / "VITR_000.png")
    cases = {case.name: case for case in read_data_set(root).cases}
    with pytest.raises(SalusError, match=r"VITR_000\.png: has no lesion's colour"):
        cases["VITR_000"].read_mask(SHAPE)
    assert not cases["ALWI_003"].read_mask(SHAPE).any()


@pytest.mark.parametrize("colour", [255, (255, 255, 255), (0, 0, 255)])
def test_masks_in_other_colours_are_the_published_layout(tmp_path: Path, colour: tuple[int, int, int] | int) -> None:
    data = read_data_set(published(tmp_path, colour))
    assert data.layout == "published"
    assert columns(data.cases[0].read_mask(SHAPE)) == [3, 4, 5]


def test_detection_survives_damaged_and_palette_masks(tmp_path: Path) -> None:
    uclm(tmp_path, empty=2)
    for path in (tmp_path / "masks").iterdir():
        Image.open(path).convert("P").save(path)
    (tmp_path / "masks" / "AAAA_000.png").write_bytes(b"\x89PNG")
    picture(tmp_path / "images" / "AAAA_000.png")
    data = read_data_set(tmp_path)
    assert data.layout == "colours"
    assert data.cases[0].label is None
    assert any("AAAA_000.png: unreadable" in line for line in data.remarks)
