"""A data set indexes, slices, iterates and prints one line; a case reads masks that are no pictures."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from tests.data.layouts.example_sets import SHAPE, busbra

from salus.data.case import DataSet
from salus.data.check import check_data_set
from salus.data.layouts import read_data_set
from salus.errors import SalusError


class LeftHalf:
    """An annotation that says: the left half."""

    def read(self, path, shape):
        mask = np.zeros(shape, bool)
        mask[:, : shape[1] // 2] = True
        return mask


def test_a_data_set_is_a_sequence_of_its_cases(tmp_path):
    data = read_data_set(busbra(tmp_path))
    assert list(data) == list(data.cases)
    assert (data[0], data[-1], data["bus_0002-s"]) == (data.cases[0], data.cases[-1], data.cases[2])
    assert data[np.int64(1)] == data.cases[1]
    assert data[0] in data
    assert "bus_0002-s" in data
    assert "bus_0009-s" not in data
    with pytest.raises(KeyError, match="absent"):
        data["absent"]
    with pytest.raises(IndexError):
        data[3]


def test_a_slice_is_a_data_set_with_its_folds(tmp_path):
    data = read_data_set(busbra(tmp_path))
    part = data[1:]
    assert isinstance(part, DataSet)
    assert [case.name for case in part] == ["bus_0001-r", "bus_0002-s"]
    assert part.official_folds == {"bus_0001-r": 3, "bus_0002-s": 5}
    assert check_data_set(part).images == 2
    assert len(data[::2]) == 2


def test_it_prints_one_line(tmp_path):
    data = read_data_set(busbra(tmp_path))
    assert repr(data) == str(data) == (
        f"DataSet({tmp_path}, layout busbra: 3 images, 3 with masks, 1 benign, 2 malignant)"
    )  # fmt: skip


def test_a_case_with_an_annotation_reads_it_in_place_of_pictures(tmp_path):
    data = read_data_set(busbra(tmp_path))
    (tmp_path / "outline.json").write_text("{}")
    case = replace(data[0], masks=(tmp_path / "outline.json",), annotation=LeftHalf())
    np.testing.assert_array_equal(case.read_mask(SHAPE), LeftHalf().read(None, SHAPE))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(case)).read_mask(SHAPE), case.read_mask(SHAPE))
    report = check_data_set(replace(data, cases=(case,)))
    assert [problem for problem in report.problems if problem.severity == "error"] == []
    with pytest.raises(SalusError, match="has no mask"):
        replace(case, masks=None).read_mask(SHAPE)
