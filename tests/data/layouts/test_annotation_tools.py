"""Files as annotation tools and frameworks write them: LabelMe, COCO, CVAT, nnU-Net, MONAI, DICOM segmentations."""

import base64
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from salus.data.layouts import detect, read_data_set
from salus.data.layouts.coco import unpack_runs
from salus.errors import SalusError

SHAPE = (60, 80)
DISC = (np.hypot(*np.mgrid[-25:35, -30:50]) < 14) & (np.hypot(*np.mgrid[-25:35, -30:50]) > 4)  # with a hole


def picture(path, shape=SHAPE, kind=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).save(path, kind)
    return path


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


# COCO


def coco_file(path, annotations, images=("a.png",), categories=("lesion",), size=SHAPE):
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [
        {"id": number, "file_name": name, "height": size[0], "width": size[1]} for number, name in enumerate(images)
    ]
    names = [{"id": number, "name": name} for number, name in enumerate(categories, 1)]
    path.write_text(json.dumps({"images": listed, "annotations": annotations, "categories": names}))


def annotation(segmentation, category=1, image=0):
    return {"id": 1, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0}


def test_cocos_masks_are_as_its_own_tools_decode_them(tmp_path):
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    coco = pytest.importorskip("pycocotools.coco")
    rng = np.random.default_rng(0)
    noise = rng.random(SHAPE) < 0.5
    packed = [tools.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in (DISC, noise)]
    for one in packed:
        one["counts"] = one["counts"].decode()
    for name in ("a.png", "b.png", "c.png", "d.png"):
        picture(tmp_path / "images" / name)
    annotations = [annotation(packed[0]), annotation(packed[1], image=1)]
    annotations.append(annotation([[10, 10, 30, 10, 30, 20, 10, 20], [40, 40, 50, 40, 50, 50, 40, 50]], image=2))
    path = tmp_path / "annotations" / "instances_default.json"
    numbered = [one | {"id": number} for number, one in enumerate(annotations, 1)]
    coco_file(path, numbered, ("a.png", "b.png", "c.png"))
    data, truth = read_data_set(tmp_path), coco.COCO(str(path))
    assert data.layout == "coco"
    for number, name in enumerate("abc"):
        expected = sum(truth.annToMask(one) for one in truth.loadAnns(truth.getAnnIds([number]))) > 0
        np.testing.assert_array_equal(data[name].read_mask(SHAPE), expected)
    assert data["d"].masks is None


def test_packed_runs_are_cocos():
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = np.asfortranarray((rng.random((37, 500)) < rng.random() ** 3).astype(np.uint8))
        runs = unpack_runs(tools.encode(mask)["counts"].decode())
        np.testing.assert_array_equal(np.repeat(np.arange(len(runs)) % 2, runs), mask.ravel(order="F"))
    with pytest.raises(ValueError, match="cut short"):
        unpack_runs("P")


def test_a_freehand_polygon_differs_from_cocos_tools_along_its_edge_only(tmp_path):
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([40 + 25 * np.cos(angles), 30 + 17 * np.sin(angles)], axis=1).ravel().tolist()
    picture(tmp_path / "a.png")
    coco_file(tmp_path / "a.coco.json", [annotation([points])])
    mask = read_data_set(tmp_path)["a"].read_mask(SHAPE)
    other = tools.decode(tools.merge(tools.frPyObjects([points], *SHAPE))) > 0
    differs = mask != other
    edge = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    assert not (differs & ~edge).any()
    assert differs.sum() < 0.05 * mask.sum()


def test_categories_tell_lesions_and_labels_and_images_may_lie_in_folders_of_equal_names(tmp_path):
    for part in ("train", "valid"):
        picture(tmp_path / part / "1.png")
        square = [[10, 10, 30, 10, 30, 20, 10, 20]]
        found = [annotation(square, 1 if part == "train" else 2), annotation([[0, 0, 80, 0, 80, 60]], 3)]
        coco_file(tmp_path / part / "_annotations.coco.json", found, ("1.png",), ("Benign", "malignant", "Gland"))
    data = read_data_set(tmp_path)
    assert {case.name: case.label for case in data} == {"train_1": "benign", "valid_1": "malignant"}
    assert all(case.read_mask(SHAPE).sum() == 200 for case in data)


