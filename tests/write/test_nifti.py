"""NIfTI label files, read back."""

import numpy as np
import pytest
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.read.frames import open_frames
from salus.write.nifti import write_nifti

nibabel = pytest.importorskip("nibabel")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("frames", [1, 3])
def test_labels_come_back_upright_in_millimetres(suffix, frames, tmp_path):
    masks = [np.roll(l_and_ring(), 2 * i, axis=1) for i in range(frames)]
    path = tmp_path / f"labels{suffix}"
    write_nifti(path, (segmentation_of(mask, (0.2, 0.1)) for mask in masks))
    file = open_frames(path)
    assert file.count == frames
    for number, mask in enumerate(masks, 1):
        scan = file.scan(number)
        np.testing.assert_array_equal(scan.pixels > 0, mask)
        assert scan.spacing == (pytest.approx(0.2), pytest.approx(0.1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_without_a_calibration_no_unit_is_named(tmp_path):
    write_nifti(tmp_path / "a.nii", [segmentation_of(l_and_ring())])
    image = nibabel.load(tmp_path / "a.nii")
    assert image.header.get_xyzt_units()[0] == "unknown"
    assert open_frames(tmp_path / "a.nii").scan(1).spacing is None
    assert sorted(np.unique(image.dataobj)) == [0, 1, 2]
