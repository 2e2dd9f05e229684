"""LabelMe's files as data sets."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.data.layouts.annotated import DISC, SHAPE, picture

from salus.data.layouts import read_data_set
from salus.errors import SalusError


def shape_of(label, points, kind="polygon", group=None, **more):
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}, **more}


def write_labelme(path, image, shapes, size=SHAPE, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": None}
    path.write_text(json.dumps(content | {"imageHeight": size[0], "imageWidth": size[1]} | more))


SQUARE = [[10, 10], [30, 10], [30, 20], [10, 20]]


# LabelMe
def test_labelmes_shapes_are_lesions_by_their_class(tmp_path):
    for name in "abc":
        picture(tmp_path / f"{name}.png")
    content = io.BytesIO()
    Image.fromarray(DISC[10:40, 15:45]).save(content, "PNG")
    packed = base64.b64encode(content.getvalue()).decode()
    shapes = [
        shape_of("Malignant tumour", SQUARE),
        shape_of("shadow", [[0, 0], [80, 0], [80, 60]]),
        shape_of("tumour", [[50, 50], [60, 55]], "rectangle"),
        shape_of("tumour", [[3, 3]], "point"),
        shape_of("tumour", [[15, 10], [44, 39]], "mask", mask=packed),
    ]
    write_labelme(tmp_path / "a.json", "a.png", shapes)
    write_labelme(tmp_path / "b.json", "..\\elsewhere\\b.png", [], flags={"normal": True}, patient="p7")
    data = read_data_set(tmp_path)
    assert (data.layout, [case.name for case in data]) == ("labelme", ["a", "b", "c"])
    expected = np.zeros(SHAPE, bool)
    expected[10:20, 10:30] = expected[50:55, 50:60] = True
    expected[10:40, 15:45] |= DISC[10:40, 15:45]
    np.testing.assert_array_equal(data["a"].read_mask(SHAPE), expected)
    assert [case.label for case in data] == ["malignant", "normal", None]
    assert (data["b"].masks, data["b"].patient, data["c"].masks) == ((), "p7", None)
    assert not data["b"].read_mask(SHAPE).any()
    said = "\n".join(data.remarks)
    assert all(part in said for part in ("points and lines", "left out: shadow", "c.png: without a file of LabelMe"))


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("point", [[3, 3]]),
        ("linestrip", [[3, 3], [9, 9], [12, 3]]),
        ("polygon", [[3, 3], [9, 9]]),
        ("rectangle", [[3, 3]]),
        ("unknown", SQUARE),
    ],
)
def test_an_image_whose_lesion_has_no_area_is_unlabelled_and_not_tumour_free(tmp_path, kind, points):
    picture(tmp_path / "a.png")
    write_labelme(tmp_path / "a.json", "a.png", [shape_of("malignant tumour", points, kind)])
    data = read_data_set(tmp_path)
    assert (data["a"].masks, data["a"].label) == (None, "malignant")
    assert any("a.json: its lesions are points or lines alone" in remark for remark in data.remarks)


def test_a_rectangle_may_have_four_corners(tmp_path):
    """As X-AnyLabeling writes it."""
    picture(tmp_path / "a.png")
    write_labelme(tmp_path / "a.json", "a.png", [shape_of("lesion", SQUARE, "rectangle")])
    assert read_data_set(tmp_path)["a"].read_mask(SHAPE).sum() == 200


def test_a_circle_is_as_pillow_draws_it_and_a_json_folder_of_its_own_will_do(tmp_path):
    picture(tmp_path / "images" / "a.png")
    write_labelme(tmp_path / "labels" / "a.json", "../images/a.png", [shape_of("x", [[40, 30], [52, 30]], "circle")])
    mask = read_data_set(tmp_path)["a"].read_mask(SHAPE)
    rows, columns = np.mgrid[:60, :80] + 0.5
    np.testing.assert_array_equal(mask, np.hypot(rows - 30, columns - 40) < 12)


def test_a_hole_is_cut_out_of_its_group(tmp_path):
    picture(tmp_path / "a.png")
    inner = [[15, 12], [20, 12], [20, 16], [15, 16]]
    tiny = [[16, 13], [18, 13], [18, 15], [16, 15]]
    shapes = [shape_of("lesion", SQUARE, group=1), shape_of("hole", inner, group=1), shape_of("lesion", tiny, group=2)]
    write_labelme(tmp_path / "a.json", "a.png", shapes)
    expected = np.zeros(SHAPE, bool)
    expected[10:20, 10:30] = True
    expected[12:16, 15:20] = False
    expected[13:15, 16:18] = True
    np.testing.assert_array_equal(read_data_set(tmp_path)["a"].read_mask(SHAPE), expected)


@pytest.mark.parametrize(
    ("shapes", "size", "part"),
    [
        ([shape_of("gland", SQUARE), shape_of("muscle", SQUARE)], SHAPE, "cannot tell which class.*gland, muscle"),
        ([shape_of("lesion", [[1, "x"]])], SHAPE, r"a\.json: a damaged shape"),
        ([shape_of("lesion", [[0, 0], [9, 9]], "mask", mask="!")], SHAPE, r"a\.json: a damaged shape"),
        ([shape_of("lesion", SQUARE)], (61, 80), "outlined on an image of 80 x 61, but it has 80 x 60"),
    ],
)
def test_what_labelme_files_say_wrongly_is_refused(tmp_path, shapes, size, part):
    picture(tmp_path / "a.png")
    write_labelme(tmp_path / "a.json", "a.png", shapes, size)
    with pytest.raises(SalusError, match=part):
        read_data_set(tmp_path)["a"].read_mask(SHAPE)


def test_a_file_that_names_itself_has_the_image_of_its_name(tmp_path):
    """As in LabelMe's own tutorial: the image is held by the file, and lies beside it too."""
    picture(tmp_path / "a.png")
    write_labelme(tmp_path / "a.json", "a.json", [shape_of("lesion", SQUARE)], imageData="x")
    write_labelme(tmp_path / "b.json", "b.json", [shape_of("lesion", SQUARE)], imageData="x")
    data = read_data_set(tmp_path)
    assert [case.image.name for case in data] == ["a.png"]
    assert any("b.json: its image is not there" in remark for remark in data.remarks)


def test_an_oval_of_a_person_is_near_what_pillow_draws(tmp_path):
    """Pillow's polygons include their edge; ours hold the pixels whose middle is inside."""
    picture(tmp_path / "a.png")
    points = [[12.3, 20.1], [30.2, 8.7], [55.5, 14.2], [60.1, 33.3], [38.8, 47.9], [18.4, 40.2]]
    write_labelme(tmp_path / "a.json", "a.png", [shape_of("lesion", points)])
    mask = read_data_set(tmp_path)["a"].read_mask(SHAPE)
    canvas = Image.new("1", SHAPE[::-1])
    ImageDraw.Draw(canvas).polygon([tuple(point) for point in points], fill=1)
    drawn = np.asarray(canvas)
    assert (mask & ~drawn).sum() + (drawn & ~mask).sum() < 0.1 * mask.sum()
