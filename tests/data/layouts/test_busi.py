"""BUSI: several masks, classes by folder."""

from __future__ import annotations

from pathlib import Path

from tests.data.layouts.example_sets import SHAPE, busi, columns, mask, picture

from salus.data.layouts import read_data_set


def test_busi_unites_masks_and_keeps_classes(tmp_path: Path) -> None:
    cases = {case.name: case for case in read_data_set(busi(tmp_path)).cases}
    assert {name: case.label for name, case in cases.items()} == {
        "benign (1)": "benign",
        "malignant (1)": "malignant",
        "normal (1)": "normal",
    }
    assert columns(cases["benign (1)"].read_mask(SHAPE)) == [0, 1, 2, 8, 9]
    assert not cases["normal (1)"].read_mask(SHAPE).any()
    assert all(case.patient is None for case in cases.values())


def test_busi_names_stay_unique_and_oddities_are_remarked(tmp_path: Path) -> None:
    busi(tmp_path)
    picture(tmp_path / "benign" / "7.png")  # without a mask: unlabelled
    picture(tmp_path / "normal" / "7.png")  # without a mask: the folder says tumour-free
    mask(tmp_path / "malignant" / "8_mask.png")
    data = read_data_set(tmp_path)
    cases = {case.name: case for case in data.cases}
    assert cases["benign_7"].masks is None
    assert cases["normal_7"].masks == ()
    assert any("8_mask.png: a mask without an image" in line for line in data.remarks)
    assert any("7.png: an image without a mask" in line for line in data.remarks)
    assert len(data.remarks) == 2
