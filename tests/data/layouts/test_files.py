"""Files that are left out with a remark, and tables that cannot be read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts.example_sets import picture, published
from tests.read.wrap import wrap_dicom

from salus.data.check import check_data_set
from salus.data.layouts import read_data_set
from salus.errors import SalusError
from salus.read.formats import strip_suffix

nibabel, nrrd = pytest.importorskip("nibabel"), pytest.importorskip("nrrd")


def test_equal_stems_are_remarked_and_png_wins(tmp_path: Path) -> None:
    published(tmp_path)
    picture(tmp_path / "images" / "000001.jpg")
    (tmp_path / "images" / "scan.xyz").write_bytes(b"DICM")
    (tmp_path / "images" / ".hidden.png").write_bytes(b"")
    data = read_data_set(tmp_path)
    assert data.cases[0].image.name == "000001.png"
    assert len(data.cases) == 2
    assert len(data.remarks) == 2
    assert "000001.jpg: ignored, for another file here has the same name" in data.remarks[0]
    assert "scan.xyz: ignored, for it is no image that Salus reads" in data.remarks[1]


@pytest.mark.parametrize("name", ["1.2.840.113619", "IM_0001", "scan.dcm", "scan.nii.gz", "scan.nrrd", "nifti"])
@pytest.mark.parametrize("mask", [".png", ".nii.gz", ".nrrd"])
def test_images_and_masks_are_recognised_by_their_content(name: str, mask: str, tmp_path: Path) -> None:
    grey = np.arange(40 * 48, dtype=np.uint8).reshape(40, 48)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    image = tmp_path / "images" / name
    if "ni" in name:
        packed = nibabel.Nifti1Image(grey.T, np.eye(4)).to_bytes()
        image.write_bytes(gzip.compress(packed) if name.endswith("gz") else packed)
    elif name.endswith("nrrd"):
        nrrd.write(str(image), grey.T)
    else:
        wrap_dicom(image, grey)
    labels = np.where(np.indices(grey.shape)[1] > 30, 3, 0).astype(np.uint8)
    path = tmp_path / "masks" / f"{strip_suffix(image)}{mask}"
    if mask == ".png":
        Image.fromarray(labels).save(path)
    elif mask == ".nrrd":
        nrrd.write(str(path), labels.T)
    else:
        nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4)), path)
    data = read_data_set(tmp_path)
    assert [case.name for case in data.labelled] == [strip_suffix(image)]
    assert data.remarks == ()
    np.testing.assert_allclose(data[0].read_image().pixels * 255, grey, atol=1e-4)
    np.testing.assert_array_equal(data[0].read_mask(grey.shape), labels == 3)
    report = check_data_set(data)
    assert [problem for problem in report.problems if problem.severity == "error"] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_cannot_be_printed_are_ignored_with_a_remark(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for name in (b"b\nc.png", b"d\x1b[31m.png", b"e\xff.png"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):
            pass
    data = read_data_set(tmp_path)
    assert [case.name for case in data.cases] == ["a"]
    assert all(remark.isprintable() and "rename it" in remark for remark in data.remarks)
    assert len(data.remarks) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_table_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(SalusError, match="it is no file"):
        read_data_set(tmp_path, "manifest")


def test_empty_lines_and_cells_beyond_the_last_column_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("\n  \nimage,mask\n\na.png,none,,\n,,,\n")
    assert [case.name for case in read_data_set(tmp_path).cases] == ["a"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image;mask\na.png;m1.png;m2.png\n", "'a.png' has more cells than the first line"),
        ('image,mask\na.png,"m.png\nb.png,none\n', "cannot be read as a table"),
        ("image,mask,mask\na.png,none,m.png\n", "has the column 'mask' 2 times"),
        ('image,mask,name\na.png,none,"n\nm"\n', "holds a line break"),
        ("image,mask\na\0.png,none\n", "cannot be printed"),
        ("image,msk\na.png,none\n", "has no column 'mask'"),
        ("image,mask\nä.png,none\n", "save it as CSV in UTF-8"),
    ],
)
def test_a_manifest_that_would_lose_cells_is_refused_and_never_ignored(tmp_path: Path, table: str, said: str) -> None:
    picture(tmp_path / "a.png")  # without its manifest, a folder of unlabelled images
    (tmp_path / "manifest.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(SalusError) as caught:
        read_data_set(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
