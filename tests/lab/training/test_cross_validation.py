"""Reading data sets for cross-validation: what cannot be learnt from is refused in words that fit every command."""

import shutil

import pytest

from salus.data.phantom.make import write_phantoms
from salus.errors import SalusError
from salus.lab.training.cross_validation import read_cross_validation_data


def test_a_folder_without_masks_is_refused(tmp_path):
    write_phantoms(tmp_path / "set", 2, seed=5)
    shutil.copytree(tmp_path / "set" / "images", tmp_path / "scans")
    with pytest.raises(SalusError, match=r"scans: no image has a mask; name folders of images with masks"):
        read_cross_validation_data([str(tmp_path / "scans")])


def test_the_shapes_are_those_of_the_files(tmp_path):
    write_phantoms(tmp_path / "set", 6, seed=5)
    data, _ = read_cross_validation_data([str(tmp_path / "set")], folds=2, size=32, log=lambda line: None)
    assert data.shapes == tuple(case.read_image().shape for case in data.cases)
