"""The tools themselves: what they measure, without a client."""

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import region, wrap_dicom

from salus.errors import SalusError
from salus.mcp_server.folders import Folders
from salus.mcp_server.tools import Tools

pytest.importorskip("pydicom")

BOXES = ((20, 12), (10, 70))  # one in each view


@pytest.fixture
def tools(tmp_path):
    pixels = np.full((64, 128), 200, np.uint8)
    views = [region(0, 0, 64, 64, (0.1, 0.1)), region(0, 64, 64, 64, (0.2, 0.2))]
    wrap_dicom(tmp_path / "two.dcm", pixels, regions=views)
    wrap_dicom(tmp_path / "mixed.dcm", pixels, regions=[views[0], region(0, 64, 64, 64, units=0)])
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    for name, boxes in (("both", BOXES), ("left", BOXES[:1]), ("none", ())):
        Image.fromarray(drawn(*boxes)).save(tmp_path / f"{name}.png")
    return Tools(Folders([tmp_path]))


def drawn(*boxes):
    mask = np.zeros((64, 128), np.uint8)
    for top, left in boxes:
        mask[top : top + 10, left : left + 20] = 255
    return mask


@pytest.mark.parametrize(
    ("image", "mask", "unit", "units"),
    [
        ("two.dcm", "both.png", "mm", ["mm", "mm"]),
        ("mixed.dcm", "both.png", None, ["mm", "px"]),
        ("mixed.dcm", "left.png", "mm", ["mm"]),
        ("plain.png", "both.png", "px", ["px", "px"]),
        ("plain.png", "none.png", None, []),
    ],
)
def test_the_unit_is_that_of_the_lesions(image, mask, unit, units, tools):
    answer = tools.measure(image, mask)
    assert (answer["unit"], sorted(one["unit"] for one in answer["lesions"])) == (unit, units)


def test_masks_of_nifti_and_nrrd_are_measured(tools, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    nrrd = pytest.importorskip("nrrd")
    labels = (drawn(*BOXES[:1]) > 0).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4)), tmp_path / "a.nii.gz")
    nrrd.write(str(tmp_path / "a.nrrd"), labels.T)
    for name in ("a.nii.gz", "a.nrrd"):
        (lesion,) = tools.measure("plain.png", name)["lesions"]
        assert lesion["area_px"] == 200


def test_sizes_are_told_width_first(tools, tmp_path):
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(SalusError, match="has 40 x 30 pixels, its image 128 x 64"):
        tools.measure("plain.png", "small.png")