@pytest.mark.parametrize(
    ("annotations", "part"),
    [
        ([annotation([[1, 2, 3, 4]])], "damaged segmentation"),
        ([annotation([[1, 2, 3, 4, 5, 6, 7]])], "damaged segmentation"),
        ([annotation({"size": SHAPE, "counts": [5, 6]})], "damaged outline .run lengths of 11 values, expected 4800"),
        ([annotation({"size": SHAPE, "counts": "P"})], "damaged segmentation"),
        ([annotation({"size": (99, 99), "counts": [9801]})], "damaged outline"),
        ([7], "annotations are damaged"),
    ],
)
def test_damaged_annotations_are_refused(tmp_path, annotations, part):
    picture(tmp_path / "a.png")
    coco_file(tmp_path / "a.json", annotations)
    with pytest.raises(SalusError, match=part):
        read_data_set(tmp_path)["a"].read_mask(SHAPE)


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


# nnU-Net, MONAI


def label_map(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


VALUES = np.zeros(SHAPE, np.uint8)
VALUES[5:10, 5:10], VALUES[20:30, 5:30], VALUES[40:50, 60:70], VALUES[0, :] = 1, 2, 3, 4


def nnunet_set(root, labels, **more):
    for name in ("x_01", "x_02"):
        picture(root / "imagesTr" / f"{name}_0000.png")
        label_map(root / "labelsTr" / f"{name}.png", VALUES)
    picture(root / "imagesTr" / "x_01_0001.png")
    picture(root / "imagesTs" / "y_0000.png")
    (root / "dataset.json").write_text(json.dumps({"labels": labels, "file_ending": ".png", "numTraining": 2, **more}))


@pytest.mark.parametrize(
    ("labels", "lesions"),
    [
        ({"background": 0, "benign": 1, "malignant": 2, "gland": 3, "ignore": 4}, (1, 2)),
        ({"background": 0, "whole tumour": [1, 2, 3], "ignore": 4}, (1, 2, 3)),
        ({"0": "background", "1": "gland", "2": "cancer", "3": "fat", "4": "other lesion"}, (2,)),
        ({"background": 0, "thing": 3}, (3,)),
    ],
)
def test_nnunets_labels_tell_which_values_are_lesion(tmp_path, labels, lesions):
    nnunet_set(tmp_path / "Dataset001_X", labels)
    data = read_data_set(tmp_path)
    assert (data.layout, [case.name for case in data]) == ("nnunet", ["x_01", "x_02", "y"])
    np.testing.assert_array_equal(data["x_01"].read_mask(SHAPE), np.isin(VALUES, lesions))
    assert data["y"].masks is None
    assert any("x_01_0001.png: another channel" in remark for remark in data.remarks)


def test_nnunets_volumes_are_label_maps_in_the_images_orientation(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    grey = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    for part, name, values in (("imagesTr", "a_0000", grey), ("labelsTr", "a", VALUES)):
        (tmp_path / part).mkdir()
        image = nibabel.Nifti1Image(values.T[..., None].astype(np.uint8), np.diag([-0.1, -0.1, 1, 1]))
        nibabel.save(image, tmp_path / part / f"{name}.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "lesion": 2}}))
    data = read_data_set(tmp_path)
    scan = data["a"].read_image()
    np.testing.assert_allclose(scan.pixels, grey / 255, atol=1e-6)
    np.testing.assert_array_equal(data["a"].read_mask(scan.shape), VALUES == 2)


def test_nnunets_folds_are_read(tmp_path):
    nnunet_set(tmp_path, {"background": 0, "lesion": 1})
    splits = [{"train": ["x_02"], "val": ["x_01"]}, {"train": ["x_01"], "val": ["x_02"]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(splits))
    assert read_data_set(tmp_path).official_folds == {"x_01": 1, "x_02": 2}
    (tmp_path / "splits_final.json").write_text("[1]")
    with pytest.raises(SalusError, match=r"splits_final\.json: is no list of splits"):
        read_data_set(tmp_path)


def test_a_datalist_of_monai_is_read(tmp_path):
    for name in "abc":
        picture(tmp_path / "scans" / f"{name}.png")
    label_map(tmp_path / "truth" / "a.png", DISC)
    label_map(tmp_path / "truth" / "b.png", DISC * 0)
    lists = {
        "training": [
            {"image": "scans/a.png", "label": "./truth/a.png", "fold": 0, "pathology": "malignant"},
            {"image": ["scans/b.png"], "label": "truth/b.png", "fold": 1},
        ],
        "test": ["scans/c.png"],
    }
    (tmp_path / "dataset_0.json").write_text(json.dumps(lists))
    data = read_data_set(tmp_path)
    assert (data.layout, data.official_folds, data["a"].label) == ("monai", {"a": 0, "b": 1}, "malignant")
    np.testing.assert_array_equal(data["a"].read_mask(SHAPE), DISC)
    assert not data["b"].read_mask(SHAPE).any()
    assert data["c"].masks is None
    lists["training"][0]["label"] = 1
    (tmp_path / "dataset_0.json").write_text(json.dumps(lists))
    with pytest.raises(SalusError, match="is no path but a class"):
        read_data_set(tmp_path)


# DICOM segmentations


def test_segmentations_that_salus_writes_lie_beside_their_images(tmp_path):
    pytest.importorskip("highdicom")
    from tests.write.segmentations import segmentation_of

    from salus.data.layouts.dicom_objects import make_image
    from salus.data.layouts.sample import Sample
    from salus.write.dicom_seg import write_seg

    for name in ("one", "two"):
        case = read_data_set(picture(tmp_path / "png" / f"{name}.png").parent)[name]
        make_image(Sample(name, case, case.read_image(), None)).save_as(
            tmp_path / f"1.2.{name}", enforce_file_format=True
        )
    (tmp_path / "seg").mkdir()
    write_seg(tmp_path / "seg" / "x.dcm", tmp_path / "1.2.two", segmentation_of(DISC))
    shutil.rmtree(tmp_path / "png")
    data = read_data_set(tmp_path)
    assert data.layout == "dicom-seg"
    by_mask = {case.masks is not None: case for case in data}
    np.testing.assert_array_equal(by_mask[True].read_mask(SHAPE), DISC)
    assert by_mask[True].image.name == "1.2.two"
    assert by_mask[False].image.name == "1.2.one"
    assert "two" not in (by_mask[True].patient or "")


def test_objects_of_a_conversion_follow_the_standard_and_are_read_by_highdicom(tmp_path):
    highdicom = pytest.importorskip("highdicom")
    from tests.write.dciodvfy import faults

    from salus.data.convert import convert_data_set

    (tmp_path / "a").mkdir()
    picture(tmp_path / "a" / "x.png")
    Image.fromarray(DISC).save(tmp_path / "a" / "x_mask.png")
    picture(tmp_path / "a" / "y.png")
    Image.fromarray(DISC & False).save(tmp_path / "a" / "y_mask.png")
    convert_data_set(read_data_set(tmp_path / "a"), tmp_path / "b", "dicom-seg")
    for name, mask in (("x", DISC), ("y", DISC & False)):
        path = tmp_path / "b" / "segmentations" / f"{name}.dcm"
        segmentation = highdicom.seg.segread(path)
        (instance,) = {uid for *_, uid in segmentation.get_source_image_uids()}
        pixels = segmentation.get_pixels_by_source_instance([instance], ignore_spatial_locations=True)
        np.testing.assert_array_equal(pixels[0, ..., 0] > 0, mask)
        assert faults(path) == []


# All of them


@pytest.mark.parametrize("name", ["a.json", "annotations.xml", "dataset.json", "x.dcm"])
def test_files_that_are_something_else_are_no_layout(tmp_path, name):
    picture(tmp_path / "a.png")
    for content in (b"", b"{", b"[1, 2]", b'{"images": 3, "shapes": {}}', b"\xff\xfe\x00", b"[" * 100_000):
        (tmp_path / name).write_bytes(content)
        assert detect(tmp_path) == "images"


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
