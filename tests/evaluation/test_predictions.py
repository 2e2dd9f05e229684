"""Predictions made elsewhere are matched with their images, told apart and read."""

import numpy as np
import pytest
from PIL import Image

from salus.data.case import Case
from salus.errors import SalusError
from salus.evaluation.predictions import match_predictions, read_prediction


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def cases(tmp_path):
    image = np.zeros((9, 12), np.uint8)
    names = {"ward/a": "ward/1.png", "other/a": "other/1.png", "b": "2.png"}
    return [Case(name, save(tmp_path / "images" / file, image), None, None) for name, file in names.items()]


def test_a_file_is_matched_by_the_cases_name_or_by_the_images_stem(tmp_path, cases):
    b = save(tmp_path / "p" / "2.png", np.zeros((9, 12), np.uint8))
    assert match_predictions(tmp_path / "p", cases[2:]) == [b]
    b.rename(tmp_path / "p" / "b.png")
    assert match_predictions(tmp_path / "p", cases[2:]) == [tmp_path / "p" / "b.png"]


def test_a_whole_name_goes_before_a_stem(tmp_path):
    """As of `salus segment` for a.bmp and a.jpg, of which a data set takes the latter."""
    image = save(tmp_path / "images" / "a.jpg", np.zeros((9, 12), np.uint8))
    for name in ("a.png", "a.jpg.png"):
        save(tmp_path / "p" / name, np.zeros((9, 12), np.uint8))
    assert match_predictions(tmp_path / "p", [Case("a", image, None, None)]) == [tmp_path / "p" / "a.jpg.png"]


def test_predictions_of_one_name_are_said(tmp_path, cases):
    for name in ("b.png", "b.bmp"):
        save(tmp_path / "p" / name, np.zeros((9, 12), np.uint8))
    remarks = []
    match_predictions(tmp_path / "p", cases[2:], remarks)
    assert [line for line in remarks if "b.bmp" in line and "same name" in line]


def test_a_stem_of_two_images_matches_neither_and_the_images_are_no_predictions(tmp_path, cases):
    save(tmp_path / "p" / "1.png", np.zeros((9, 12), np.uint8))
    with pytest.raises(SalusError, match=r"no prediction for 2 of 2 cases, e\.g\. ward/a, other/a; name each"):
        match_predictions(tmp_path / "p", cases[:2])
    with pytest.raises(SalusError, match="holds the images themselves"):
        match_predictions(tmp_path / "images", cases[2:])
    with pytest.raises(SalusError, match="no such folder of predictions"):
        match_predictions(tmp_path / "absent", cases)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.png", np.array([[0, 51, 128]], np.uint8)),
        ("b.tif", np.array([[0, 13107, 32896]], np.uint16)),
        ("c.tif", np.array([[0, 0.2, 128 / 255]], np.float32)),
    ],
)
def test_probabilities_are_scaled_by_their_type_and_their_mask_begins_at_one_half(tmp_path, cases, name, values):
    reading = read_prediction(save(tmp_path / name, values), cases[0], (1, 3))
    np.testing.assert_allclose(reading.probability, [[0, 0.2, 128 / 255]], atol=1e-6)
    assert reading.mask.tolist() == [[False, False, True]]


def test_a_mask_of_two_values_has_no_probability(tmp_path, cases):
    reading = read_prediction(save(tmp_path / "a.png", np.array([[0, 1]], np.uint8)), cases[0], (1, 2))
    assert reading.probability is None
    assert reading.mask.tolist() == [[False, True]]


def test_another_size_and_values_beyond_one_are_refused(tmp_path, cases):
    path = save(tmp_path / "a.tif", np.array([[0, 1.5]], np.float32))
    with pytest.raises(SalusError, match="the prediction is 2 x 1, its image 3 x 1"):
        read_prediction(path, cases[0], (1, 3))
    with pytest.raises(SalusError, match=r"values from 0 to 1\.5 are no mask and no probability"):
        read_prediction(path, cases[0], (1, 2))


def test_the_layouts_colours_count_in_predictions_too(tmp_path):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[1:3, :2, 0] = colours[1:3, 4:, 1] = 255  # malignant red, benign green
    path = save(tmp_path / "p" / "a.png", colours)
    case = Case("a", save(tmp_path / "a.png", colours), (path,), lesion_colours=((0, 255, 0), (255, 0, 0)))
    np.testing.assert_array_equal(read_prediction(path, case, (4, 6)).mask, case.read_mask((4, 6)))
    with pytest.raises(SalusError, match="several colours"):
        read_prediction(path, Case("a", path, ()), (4, 6))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_predictions_of_nifti_and_nrrd_are_matched_and_lie_as_other_programs_write_them(tmp_path, suffix):
    """The first axis of both formats is the column (nibabel, pynrrd); labels and probabilities are told apart."""
    case = Case("a", save(tmp_path / "images" / "a.png", np.zeros((3, 4), np.uint8)), None, None)
    path = tmp_path / "p" / f"a{suffix}"
    path.parent.mkdir()
    expected = np.zeros((3, 4), bool)
    expected[0, 2:] = True

    def write(values):
        if suffix == ".nrrd":
            pytest.importorskip("nrrd").write(str(path), values.T)
        else:
            nibabel = pytest.importorskip("nibabel")
            nibabel.save(nibabel.Nifti1Image(values.T[..., None], np.eye(4)), path)

    write(expected.astype(np.uint8))
    assert match_predictions(path.parent, [case]) == [path]
    mask = read_prediction(path, case, (3, 4))
    assert mask.mask.tolist() == expected.tolist()
    assert mask.probability is None
    write(np.where(expected, 0.75, 0.25).astype(np.float32))
    graded = read_prediction(path, case, (3, 4))
    np.testing.assert_allclose(graded.probability, np.where(expected, 0.75, 0.25))
    assert graded.mask.tolist() == expected.tolist()
    with pytest.raises(SalusError, match="the prediction is 4 x 3, its image 3 x 4"):
        read_prediction(path, case, (4, 3))


def test_a_picture_comes_before_a_volume_of_the_same_name_and_a_damaged_volume_is_named(tmp_path, cases):
    damaged = tmp_path / "p" / "b.nii.gz"
    damaged.parent.mkdir()
    damaged.write_bytes(b"\x1f\x8bno volume")
    assert match_predictions(damaged.parent, cases[2:]) == [damaged]
    with pytest.raises(SalusError, match=r"b\.nii\.gz"):
        read_prediction(damaged, cases[2], (9, 12))
    picture = save(damaged.parent / "b.png", np.zeros((9, 12), np.uint8))
    assert match_predictions(damaged.parent, cases[2:]) == [picture]
