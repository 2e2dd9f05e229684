"""The folders of nnU-Net, and MONAI's datalists, as data sets."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts.annotated import DISC, SHAPE, picture

from salus.data.layouts import read_data_set
from salus.errors import SalusError


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
