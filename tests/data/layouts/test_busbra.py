"""BUS-BRA: patients, labels and official folds from its tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts.example_sets import SHAPE, busbra, columns, picture

from salus.data.layouts import read_data_set
from salus.errors import SalusError


def test_busbra_knows_patients_labels_and_folds(tmp_path: Path) -> None:
    data = read_data_set(busbra(tmp_path))
    assert [(c.name, c.patient, c.label) for c in data.cases] == [
        ("bus_0001-l", "busbra-1", "malignant"),
        ("bus_0001-r", "busbra-1", "malignant"),
        ("bus_0002-s", "busbra-2", "benign"),
    ]
    assert data.official_folds == {"bus_0001-l": 3, "bus_0001-r": 3, "bus_0002-s": 5}
    assert columns(data.cases[0].read_mask(SHAPE)) == [2, 3, 4, 5]
    assert data.remarks == ()


def test_busbra_without_a_column_says_which(tmp_path: Path) -> None:
    busbra(tmp_path)
    (tmp_path / "bus_data.csv").write_text("ID,Pathology\nbus_0001-l,benign\n")
    with pytest.raises(SalusError, match=r"bus_data\.csv: has no column 'case'; take the file from"):
        read_data_set(tmp_path)


def test_busbra_remarks_what_does_not_fit(tmp_path: Path) -> None:
    busbra(tmp_path)
    (tmp_path / "Images" / "bus_0001-r.png").unlink()
    (tmp_path / "Masks" / "mask_0002-s.png").unlink()
    picture(tmp_path / "Images" / "bus_0009-l.png")
    (tmp_path / "5-fold-cv.csv").unlink()
    data = read_data_set(tmp_path)
    text = "\n".join(data.remarks)
    assert "mask_0001-r.png: a mask without an image" in text
    assert "bus_0002-s.png and 1 more" not in text  # few are named one by one
    assert "bus_0002-s.png: an image without a mask" in text
    assert "bus_0009-l.png: its patient is not in bus_data.csv" in text
    assert "bus_0001-r: in bus_data.csv, but no file" in text
    assert "no official folds" in text
    assert data.official_folds == {}
