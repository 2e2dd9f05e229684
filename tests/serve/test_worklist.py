"""The worklist of a folder and the folders in it: names that never meet, results where their images are."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.serve.conftest import make_cine, png_of

from salus import SalusError, read_data_set
from salus.cli import main
from salus.serve.worklist_files import list_work_files


def square(shape, top):
    mask = np.zeros(shape, np.uint8)
    mask[top : top + 20, 40:60] = 255
    return mask


def make_files(folder, content, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def save(client, item, mask, frame=1):
    key = client.post(f"/v1/worklist/{item}").json()["key"]
    path = f"/v1/cases/{key}/frames/{frame}"
    client.get(path)
    answer = client.put(f"{path}/mask", content=png_of(mask))
    assert answer.status_code == 200, answer.text
    return path


def test_outlines_of_folders_are_saved_in_the_same_folders_and_are_a_data_set(serve, png, phantom, tmp_path):
    names = ["a.png", "ward1/a.png", "ward1_a.png", "ward2/a.png", "ward2/Tag 1/b.png"]
    make_files(tmp_path, png, *names)
    client = serve(folder=tmp_path)
    items = client.get("/v1/worklist").json()["items"]
    assert sorted(item["name"] for item in items) == sorted(names)
    tops = {item["name"]: 30 + 40 * item["number"] for item in items}
    for item in items:
        save(client, item["number"], square(phantom.image.shape, tops[item["name"]]))
    masks = tmp_path / "reviewed" / "masks"
    assert {path.relative_to(masks).as_posix() for path in masks.rglob("*.png")} == set(names)
    for name, top in tops.items():
        assert (np.asarray(Image.open(masks / name)) == square(phantom.image.shape, top)).all(), name
        assert (np.asarray(Image.open(tmp_path / "reviewed" / "images" / name)) == phantom.image).all()
    rows = list(csv.DictReader((tmp_path / "reviewed" / "manifest.csv").open(encoding="utf-8")))
    assert sorted(row["file"] for row in rows) == sorted(names)
    assert main(["data", "check", str(tmp_path / "reviewed")]) == 0
    cases = read_data_set(tmp_path / "reviewed").cases
    assert len({case.name for case in cases}) == len({case.patient for case in cases}) == len(names)
    again = serve(folder=tmp_path)  # what was saved is no image to review, and is shown as done
    listed = again.get("/v1/worklist").json()
    assert (len(listed["items"]), listed["done"]) == (len(names), len(names))
    number = next(item["number"] for item in items if item["name"] == "ward2/a.png")
    key = again.post(f"/v1/worklist/{number}").json()["key"]
    again.get(f"/v1/cases/{key}/frames/1")
    shown = Image.open(io.BytesIO(again.get(f"/v1/cases/{key}/frames/1/mask.png").content))
    assert (np.asarray(shown) == square(phantom.image.shape, tops["ward2/a.png"])).all()
    overlay = again.get(f"/v1/cases/{key}/frames/1/overlay.jpg")
    assert overlay.headers["content-disposition"].endswith("ward2_a-overlay.jpg")


def test_a_frame_of_a_cine_never_takes_the_place_of_a_still_image_of_its_name(serve, png, phantom, tmp_path):
    make_files(tmp_path, png, "ward/cine-0001.png", "ward/cine-region-1.png")
    make_cine(tmp_path / "ward" / "cine.dcm", 2)
    client = serve(folder=tmp_path)
    numbers = {item["name"]: item["number"] for item in client.get("/v1/worklist").json()["items"]}
    save(client, numbers["ward/cine-0001.png"], square(phantom.image.shape, 100))
    before = (tmp_path / "reviewed" / "masks" / "ward" / "cine-0001.png").read_bytes()
    key = client.post(f"/v1/worklist/{numbers['ward/cine.dcm']}").json()["key"]
    frame = f"/v1/cases/{key}/frames/1"
    client.get(frame)
    client.put(f"{frame}/mask", content=client.get(f"{frame}/mask.png").content)
    assert (tmp_path / "reviewed" / "masks" / "ward" / "cine-0001.png").read_bytes() == before
    assert (tmp_path / "reviewed" / "masks" / "ward" / "cine.dcm-0001.png").is_file()


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.png", "a.jpg", "b.jpg"], {"a", "a.jpg", "b"}),
        (["w/a.png", "w/a.jpg", "a.jpg"], {"w/a", "w/a.jpg", "a"}),
        (["w/a;b.png", "w/a_b.png"], {"w/a_b", "w/a_b.png"}),
        (["1.2.840.1", "1.2.840.2"], {"1.2.840.1", "1.2.840.2"}),
        (["Café/a.png", "=w/a.png"], {"Café/a", "=w/a"}),
    ],
)
def test_names_are_the_paths_and_differ(png, tmp_path, files, names):
    make_files(tmp_path, png, *files)
    listed = list_work_files(tmp_path, tmp_path / "reviewed")
    assert {path.relative_to(tmp_path).as_posix() for path in listed.values()} == set(files)
    assert len({name.lower() for name in listed}) == len(files)
    if not any(";" in name for name in files):
        assert set(listed) == names


def test_folders_that_salus_wrote_are_no_images_to_review(png, phantom, tmp_path, serve):
    make_files(tmp_path, png, "a.png")
    save(serve(folder=tmp_path, output=tmp_path / "by-ann"), 1, square(phantom.image.shape, 50))
    assert main(["segment", str(tmp_path / "a.png"), "-o", str(tmp_path / "segmented")]) == 0
    assert list(list_work_files(tmp_path, tmp_path / "reviewed")) == ["a"]
    with pytest.raises(SalusError, match="no image"):
        list_work_files(tmp_path / "by-ann", tmp_path / "by-ann")


def test_patients_by_folder_are_written_into_the_output_whoever_saved_first(serve, png, phantom, tmp_path):
    make_files(tmp_path, png, "p1/l.png", "p1/r.png", "p2/l.png")
    wrap_dicom(tmp_path / "d1.dcm", phantom.image)
    wrap_dicom(tmp_path / "d2.dcm", phantom.image)
    client = serve(folder=tmp_path)
    for number in range(1, 6):
        save(client, number, square(phantom.image.shape, 30 * number))

    def patients():
        return {case.image.relative_to(tmp_path / "reviewed" / "images").as_posix(): case.patient
                for case in read_data_set(tmp_path / "reviewed").cases}  # fmt: skip

    assert len(set(patients().values())) == 4  # the two DICOM files are of one patient
    later = serve(folder=tmp_path)
    assert later.put("/v1/session", json={"patient_pattern": "{patient}/*"}).status_code == 200
    found = patients()
    assert (found["p1/l.png"], found["p1/r.png"], found["p2/l.png"]) == ("p1", "p1", "p2")
    assert found["d1.png"] == found["d2.png"] not in ("p1", "p2")
    later.put("/v1/session", json={"patient_pattern": "d{patient}.dcm"})
    assert patients()["d1.png"] == "1"
    later.put("/v1/session", json={"patient_pattern": ""})
    assert len(set(patients().values())) == 4
