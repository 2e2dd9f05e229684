"""COCO's files as data sets, compared with what its own tools decode."""

import json

import numpy as np
import pytest
from scipy import ndimage
from tests.data.layouts.annotated import DISC, SHAPE, picture

from salus.data.layouts import read_data_set
from salus.data.layouts.coco import unpack_runs
from salus.errors import SalusError


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


SQUARE = [[10, 10, 30, 10, 30, 20, 10, 20]]


def test_an_image_whose_lesion_is_a_box_alone_is_unlabelled_and_not_tumour_free(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / name)
    box = annotation([], category=2, image=1) | {"bbox": [10, 10, 20, 10]}
    annotations = [annotation(SQUARE), box | {"image_id": 0}, box, annotation([], category=3, image=2)]
    coco_file(tmp_path / "a.json", annotations, ("a.png", "b.png", "c.png"), ("benign", "malignant", "shadow"))
    data = read_data_set(tmp_path)
    assert data["a"].read_mask(SHAPE).sum() == 200
    assert (data["b"].masks, data["b"].label, data["c"].masks) == (None, "malignant", ())
    assert any("a.png: has lesions with a box alone" in remark for remark in data.remarks)
    assert any("b.png: its lesions have a box alone, so it is unlabelled" in remark for remark in data.remarks)
    assert any("c.png: listed without a lesion, so it counts as tumour-free" in remark for remark in data.remarks)


@pytest.mark.parametrize("given", ["0", 0.0])
def test_numbers_may_be_written_as_text_or_with_a_point(tmp_path, given):
    picture(tmp_path / "a.png")
    coco_file(tmp_path / "a.json", [annotation(SQUARE, category="1", image=given)])
    assert read_data_set(tmp_path)["a"].read_mask(SHAPE).sum() == 200


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"annotations": [annotation(SQUARE, image=7)]}, r"a\.json: an annotation is of image 7, which is not there"),
        ({"annotations": [annotation(SQUARE, category=3)]}, "an annotation is of category 3, which is not there"),
        ({"categories": []}, "an annotation is of category 1, which is not there"),
        ({"images": [{"id": 0, "file_name": "a.png"}, {"id": 0, "file_name": "b.png"}]}, "two images have the same id"),
    ],
)
def test_annotations_that_belong_nowhere_are_refused_and_make_no_image_tumour_free(tmp_path, change, part):
    picture(tmp_path / "a.png")
    path = tmp_path / "a.json"
    coco_file(path, [annotation(SQUARE)])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SalusError, match=part):
        read_data_set(tmp_path)


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
