"""Prompt files as people and LabelMe write them, and what is said of those that are none."""

import json

import numpy as np
import pytest
from PIL import Image

from salus.errors import SalusError
from salus.prompts.files import read_prompts
from salus.prompts.heat_map import read_heat_map
from salus.prompts.json_file import read_prompt
from salus.prompts.prompt import describe_prompt


def read(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return [(each.image, each.frame, describe_prompt(each.prompt)) for each in read_prompts(path)]


def labelme(*shapes, **more):
    """A file as LabelMe 5.5 writes it."""
    shapes = [
        {"label": label, "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {},
         "mask": None}
        for kind, label, points in shapes
    ]  # fmt: skip
    return {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": "scan.png", "imageData": None,
        "imageHeight": 100, "imageWidth": 200,
    } | more  # fmt: skip


def test_a_table_of_points(tmp_path):
    text = "image,x,y,label\nscan.png,213,140,1\nscan.png,20.5,30,0\nward/b.png,1,2,\n"
    expected = [
        ("scan.png", None, {"points": [[213, 140]]}),
        ("scan.png", None, {"not_points": [[20.5, 30]]}),
        ("ward/b.png", None, {"points": [[1, 2]]}),
    ]
    assert read(tmp_path, "a.csv", text) == expected
    assert read(tmp_path, "b.csv", "\ufeff" + text.replace(",", ";").replace("\n", "\r\n")) == expected
    assert read(tmp_path, "c.tsv", text.replace(",", "\t").replace("/", "\\")) == expected


def test_a_table_of_boxes_frames_and_maps(tmp_path):
    assert read(tmp_path, "a.csv", "Image,X0,Y0,X1,Y1\na.png,1,2,30,40\n") == [
        ("a.png", None, {"boxes": [[1, 2, 30, 40]]})
    ]
    np.save(tmp_path / "gaze.npy", np.eye(3))
    text = "image,frame,x,y,label,x0,y0,x1,y1,map\na.dcm,7,5,6,1,,,,,\na.dcm,8,,,,1,2,3,4,\nb.png,,,,,,,,,gaze.npy\n"
    first, second, third = read(tmp_path, "b.csv", text)
    assert first == ("a.dcm", 7, {"points": [[5, 6]]})
    assert second == ("a.dcm", 8, {"boxes": [[1, 2, 3, 4]]})
    assert third[:2] == ("b.png", None)
    assert set(third[2]) == {"map_sha256"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no column 'image'"),
        ("image,x,y\n", "has no prompts"),
        ("name,x,y\na,1,2\n", "no column 'image'"),
        ("image,x\na.png,1\n", "no point and no box"),
        ("image,x,y,label\na.png,1,2,2\n", "line 2: the label is '2'"),
        ("image,x,y,label\na.png,1,2,inside\n", "label is 'inside'"),
        ("image,x,y\na.png,1,\n", "line 2: its coordinates"),
        ("image,x,y\na.png,1,two\n", "coordinates are no numbers"),
        ("image,x,y\na.png,1,nan\n", "give 2 numbers"),
        ("image,x,y\n,1,2\n", "names no image"),
        ("image,x,y\na.png,,\n", "holds no point, box or map"),
        ("image,x,y,frame\na.png,1,2,last\n", "coordinates are no numbers"),
        ("image,x0,y0,x1,y1\na.png,5,5,2,9\n", "upper left"),
        ("image,x0,y0,x1,y1,label\na.png,1,1,2,9,0\n", "a box is always inside"),
        ("image,map\na.png,absent.png\n", "no such file"),
    ],
)
def test_a_table_that_is_not_understood_is_told_in_one_line(tmp_path, text, part):
    with pytest.raises(SalusError, match=part) as error:
        read(tmp_path, "a.csv", text)
    assert str(tmp_path / "a.csv") in str(error.value)
    assert "\n" not in str(error.value)


