"""Places and labels of napari's layers: prompts in image coordinates, corrections measured, files read by others."""

import json
import zipfile

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.read.wrap import region, wrap_dicom

from salus import make_phantom
from salus.errors import SalusError
from salus.measure.lesions import measure_lesions
from salus.napari_plugin.outline import LayerImage, correct, make_layer_prompt, save_labels
from salus.segmentation.segmenter import Segmenter

PHANTOM = make_phantom(3).image


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter()


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    regions = [region(0, 0, *PHANTOM.shape, (0.1, 0.1))]
    return wrap_dicom(tmp_path_factory.mktemp("still") / "a.dcm", PHANTOM, regions=regions)


def test_the_middle_of_a_pixel_is_half_a_pixel_from_its_corner():
    prompt = make_layer_prompt(np.array([[9, 4], [0, 0]]), np.array([[2.5, 7]]), [np.array([[1, 2], [1, 6], [5, 6]])])
    assert prompt.points == ((4.5, 9.5), (0.5, 0.5))
    assert prompt.not_points == ((7.5, 3.0),)
    assert prompt.boxes == ((2.5, 1.5, 6.5, 5.5),)


def test_a_correction_is_measured_and_says_who_drew(still, segmenter):
    image = LayerImage(PHANTOM, path=str(still))
    result = segmenter(image.scan(0))
    assert correct(result, result.mask, image.scan(0)) is result
    labels = result.mask.astype(np.uint8)
    labels[5:25, 5:35] = 1
    changed = correct(result, labels, image.scan(0))
    expected = measure_lesions(labels > 0, result.probability, (0.1, 0.1))
    assert [lesion.area for lesion in changed.lesions] == [lesion.area for lesion in expected]
    assert changed.review.methods == ("SEMIAUTOMATIC", "MANUAL")


@pytest.mark.parametrize("suffix", [".png", ".nii.gz", ".json", ".dcm"])
def test_files_of_a_still_hold_the_corrected_mask(suffix, still, segmenter, tmp_path):
    image = LayerImage(PHANTOM, path=str(still))
    result, path = segmenter(image.scan(0)), tmp_path / f"out{suffix}"
    labels = result.mask.copy()
    labels[5:25, 5:35] = True
    assert save_labels(path, image, {0: result}, labels) == 1
    if suffix == ".png":
        np.testing.assert_array_equal(np.asarray(Image.open(path)) > 0, labels)
    elif suffix == ".nii.gz":
        np.testing.assert_array_equal(np.asarray(nibabel.load(path).dataobj).squeeze().T > 0, labels)
    elif suffix == ".json":
        content = json.loads(path.read_text())
        assert sum(lesion["area_px"] for lesion in content["lesions"]) == labels.sum()
    else:
        planes = pydicom.dcmread(path).pixel_array
        np.testing.assert_array_equal(planes.reshape(-1, *labels.shape).any(axis=0), labels)


def test_files_of_a_cine_hold_the_frames_that_were_outlined(segmenter, tmp_path):
    cine = np.stack([PHANTOM, PHANTOM[:, ::-1], PHANTOM[::-1]])
    source = wrap_dicom(tmp_path / "cine.dcm", cine, regions=[region(0, 0, *PHANTOM.shape, (0.1, 0.1))])
    image = LayerImage(cine, path=str(source))
    results = {index: segmenter(image.scan(index)) for index in (0, 1)}
    labels = np.zeros(cine.shape, np.uint8)
    for index, result in results.items():
        labels[index] = result.mask
    save_labels(tmp_path / "out.png", image, results, labels)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0001.png", "0002.png"]
    save_labels(tmp_path / "out.zip", image, results, labels)
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["0001.dcm", "0002.dcm"]
    with pytest.raises(SalusError, match=r"give \.zip"):
        save_labels(tmp_path / "out.dcm", image, results, labels)


def test_mistakes_are_told(segmenter, tmp_path):
    image = LayerImage(PHANTOM)
    results, labels = {0: segmenter(image.scan(0))}, np.zeros(PHANTOM.shape, np.uint8)
    for path, found, message in (
        ("a.png", {}, "nothing is outlined"),
        ("a.xyz", results, r"give \.png"),
        ("a.dcm", results, "needs a DICOM image"),
    ):
        with pytest.raises(SalusError, match=message):
            save_labels(tmp_path / path, image, found, labels)
    with pytest.raises(SalusError, match="no image and no cine"):
        LayerImage(np.zeros((2, 3, 4, 5, 6)))
