"""Conversion between any two layouts leaves every mask as it is, to the pixel, and says what it had to leave out."""

import itertools

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts.example_sets import MAKERS

from salus.data.convert import WRITERS, convert_data_set
from salus.data.layouts import detect, read_data_set
from salus.errors import SalusError

SHAPE = (40, 53)


def hard_masks():
    """Masks that polygons get wrong easily: holes, islands in holes, corners that touch, borders, nothing."""
    rng = np.random.default_rng(0)
    ring = np.zeros(SHAPE, bool)
    ring[5:30, 5:40], ring[9:26, 9:36], ring[14:20, 15:25] = True, False, True
    corners = np.zeros(SHAPE, bool)
    corners[3:6, 3:6] = corners[6:9, 6:9] = corners[9:12, 3:6] = corners[0, 50] = corners[39, 0] = True
    inside = np.zeros(SHAPE, bool)
    inside[2:12, 2:12], inside[4:10, 4:10], inside[4, 4] = True, False, True
    edge = np.zeros(SHAPE, bool)
    edge[:, :3] = edge[:2] = True
    return {
        "ring": ring, "corners": corners, "inside": inside, "edge": edge, "full": np.ones(SHAPE, bool),
        "noise": rng.random(SHAPE) < 0.5, "empty": np.zeros(SHAPE, bool), "free": None,
    }  # fmt: skip


def make_set(root, labels=True):
    """A manifest with every field; the last image is unlabelled."""
    rows = ["image,mask,patient,label,fold"]
    for index, (name, mask) in enumerate(hard_masks().items()):
        (root / "scans").mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, SHAPE, dtype=np.uint8)
        Image.fromarray(pixels).save(root / "scans" / f"{name}.png")
        cell = "" if mask is None else "none"
        if mask is not None and mask.any():
            cell = f"{name}-mask.png"
            Image.fromarray(mask).save(root / cell)
        label = "normal" if name == "empty" else ("benign", "malignant")[index % 2]
        rows.append(f"scans/{name}.png,{cell},p{index // 2},{label * labels},{index % 3 + 1}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return read_data_set(root)


def masks_of(data):
    shapes = {case.name: case.read_image().shape for case in data}
    return {case.name: None if case.masks is None else case.read_mask(shapes[case.name]) for case in data}


def same(first, second):
    assert first.keys() == second.keys()
    for name, mask in first.items():
        if mask is None:
            assert second[name] is None
        else:
            np.testing.assert_array_equal(mask, second[name], err_msg=name)


@pytest.mark.parametrize("layout", WRITERS)
def test_every_mask_and_image_is_the_same_after_a_round_trip(tmp_path, layout):
    if layout == "dicom-seg":
        pytest.importorskip("highdicom")
    source = make_set(tmp_path / "source")
    conversion = convert_data_set(source, tmp_path / "there", layout)
    assert detect(tmp_path / "there") == layout
    same(masks_of(source), masks_of(conversion.data))
    same(hard_masks(), masks_of(conversion.data))
    for old, new in zip(source, conversion.data, strict=True):
        np.testing.assert_array_equal(old.read_image().pixels, new.read_image().pixels)
    back = convert_data_set(conversion.data, tmp_path / "back", "manifest").data
    same(hard_masks(), masks_of(back))


KEEPS = {
    "manifest": "patient label fold",
    "published": "patient label",
    "pairs": "",
    "busi": "label",
    "busbra": "group label fold",
    "colours": "",
    "labelme": "patient label",
    "coco": "patient label",
    "cvat": "patient label",
    "nnunet": "patient label fold",
    "monai": "patient label fold",
    "dicom-seg": "group",
}


@pytest.mark.parametrize("layout", WRITERS)
def test_what_a_layout_cannot_hold_is_said(tmp_path, layout):
    if layout == "dicom-seg":
        pytest.importorskip("highdicom")
    source = make_set(tmp_path / "source")
    conversion = convert_data_set(source, tmp_path / "there", layout)
    lost, keeps = "\n".join(conversion.lost), KEEPS[layout].split()
    unlabelled_is_listed = layout in ("manifest", "published", "busbra", "busi", "nnunet", "monai")
    pairs = [(old, new) for old, new in zip(source, conversion.data, strict=True) if old.masks is not None]
    assert ("folds that" in lost) == ("fold" not in keeps or layout == "nnunet")  # nnU-Net has none for unlabelled ones
    if "patient" in keeps:
        assert all(new.patient == old.patient for old, new in pairs)
    if "group" in keeps:
        assert len({(old.patient, new.patient) for old, new in pairs}) == len({old.patient for old, _ in pairs})
        assert "names patients in its own way" in lost
    if "patient" not in keeps and "group" not in keeps:
        assert "patients; folds dealt of it" in lost
    if "label" in keeps:
        assert all(new.label == old.label for old, new in pairs)
        assert ("label of 1 images" in lost) == (not unlabelled_is_listed)
    else:
        assert "does not hold the label of" in lost


@pytest.mark.parametrize("name", MAKERS)
def test_every_published_layout_converts_to_an_annotation_tool_and_back(tmp_path, name):
    source = read_data_set(MAKERS[name](tmp_path / "source"))
    truth = masks_of(source)
    data = source
    for number, layout in enumerate(("coco", "labelme", "nnunet", "cvat", "monai", "published")):
        data = convert_data_set(data, tmp_path / str(number), layout).data
    names = dict(zip(sorted(truth), sorted(masks_of(data)), strict=True))
    same({names[old]: mask for old, mask in truth.items()}, masks_of(data))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"), list(itertools.permutations(sorted(set(WRITERS) - {"busi", "colours"}), 2))
)
def test_any_two_layouts(tmp_path, first, second):
    pytest.importorskip("highdicom")
    source = convert_data_set(make_set(tmp_path / "source", labels=False), tmp_path / first, first).data
    same(hard_masks(), masks_of(convert_data_set(source, tmp_path / "x" / second, second).data))