def test_json_of_one_image_or_many(tmp_path):
    prompt = {"points": [[213, 140]], "not_points": [[1, 2]], "box": [180, 100, 250, 190], "scribble": [[1, 1], [2, 2]]}
    described = {
        "points": [[213, 140]], "not_points": [[1, 2]], "boxes": [prompt["box"]], "scribbles": [prompt["scribble"]],
    }  # fmt: skip
    assert read(tmp_path, "a.json", prompt) == [(None, None, described)]
    assert read(tmp_path, "b.json", {"scan.png": prompt}) == [("scan.png", None, described)]
    assert read(tmp_path, "c.json", [prompt | {"image": "scan.png", "frame": 3}]) == [("scan.png", 3, described)]
    cine = {"cine.dcm": [{"frame": n, "points": [[n, n]]} for n in (1, 2)]}
    assert [frame for _, frame, _ in read(tmp_path, "d.json", cine)] == [1, 2]
    several = {"box": [[1, 1, 2, 2], [3, 3, 4, 4]], "scribble": [[[1, 1]], [[2, 2], [3, 3]]]}
    assert read(tmp_path, "e.json", several) == [
        (None, None, {"boxes": several["box"], "scribbles": several["scribble"]})
    ]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ([], None),
        ("7", "holds no prompt"),
        ({"scan.png": {}}, "empty prompt"),
        ({"scan.png": {"point": [[1, 2]]}}, "scan.png: has the key 'point'; a prompt may have points"),
        ({"points": {"x": 1}}, "give .*x, y"),
        ({"points": [[1, 2, 3]]}, "give 2 numbers"),
        ({"points": [["a", "b"]]}, "give 2 numbers"),
        ({"points": [5]}, "give 2 numbers"),
        ({"points": [[10**400, 1]]}, "give 2 numbers"),
        ({"not_points": [[1, -(10**400)]]}, "give 2 numbers"),
        ({"box": [1, 2, 3, 10**400]}, "give 4 numbers"),
        ({"box": [[1, 2, 3, 4], 5]}, "give 4 numbers"),
        ({"scribble": [[[1, 2], [3, 4]], 5]}, "scribble 5: give 2 numbers"),
        ({"scribble": [[[1, 2], [3, 4]], None]}, "scribble None: give 2 numbers"),
        ({"scribble": [[[1, 2], [3, 10**400]]]}, "give 2 numbers"),
        ({"box": [1, 2, 3]}, "give 4 numbers"),
        ({"box": "1,2,3,4"}, "give .x0, y0, x1, y1"),
        ({"map": [[1, 2]]}, "give the name of its file"),
        ({"map": "absent.png"}, "no such file"),
        ([{"image": 7, "points": [[1, 2]]}], "file's name"),
        ([{"frame": "7", "points": [[1, 2]]}], "whole number"),
        ({"shapes": [], "imagePath": "a.png"}, "holds no shapes"),
        (labelme(("polygon", "lesion", [[1, 1], [2, 1], [2, 2]])), "shape 1: is a polygon"),
        (labelme(("circle", "lesion", [[1, 1], [2, 1]])), "shape 1: is a circle"),
        (labelme(("rectangle", "lesion", [[1, 1]])), "shape 1: is a rectangle"),
        (labelme(("rectangle", "lesion", [[1, 1], [1, 5]])), "shape 1: box"),
        (labelme(("point", "lesion", [[1]])), "shape 1: is damaged"),
        (labelme(("point", "lesion", [[10**400, 1]])), "shape 1: is damaged"),
        ({"shapes": [7]}, "shape 1: is damaged"),
    ],
)
def test_json_that_is_not_understood_is_told_in_one_line(tmp_path, content, part):
    if part is None:
        assert read(tmp_path, "a.json", content) == []
        return
    with pytest.raises(SalusError, match=part) as error:
        read(tmp_path, "a.json", content)
    assert "a.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_labelme_points_rectangles_and_lines(tmp_path):
    content = labelme(
        ("point", "lesion", [[21.5, 14.25]]),
        ("point", "Outside", [[3, 4]]),
        ("rectangle", "lesion", [[50, 60], [20, 10]]),  # drawn from the lower right
        ("rectangle", "lesion", [[1, 1], [9, 1], [9, 8], [1, 8]]),  # four corners, as newer versions write it
        ("linestrip", "lesion", [[5, 5], [6, 7], [8, 8]]),
    )
    expected = {
        "points": [[21.5, 14.25]],
        "not_points": [[3, 4]],
        "boxes": [[20, 10, 50, 60], [1, 1, 9, 8]],
        "scribbles": [[[5, 5], [6, 7], [8, 8]]],
    }
    assert read(tmp_path, "other.json", content) == [("scan.png", None, expected)]
    assert read(tmp_path, "other.json", content | {"imagePath": "..\\scans\\scan.png"})[0][0] == "scan.png"
    assert read(tmp_path, "scan7.json", content | {"imagePath": None})[0][0] == "scan7"


