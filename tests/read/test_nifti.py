"""NIfTI files, compared with what nibabel and SimpleITK write and read."""

import numpy as np
import pytest
from tests.write.segmentations import segmentation_of

from salus.read.frames import open_frames
from salus.read.geometry import read_geometry
from salus.read.mask_file import read_label_map
from salus.write.nifti import write_nifti

nibabel = pytest.importorskip("nibabel")

COLOURS = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
"""Frames, rows, columns, colours."""


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("frames", [1, 2])
def test_colours_along_the_fifth_axis_are_colours_and_no_frames(frames, suffix, tmp_path):
    values = COLOURS[:frames].transpose(2, 1, 0, 3)  # columns, rows, slices, colours
    image = nibabel.Nifti1Image(values[:, :, :, None], np.diag([0.2, 0.1, 1, 1]))
    image.header.set_intent("vector")
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / f"a{suffix}"
    nibabel.save(image, path)
    opened = open_frames(path)
    assert opened.count == frames
    for number in range(1, frames + 1):
        np.testing.assert_array_equal(opened.values(number), COLOURS[number - 1])
    assert opened.scan(1).spacing == pytest.approx((0.1, 0.2))
    assert read_geometry(path).shape == (40, 30, frames, 1)
    mask = np.zeros((30, 40), bool)
    mask[5:10, 20:30] = True
    frame = segmentation_of(mask, (0.1, 0.2), frames if frames > 1 else None)
    write_nifti(tmp_path / "mask.nii", [frame], read_geometry(path))
    written = nibabel.load(tmp_path / "mask.nii")
    assert written.shape == (40, 30, frames, 1)
    np.testing.assert_array_equal(np.asarray(written.dataobj)[:, :, -1, 0].T > 0, mask)


def test_a_fifth_axis_that_is_no_vector_is_frames(tmp_path):
    values = COLOURS[:1].transpose(2, 1, 0, 3)[:, :, :, None]
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    assert open_frames(tmp_path / "a.nii").count == 3


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_colour_picture_of_simpleitk_is_one_picture(suffix, dtype, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(COLOURS[0].astype(dtype), isVector=True), str(path))
    opened = open_frames(path)
    assert opened.count == 1
    np.testing.assert_array_equal(opened.values(1), COLOURS[0])


def test_a_mask_in_colours_that_are_alike_is_one_mask(tmp_path):
    values = np.repeat(COLOURS[:1, :, :, :1] // 128, 3, axis=-1).transpose(2, 1, 0, 3)[:, :, :, None]
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header.set_intent("vector")
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.nii"), COLOURS[0, ..., 0] // 128)