def test_a_colour_picture_stays_the_file_it_is_and_one_on_its_side_is_turned(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    turned = Image.fromarray(colour)
    exif = turned.getexif()
    exif[274] = 6
    turned.save(tmp_path / "b.jpg", exif=exif)
    source = read_data_set(tmp_path)
    convert_data_set(source, tmp_path / "there", "coco")
    assert (tmp_path / "there" / "images" / "a.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    with Image.open(tmp_path / "there" / "images" / "b.png") as image:
        assert (image.height, image.width) == source["b"].read_image().shape


def test_names_that_no_system_takes_or_that_name_masks_are_changed_and_said(tmp_path):
    for index, name in enumerate(("a_mask", "A", "a", "b c", "x_other")):
        (tmp_path / str(index)).mkdir()
        Image.new("L", (20, 20)).save(tmp_path / str(index) / f"{name}.png")
    rows = "".join(f"{i}/{n}.png,none,{m}\n" for i, (n, m) in enumerate(
        [("a_mask", "a_mask"), ("A", "A"), ("a", "a"), ("b c", "b/c:d"), ("x_other", "x_other")]
    ))  # fmt: skip
    (tmp_path / "manifest.csv").write_text("image,mask,name\n" + rows)
    conversion = convert_data_set(read_data_set(tmp_path), tmp_path / "there", "pairs")
    names = [case.name for case in conversion.data]
    assert len({name.lower() for name in names}) == 5
    assert conversion.renamed == {"a": "a-2", "a_mask": "a_mask_image", "b/c:d": "b_c_d", "x_other": "x_other_image"}


@pytest.mark.parametrize(
    ("layout", "part"),
    [
        ("busi", "has no label, which the layout busi needs"),
        ("colours", "needs; convert to"),
        ("images", "cannot write"),
    ],
)
def test_a_layout_that_needs_what_is_not_known_is_refused_and_leaves_nothing(tmp_path, layout, part):
    source = make_set(tmp_path / "source", labels=False)
    with pytest.raises(SalusError, match=part):
        convert_data_set(source, tmp_path / "there", layout)
    assert not (tmp_path / "there").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    source = make_set(tmp_path / "source")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").touch()
    with pytest.raises(SalusError, match="not an empty folder"):
        convert_data_set(source, tmp_path / "there", "coco")
    assert (tmp_path / "there" / "x").exists()