def test_a_heat_map_is_for_the_image_of_its_name(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "scan.png")
    Image.fromarray(values).convert("RGB").save(tmp_path / "rgb.png")  # grey, stored as colour
    np.save(tmp_path / "scan.npy", values / 255)
    np.save(tmp_path / "bool.npy", values > 99)
    (entry,) = read_prompts(tmp_path / "scan.png")
    assert entry.image == "scan"
    np.testing.assert_allclose(entry.prompt.map, values / 255, atol=1e-6)
    for name in ("rgb.png", "scan.npy"):
        np.testing.assert_allclose(
            read_heat_map(tmp_path / name), values / 255, atol=1e-2 if name == "rgb.png" else 1e-6
        )
    np.testing.assert_array_equal(read_heat_map(tmp_path / "bool.npy"), values > 99)


def test_a_heat_map_in_colours_or_of_objects_is_refused(tmp_path):
    jet = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(jet).save(tmp_path / "jet.png")
    Image.fromarray(jet).quantize(16).save(tmp_path / "palette.png")
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "wide.npy", np.full((2, 2), 7.0))
    (tmp_path / "text.npy").write_text("no array")
    for name, part in (
        ("jet.png", "is in colours"), ("palette.png", "is in colours"), ("objects.npy", "cannot be read as an array"),
        ("wide.npy", "0..1"), ("text.npy", "cannot be read as an array"), ("absent.npy", "no such file"),
    ):  # fmt: skip
        with pytest.raises(SalusError, match=rf"{name}.*{part}"):
            read_heat_map(tmp_path / name)


def test_a_folder_holds_a_file_for_each_image(tmp_path):
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.eye(8))
    (tmp_path / ".hidden.json").write_text("{")
    (tmp_path / "notes.txt").write_text("nothing")
    assert sorted(entry.image for entry in read_prompts(tmp_path)) == ["a", "b"]
    (tmp_path / "c.json").write_text(json.dumps(labelme(("point", "lesion", [[1, 2]]), imagePath="a.png")))
    (entry,) = read_prompts(tmp_path)  # LabelMe's file lies beside the images, which are no heat maps then
    assert (entry.image, entry.prompt.points) == ("a.png", ((1, 2),))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SalusError, match="holds no prompts"):
        read_prompts(tmp_path / "empty")


@pytest.mark.parametrize("name", ["absent.csv", "absent.json", "absent.png", "absent.npy", "absent"])
def test_a_missing_file_is_told(tmp_path, name):
    with pytest.raises(SalusError, match="no such file"):
        read_prompts(tmp_path / name)


def test_a_file_of_another_kind_is_told(tmp_path):
    (tmp_path / "notes.md").write_text("at 213, 140")
    with pytest.raises(SalusError, match=r"notes\.md: ") as error:
        read_prompts(tmp_path / "notes.md")
    assert "\n" not in str(error.value)


def test_a_request_cannot_name_a_file_of_the_server():
    with pytest.raises(SalusError, match="has the key 'map'"):
        read_prompt({"map": "/etc/passwd"}, "the prompt")
