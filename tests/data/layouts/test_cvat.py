"""CVAT's files as data sets."""

import numpy as np
import pytest
from tests.data.layouts.annotated import DISC, SHAPE, picture

from salus.data.layouts import read_data_set
from salus.errors import SalusError


# CVAT
def cvat_file(root, body, head=""):
    picture(root / "images" / "a.png")
    text = '<?xml version="1.0" encoding="utf-8"?>\n' + head + "<annotations><version>1.1</version>"
    text += f'<image id="0" name="a.png" width="80" height="60">{body}</image></annotations>'
    (root / "annotations.xml").write_text(text)


def test_cvats_shapes_are_filled(tmp_path):
    rows, columns = np.nonzero(DISC)
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    inside = DISC[top:bottom, left:right].ravel()
    runs = [len(list(group)) for group in np.split(inside, np.flatnonzero(np.diff(inside)) + 1)]
    runs = runs if not inside[0] else [0, *runs]
    cvat_file(
        tmp_path,
        f'<mask label="tumor" occluded="0" rle="{", ".join(map(str, runs))}" left="{left}" top="{top}" '
        f'width="{right - left}" height="{bottom - top}"/>'
        '<box label="tumor" xtl="60.00" ytl="2.00" xbr="70.00" ybr="6.00" rotation="90.00"/>'
        '<polygon label="shadow" points="0,0;80,0;80,60"/>'
        '<ellipse label="tumor" cx="66.00" cy="48.00" rx="8.00" ry="5.00"/><tag label="Benign"/>',
    )
    data = read_data_set(tmp_path)
    expected = DISC.copy()
    expected[0:9, 63:67] = True  # the box, upright, centre (65, 4), 4 wide and 10 high, cut off at the top
    rows, columns = np.mgrid[:60, :80] + 0.5
    expected |= ((columns - 66) / 8) ** 2 + ((rows - 48) / 5) ** 2 < 1
    assert (data.layout, data["a"].label) == ("cvat", "benign")
    np.testing.assert_array_equal(data["a"].read_mask(SHAPE), expected)
    assert any("left out: shadow" in remark for remark in data.remarks)


@pytest.mark.parametrize("kind", ["polyline", "points"])
def test_an_image_whose_lesion_has_no_area_is_unlabelled_and_not_tumour_free(tmp_path, kind):
    cvat_file(tmp_path, f'<{kind} label="malignant tumor" points="10,10;30,10;30,20"/><tag label="patient"/>')
    data = read_data_set(tmp_path)
    assert (data["a"].masks, data["a"].label) == (None, "malignant")
    assert any("a.png: its lesions are points or lines alone" in remark for remark in data.remarks)
    (tmp_path / "annotations.xml").unlink()
    cvat_file(tmp_path, f'<{kind} label="tumor" points="1,1"/><box label="tumor" xtl="0" ytl="0" xbr="4" ybr="4"/>')
    data = read_data_set(tmp_path)
    assert data["a"].read_mask(SHAPE).sum() == 16
    assert any("a.png: has lesions that are points or lines" in remark for remark in data.remarks)


def test_cvats_file_may_have_another_name_as_datumaro_gives_it(tmp_path):
    cvat_file(tmp_path, '<polygon label="lesion" points="10,10;30,10;30,20;10,20"/>')
    (tmp_path / "annotations.xml").rename(tmp_path / "default.xml")
    data = read_data_set(tmp_path)
    assert (data.layout, data["a"].read_mask(SHAPE).sum()) == ("cvat", 200)


@pytest.mark.parametrize(
    ("body", "head", "part"),
    [
        ("", '<!DOCTYPE x [<!ENTITY a "aaaa">]>', "declares entities"),
        ('<polygon label="lesion" points="1,2;3"/>', "", r"damaged at the image a\.png"),
        ('<mask label="lesion" rle="1,2" left="0" top="0" width="9"/>', "", "damaged at the image"),
        ('<mask label="lesion" rle="0,81" left="75" top="0" width="9" height="9"/>', "", "reaches beyond the image"),
        ("<", "", "damaged XML"),
    ],
)
def test_damaged_or_hostile_xml_is_refused(tmp_path, body, head, part):
    cvat_file(tmp_path, body, head)
    with pytest.raises(SalusError, match=part):
        read_data_set(tmp_path)["a"].read_mask(SHAPE)
