"""Download all: every format of `salus segment --output`, of all images, with the reader's outlines."""

import csv
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.serve.conftest import make_cine, png_of, upload

from salus import make_phantom
from salus.pipeline.options import DEFAULT_OUTPUTS, OUTPUTS


def unpack(response, folder):
    assert response.status_code == 200, response.text
    zipfile.ZipFile(io.BytesIO(response.content)).extractall(folder)
    return folder / "salus"


def test_every_format_is_offered_and_the_usual_ones_are_chosen(serve):
    formats = serve().get("/v1/formats").json()
    assert [one["name"] for one in formats] == list(OUTPUTS)
    assert [one["name"] for one in formats if one["default"]] == list(DEFAULT_OUTPUTS)


@pytest.mark.slow
def test_all_images_in_all_formats_with_what_is_saved_of_them(serve, png, phantom, tmp_path):
    pydicom, nibabel = pytest.importorskip("pydicom"), pytest.importorskip("nibabel")
    pytest.importorskip("highdicom")
    client, drawn = serve(), np.zeros(phantom.image.shape, bool)
    drawn[100:140, 50:90] = True
    client.put("/v1/session", json={"reader": "Ann Lee"})
    still = wrap_dicom(tmp_path / "still.dcm", phantom.image).read_bytes()
    moving, keys = make_cine(tmp_path / "c.dcm", 3).read_bytes(), {}
    for label, content in (("a.png", png), ("still.dcm", still), ("cine.dcm", moving)):
        keys[label] = client.post("/v1/cases", files={"file": ("x", content)}, data={"label": label}).json()["key"]
    for label in ("a.png", "still.dcm"):
        frame = f"/v1/cases/{keys[label]}/frames/1"
        client.get(frame)
        assert client.put(f"{frame}/mask", content=png_of(drawn.astype(np.uint8) * 255)).status_code == 200
    client.put(f"/v1/cases/{keys['a.png']}/calibration", json={"mm_per_pixel": 0.1})
    out = unpack(client.get(f"/v1/all.zip?formats={','.join(OUTPUTS)}"), tmp_path / "out")
    for name in ("a", "still"):
        assert (np.asarray(Image.open(out / "masks" / f"{name}.png")) > 0).tolist() == drawn.tolist()
    assert (
        len(list((out / "masks" / "cine").glob("*.png"))) == len(list((out / "overlays" / "cine").glob("*.jpg"))) == 3
    )
    rows = list(csv.DictReader((out / "lesions.csv").open(encoding="utf-8")))
    assert {row["image"] for row in rows} == {"a.png", "still.dcm", "cine.dcm"}
    (row,) = (row for row in rows if row["image"] == "a.png")
    assert (row["unit"], float(row["area"])) == ("mm", pytest.approx(16))
    assert "calibrated by hand" in row["flags"]
    assert "Ann Lee" in row["flags"]
    images = {
        (image["image"], image["frame"]): image for image in json.loads((out / "lesions.json").read_text())["images"]
    }
    assert images["a.png", None]["reader"] == "Ann Lee"
    assert images["a.png", None]["calibrated_by_hand"]["mm_per_pixel"] == 0.1
    assert ("cine.dcm", 3) in images
    seg = pydicom.dcmread(out / "dicom-seg" / "still.dcm")
    assert np.array_equal(seg.pixel_array.squeeze() > 0, drawn)
    assert [segment.SegmentAlgorithmType for segment in seg.SegmentSequence] == ["MANUAL"]
    assert pydicom.dcmread(out / "dicom-sr" / "still.dcm").Modality == "SR"
    assert pydicom.dcmread(out / "dicom-sc" / "cine" / "0001.dcm").Modality
    volume = np.asarray(nibabel.load(out / "nifti" / "cine.nii.gz").dataobj)
    assert volume.shape[2] == 3
    assert json.loads((out / "labelme" / "a.json").read_text())["imagePath"] == "a.png"
    coco = json.loads((out / "coco.json").read_text())
    assert len(coco["images"]) == 5
    assert (out / "geojson" / "a.geojson").is_file()
    lines = (out / "left-out.txt").read_text().splitlines()
    assert sorted(line.split(":")[0] for line in lines if " of a" in line) == [
        "dicom-sc of a", "dicom-seg of a", "dicom-sr of a",
    ]  # fmt: skip
    assert str(tmp_path) not in "".join(lines)


def test_one_image_alone_and_the_usual_formats(serve, png, tmp_path):
    client = serve()
    keys = [upload(client, png).json()["key"] for _ in range(2)]
    out = unpack(client.get(f"/v1/all.zip?key={keys[0]}"), tmp_path)
    assert len(list((out / "masks").glob("*.png"))) == 1
    assert {path.name for path in out.iterdir()} == {"masks", "overlays", "lesions.csv", "lesions.json"}


def test_a_wrong_format_is_told_which_are_right_and_what_cannot_be_read_is_listed(serve, png, tmp_path):
    client = serve()
    assert client.get("/v1/all.zip").status_code == 404  # no session
    upload(client, png)
    refused = client.get("/v1/all.zip?formats=png,tiff")
    assert refused.status_code == 422
    assert "dicom-seg" in refused.json()["detail"]
    broken = png[: len(png) // 2]
    assert upload(client, broken).status_code == 201  # its head is whole
    out = unpack(client.get("/v1/all.zip"), tmp_path)
    assert len((out / "left-out.txt").read_text().splitlines()) == 1


def test_two_images_of_one_file_name_stay_two_images(serve, tmp_path):
    client = serve()
    for seed in (3, 5):
        content = png_of(make_phantom(seed).image)
        client.post("/v1/cases", files={"file": ("x", content)}, data={"label": "IM0001.png"})
    out = unpack(client.get("/v1/all.zip", params={"formats": "coco,labelme,csv"}), tmp_path)
    files = [image["file_name"] for image in json.loads((out / "coco.json").read_text())["images"]]
    named = [json.loads(path.read_text())["imagePath"] for path in sorted((out / "labelme").iterdir())]
    table = [row["image"] for row in csv.DictReader((out / "lesions.csv").open(encoding="utf-8-sig"))]
    assert files == named == ["IM0001.png", "IM0001_2.png"]
    assert set(table) == set(files)
