"""The worklist of a folder and the folders in it: names that never meet, results where their images are."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.serve.conftest import BASE_URL, make_cine, png_of

from salus import SalusError, make_phantom, read_data_set
from salus.cli import main
from salus.serve.app import create_app
from salus.serve.settings import ServeSettings
from salus.serve.worklist_files import list_work_files


def square(shape, top):
    mask = np.zeros(shape, np.uint8)
    mask[top : top + 20, 40:60] = 255
    return mask


def read(content):
    return np.asarray(Image.open(io.BytesIO(content)))


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


def test_what_was_saved_of_a_file_stays_with_it_whatever_comes_into_the_folder(serve, png, phantom, tmp_path):
    make_files(tmp_path, png, "IM01.jpg", "noted.jpg")
    make_cine(tmp_path / "x.dcm", 2)
    client = serve(folder=tmp_path)
    numbers = {item["name"]: item["number"] for item in client.get("/v1/worklist").json()["items"]}
    save(client, numbers["IM01.jpg"], square(phantom.image.shape, 50))
    key = client.post(f"/v1/worklist/{numbers['noted.jpg']}").json()["key"]
    client.get(f"/v1/cases/{key}/frames/1")
    assert client.put(f"/v1/cases/{key}/frames/1/notes", json={"mark": "skipped"}).status_code == 200
    key = client.post(f"/v1/worklist/{numbers['x.dcm']}").json()["key"]
    mask = client.get(f"/v1/cases/{key}/frames/1/mask.png").content
    assert client.put(f"/v1/cases/{key}/frames/1/mask", content=mask).status_code == 200
    make_files(tmp_path, png, "0.png", "IM01.png", "noted.png", "x-0001.png", "im01.BMP")
    items = serve(folder=tmp_path).get("/v1/worklist").json()["items"]
    assert {item["name"] for item in items if item["done"]} == {"IM01.jpg", "noted.jpg", "x.dcm"}
    listed = list_work_files(tmp_path, tmp_path / "reviewed")
    assert [listed[name].name for name in ("IM01", "noted", "x")] == ["IM01.jpg", "noted.jpg", "x.dcm"]
    assert len({name.lower() for name in listed}) == 8


def test_what_was_saved_of_a_file_that_is_gone_is_not_that_of_another_file(serve, png, phantom, tmp_path):
    make_files(tmp_path, png, "a.jpg")
    save(serve(folder=tmp_path), 1, square(phantom.image.shape, 50))
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    make_files(tmp_path, png, "a.png")
    items = serve(folder=tmp_path).get("/v1/worklist").json()["items"]
    assert [(item["name"], item["done"]) for item in items] == [("a.png", False), ("b.jpg", False)]


def test_an_item_is_opened_by_its_name_where_its_number_is_that_of_another_image(serve, png, tmp_path):
    make_files(tmp_path, png, "a.png", "b.png")
    client = serve(folder=tmp_path)
    assert client.post("/v1/worklist/2", params={"name": "b.png"}).json()["label"] == "b.png"
    assert client.post("/v1/worklist/2", params={"name": "a.png"}).status_code == 404
    assert client.post("/v1/worklist/2").status_code == 201  # a program need not name it


def client_of(segmenter, **settings):
    """A client of a server that is to be ended before another one is started with the same settings."""
    return TestClient(create_app(ServeSettings(**settings), segmenter), base_url=BASE_URL)


def test_the_images_of_a_relative_folder_stay_open_after_a_restart(segmenter, png, tmp_path, monkeypatch):
    make_files(tmp_path / "scans", png, "a.png", "b.png")
    monkeypatch.chdir(tmp_path)
    settings = {"folder": Path("scans"), "work": tmp_path / "work"}
    with client_of(segmenter, **settings) as client:
        case = client.post("/v1/worklist/2").json()
        cookies = client.cookies
    make_files(tmp_path / "scans", png, "0.png")
    with client_of(segmenter, **settings) as client:
        client.cookies = cookies
        assert client.get("/v1/cases").json() == [case | {"work": 3}]


def test_a_file_that_is_replaced_is_opened_as_it_is_now_and_the_old_one_is_open_no_longer(serve, png, tmp_path):
    make_files(tmp_path, png, "a.png")
    client = serve(folder=tmp_path)
    first = client.post("/v1/worklist/1").json()
    frame = f"/v1/cases/{first['key']}/frames/1"
    assert (read(client.get(f"{frame}/image.png").content) == read(png)).all()
    other = png_of(make_phantom(7).image)
    make_files(tmp_path, other, "a.png")
    refused = client.put(f"{frame}/mask", content=png)
    assert (refused.status_code, "replaced" in refused.text) == (404, True)
    assert client.get("/v1/cases").json() == []
    second = client.post("/v1/worklist/1").json()
    assert second["revision"] != first["revision"]
    picture = client.get(f"/v1/cases/{second['key']}/frames/1/image.png").content
    assert (read(picture) == read(other)).all()


def test_a_file_that_is_replaced_while_no_server_runs_is_opened_as_it_is_now(segmenter, png, tmp_path):
    make_files(tmp_path / "scans", png, "a.png")
    settings = {"folder": tmp_path / "scans", "work": tmp_path / "work"}
    with client_of(segmenter, **settings) as client:
        key = client.post("/v1/worklist/1").json()["key"]
        client.get(f"/v1/cases/{key}/frames/1")
        cookies = client.cookies
    make_files(tmp_path / "scans", png_of(make_phantom(7).image), "a.png")
    with client_of(segmenter, **settings) as client:
        client.cookies = cookies
        assert client.get("/v1/cases").json() == []
        assert client.post("/v1/worklist/1").json()["key"] != key


def test_a_worklist_has_the_same_name_after_a_restart_and_another_one_in_another_folder(serve, png, tmp_path):
    make_files(tmp_path, png, "a/1.png", "b/1.png")
    settings = [
        {"folder": tmp_path / "a"},
        {"folder": tmp_path / "b"},
        {"folder": tmp_path / "a", "output": tmp_path / "o"},
    ]
    names = [serve(**one).get("/v1/info").json()["worklist_id"] for one in [*settings, settings[0]]]
    assert names[0] == names[3]
    assert len(set(names)) == 3
    assert serve().get("/v1/info").json()["worklist_id"] == ""
