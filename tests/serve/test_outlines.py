"""Saved outlines: kept through restarts, never replaced unseen, with who saved them; names of cases and patients."""

import csv
import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.serve.conftest import BASE_URL, png_of, upload

from salus import SalusError, Segmenter, read_data_set
from salus.cli import main
from salus.serve.app import create_app
from salus.serve.settings import ServeSettings, complete_settings
from salus.serve.work_folder import WorkFolder
from salus.spreadsheet import read_rows


def drawn(shape, top, left, size=40):
    mask = np.zeros(shape, np.uint8)
    mask[top : top + size, left : left + size] = 255
    return png_of(mask)


def mask_of(client, frame):
    return np.asarray(Image.open(io.BytesIO(client.get(f"{frame}/mask.png").content))) > 0


def open_work_image(client, number=1):
    key = client.post(f"/v1/worklist/{number}").json()["key"]
    frame = f"/v1/cases/{key}/frames/1"
    return frame, client.get(frame).json()


def label_upload(client, content, label):
    return client.post("/v1/cases", files={"file": ("x", content)}, data={"label": label}).json()


def test_names_that_a_spreadsheet_would_run_are_texts_in_the_table(serve, png, phantom, tmp_path):
    client = serve()
    frame = f"/v1/cases/{label_upload(client, png, '=1+1.png')['key']}/frames/1"
    client.get(frame)
    for top in (100, 120):  # the table is read before it is written a second time
        assert client.put(f"{frame}/mask", content=drawn(phantom.image.shape, top, 50)).status_code == 200
        zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content)).extractall(tmp_path)
        (row,) = csv.DictReader((tmp_path / "salus-corrected" / "manifest.csv").open(encoding="utf-8"))
        assert row["file"] == "'=1+1.png"


def test_a_worklist_whose_names_a_spreadsheet_would_run_is_a_data_set(serve, png, phantom, tmp_path):
    (tmp_path / "-a.png").write_bytes(png)
    client = serve(folder=tmp_path)
    frame, _ = open_work_image(client)
    assert client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50)).status_code == 200
    table = (tmp_path / "reviewed" / "manifest.csv").read_text()
    data = read_data_set(tmp_path / "reviewed")
    assert "\n'-a," in table
    assert [(case.name, case.patient) for case in data.labelled] == [("-a", "-a")]
    assert not data.remarks


@pytest.fixture
def scans(tmp_path, png):
    (tmp_path / "a.png").write_bytes(png)
    return tmp_path


def test_a_corrected_image_of_the_worklist_is_shown_corrected_to_the_next_reader_and_after_a_restart(
    serve, scans, phantom
):
    first = serve(folder=scans)
    first.put("/v1/session", json={"reader": "Ann"})
    frame, answer = open_work_image(first)
    assert answer["version"] == ""
    saved = first.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50)).json()
    for client in (serve(folder=scans), serve(folder=scans)):
        frame, answer = open_work_image(client)
        assert (answer["corrected"], answer["reader"], answer["version"]) == (True, "Ann", saved["version"])
        assert [lesion["area_px"] for lesion in answer["lesions"]] == [1600]
        assert mask_of(client, frame)[100:140, 50:90].all()


def test_a_newer_outline_of_another_reader_is_replaced_only_when_asked_and_stays_among_the_versions(
    serve, scans, phantom
):
    shape, ann, ben = phantom.image.shape, serve(folder=scans), serve(folder=scans)
    ann.put("/v1/session", json={"reader": "Ann"})
    ben.put("/v1/session", json={"reader": "Ben"})
    frame, _ = open_work_image(ann)
    other, _ = open_work_image(ben)
    saved = ann.put(f"{frame}/mask", content=drawn(shape, 100, 50)).json()
    for headers in ({}, {"if-match": '"none"'}):
        refused = ben.put(f"{other}/mask", content=drawn(shape, 200, 50), headers=headers)
        assert refused.status_code == 409
        assert (refused.json()["reader"], refused.json()["version"]) == ("Ann", saved["version"])
        assert "Ann" in refused.json()["detail"]
    assert ben.delete(f"{other}/mask").status_code == 409
    assert mask_of(ann, frame)[100:140, 50:90].all()
    mask = np.asarray(Image.open(scans / "reviewed" / "masks" / "a.png")) > 0
    assert mask.sum() == 1600
    replaced = ben.put(
        f"{other}/mask", content=drawn(shape, 200, 50), headers={"if-match": f'"{refused.json()["version"]}"'}
    ).json()
    assert replaced["reader"] == "Ben"
    listed = ann.get(f"{frame}/versions").json()
    assert [version["reader"] for version in listed["versions"]] == ["Ann", "Ben"]
    assert listed["current"] == replaced["version"] != saved["version"]
    old = Image.open(io.BytesIO(ann.get(f"{frame}/versions/{saved['version']}.png").content))
    assert (np.asarray(old) > 0)[100:140, 50:90].all()
    assert ann.get(f"{frame}/versions/{'0' * 16}.png").status_code == 404
    assert ann.get(frame).json()["reader"] == "Ben"
    lines = [json.loads(line) for line in (scans / "reviewed" / "audit.jsonl").read_text().splitlines()]
    assert [(line["reader"], line["action"], line["replaced"]) for line in lines] == [
        ("Ann", "saved", ""), ("Ben", "saved", saved["version"]),
    ]  # fmt: skip


def test_an_outline_that_another_program_wrote_is_not_overwritten_unseen(serve, scans, phantom):
    first = serve(folder=scans)
    frame, _ = open_work_image(first)
    first.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50))
    foreign = drawn(phantom.image.shape, 300, 100)
    (scans / "reviewed" / "masks" / "a.png").write_bytes(foreign)
    assert first.put(f"{frame}/mask", content=drawn(phantom.image.shape, 10, 10)).status_code == 409
    assert first.get(frame).json()["reader"] == ""
    assert mask_of(first, frame)[300:340, 100:140].all()


def test_an_older_review_without_versions_is_loaded(serve, scans, phantom):
    for folder in ("images", "masks"):
        (scans / "reviewed" / folder).mkdir(parents=True)
    (scans / "reviewed" / "images" / "a.png").write_bytes((scans / "a.png").read_bytes())
    (scans / "reviewed" / "masks" / "a.png").write_bytes(drawn(phantom.image.shape, 100, 50))
    (scans / "reviewed" / "manifest.csv").write_text("name,patient\na,a\n")
    client = serve(folder=scans)
    assert client.get("/v1/worklist").json()["done"] == 1
    frame, answer = open_work_image(client)
    assert answer["corrected"]
    assert mask_of(client, frame).sum() == 1600


def test_a_session_outlives_server_and_idle_limit_and_goes_after_some_days(serve, png, phantom, tmp_path):
    settings = {"work": tmp_path, "idle_seconds": 0.0}
    first = serve(**settings)
    case = label_upload(first, png, "IM 01.png")
    frame = f"/v1/cases/{case['key']}/frames/1"
    first.get(frame)
    saved = first.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50)).json()
    first.app.app.app.state.server.sessions.expire()
    assert first.get(frame).json() == saved  # the idle limit took the session from memory alone
    first.app.app.app.state.server.sessions.close()  # as the system does to a killed server
    second = serve(**settings)
    second.cookies = first.cookies
    assert second.get("/v1/cases").json() == [case]
    assert second.get(frame).json() == saved
    assert second.get("/v1/session").json()["saved"] == 1
    assert label_upload(second, png, "IM 01.png")["name"] == "IM_01_2"
    folder = next(path for path in tmp_path.glob("*/sessions/*"))
    assert folder.stat().st_mode & 0o077 == 0
    assert first.cookies.get("salus_session_8765") not in "".join(str(path) for path in tmp_path.rglob("*"))
    work = second.app.app.app.state.server.sessions.work
    assert work.remove_old(1) == 0
    assert work.remove_old(-1) == 1
    assert not folder.exists()


def test_two_servers_do_not_share_a_work_folder(tmp_path):
    first = WorkFolder(tmp_path, 8765)
    with pytest.raises(SalusError, match="another server"):
        WorkFolder(tmp_path, 8765)
    secret = first.secret
    first.close()
    assert WorkFolder(tmp_path, 8765).secret == secret


def test_a_login_stays_after_a_restart_and_ends_with_another_token(serve, tmp_path):
    first = serve(work=tmp_path, token="a token of some length")
    assert first.get("/enter?token=a token of some length").status_code == 200
    assert first.get("/v1/info").status_code == 200
    first.app.app.app.state.server.sessions.close()
    second = serve(work=tmp_path, token="a token of some length")
    second.cookies = first.cookies
    assert second.get("/v1/info").status_code == 200
    second.app.app.app.state.server.sessions.close()
    third = serve(work=tmp_path, token="another token of some length")
    third.cookies = first.cookies
    assert third.get("/v1/info").status_code == 401


def test_the_worklist_needs_a_token_on_this_computer_as_well(tmp_path):
    assert complete_settings(ServeSettings(folder=tmp_path)).token
    assert complete_settings(ServeSettings()).token is None


def test_names_of_files_stay_with_cases_and_never_take_each_others_place(serve, png, cine, phantom, tmp_path):
    client = serve()
    labels = ["scan.png", "scan.jpg", "../../etc/passwd", "=1+1.png", "Zyste links.png", "scan-0002.png"]
    cases = [label_upload(client, png, label) for label in labels]
    moving = label_upload(client, cine.read_bytes(), "scan.dcm")
    names = [case["name"] for case in (*cases, moving)]
    assert names == ["scan", "scan_2", "passwd", "1_1", "Zyste_links", "scan-0002", "scan_3"]
    assert [case["label"] for case in client.get("/v1/cases").json()][4] == "Zyste links.png"
    saved = 0
    for case, number in [(case, 1) for case in cases] + [(moving, 1), (moving, 2)]:
        frame = f"/v1/cases/{case['key']}/frames/{number}"
        client.get(frame)
        saved += client.put(f"{frame}/mask", content=client.get(f"{frame}/mask.png").content).status_code == 200
    assert client.get("/v1/session").json()["saved"] == saved == 8
    table = client.get(f"/v1/cases/{cases[4]['key']}/lesions.json").json()
    assert table["images"][0]["image"] == "Zyste links.png"
    zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content)).extractall(tmp_path)
    rows = read_rows(tmp_path / "salus-corrected" / "manifest.csv")
    assert {row["file"] for row in rows} == {"passwd", "scan.dcm", *labels} - {"../../etc/passwd"}
    assert main(["data", "check", str(tmp_path / "salus-corrected")]) == 0


def test_images_of_one_patient_are_one_patient_by_dicom_or_by_name(serve, phantom, png, tmp_path):
    client = serve()
    contents = [wrap_dicom(tmp_path / f"{n}.dcm", phantom.image).read_bytes() for n in range(2)]
    keys = [label_upload(client, content, f"{n}.dcm")["key"] for n, content in enumerate(contents)]
    keys += [label_upload(client, png, f"bus_0{n}-{side}.png")["key"] for n in (1, 2) for side in "lr"]
    keys += [label_upload(client, png, "other.png")["key"]]
    for key in keys:
        frame = f"/v1/cases/{key}/frames/1"
        client.get(frame)
        client.put(f"{frame}/mask", content=client.get(f"{frame}/mask.png").content)
    assert client.put("/v1/session", json={"patient_pattern": "bus_*"}).status_code == 422
    assert client.put("/v1/session", json={"patient_pattern": "bus_{patient}-*"}).status_code == 200
    content = zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content))
    content.extractall(tmp_path / "out")
    patients = {case.name: case.patient for case in read_data_set(tmp_path / "out").cases}
    assert patients["0"] == patients["1"]
    assert [patients[f"bus_0{n}-{side}"] for n in (1, 2) for side in "lr"] == ["01", "01", "02", "02"]
    assert patients["other"] == "other"
    assert len(set(patients.values())) == 4
    assert (
        "PH-1"
        not in "".join(name for name in content.namelist()) + content.read("salus-corrected/manifest.csv").decode()
    )


def test_who_corrected_what_stands_in_json_seg_and_sr(serve, phantom, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    client, shape = serve(), phantom.image.shape
    case = label_upload(client, wrap_dicom(tmp_path / "a.dcm", phantom.image).read_bytes(), "a.dcm")
    frame, path = f"/v1/cases/{case['key']}/frames/1", f"/v1/cases/{case['key']}"

    def read(name):
        return pydicom.dcmread(io.BytesIO(client.get(f"{path}/{name}").content))

    def methods():
        return [segment.SegmentAlgorithmType for segment in read("seg.dcm").SegmentSequence]

    client.get(frame)
    assert methods() == ["AUTOMATIC"]
    image = client.get(f"{path}/lesions.json").json()["images"][0]
    assert image["corrected"] is False
    assert image["confidence"] > 0
    network = mask_of(client, frame)
    client.put(f"{frame}/mask?threshold=0.3&prompts=[[1,2]]", content=png_of(np.uint8(255 * network)))
    assert methods() == ["AUTOMATIC"]  # approved as it was
    network[390:430, 50:90] = True
    client.put(f"{frame}/mask?threshold=0.3&prompts=[[1,2]]", content=png_of(np.uint8(255 * network)))
    assert sorted(methods()) == ["MANUAL", "SEMIAUTOMATIC"]
    assert client.put("/v1/session", json={"reader": "Ann Lee"}).json()["reader"] == "Ann Lee"  # asked after the save
    image = client.get(f"{path}/lesions.json").json()["images"][0]
    assert (image["corrected"], image["reader"], image["threshold"]) == (True, "Ann Lee", 0.3)
    assert (image["origin"], image["prompts"]) == ("corrected", [[1, 2]])
    assert image["confidence"] is None
    assert 0 < image["agreement_with_network"] <= 1
    assert all(lesion["confidence"] is None for lesion in image["lesions"])
    assert str(read("seg.dcm").ContentCreatorName) == "Ann Lee^"
    report = read("sr.dcm")
    people = [item for item in report.ContentSequence if item.ValueType == "PNAME"]
    assert [str(person.PersonName) for person in people] == ["Ann Lee^"]
    assert "Agreement of the network" in str(report)
    assert client.put(f"{frame}/mask", content=drawn(shape, 390, 50)).json()["origin"] == "drawn"
    assert methods() == ["MANUAL"]
    assert client.put(f"{frame}/mask?prompts=no", content=drawn(shape, 0, 0)).status_code == 422


def test_a_wrong_method_is_told_which_are_right(serve):
    client = serve()
    for path in ("/v1/segment", "/v1/segment/batch", "/v1/cases/a/frames/1/measure", "/v1/worklist/1"):
        assert client.get(path).status_code == 405, path
    assert client.get("/v1/segment").headers["allow"] == "POST"
    assert client.get("/v1/nothing").status_code == 404
    assert client.post("/main.js").status_code == 405


@pytest.mark.parametrize("prefix", ["", "/salus"])
def test_the_page_works_behind_a_proxy_with_a_prefix(serve, prefix):
    """A proxy may leave the prefix in the path, or take it away."""
    client = serve(root_path="/salus", token="a token of some length")
    assert client.get(f"{prefix}/", follow_redirects=False).headers["location"] == "/salus/enter"
    entered = client.post(f"{prefix}/enter", data={"token": "a token of some length"})
    assert 'href="/' not in entered.text
    assert "Path=/salus/" in entered.headers["set-cookie"]
    headers = {"authorization": "Bearer a token of some length"}
    assert client.get(f"{prefix}/v1/info", headers=headers).status_code == 200
    assert client.get(f"{prefix}/main.js", headers=headers).status_code == 200
    with pytest.raises(SalusError, match="--root-path"):
        complete_settings(ServeSettings(root_path="salus?"))


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, "is full; make room"), (errno.EACCES, "may not write")])
def test_a_full_disk_is_told_in_words_and_leaves_no_part_of_an_image(serve, scans, phantom, monkeypatch, number, told):
    client = serve(folder=scans)
    frame, _ = open_work_image(client)

    def fill_up(source, copy):
        copy.write_bytes(b"\x89PNG")
        raise OSError(number, "the system's words", str(copy))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", fill_up)
        refused = client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50))
    assert refused.status_code >= 500
    assert told in refused.json()["detail"]
    assert str(scans) not in refused.json()["detail"]
    assert not [path for path in (scans / "reviewed" / "images").rglob("*") if path.is_file()]
    assert client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50)).status_code == 200


def test_a_save_that_comes_twice_is_taken_twice(serve, scans, phantom):
    client, other = serve(folder=scans), serve(folder=scans)
    frame, _ = open_work_image(client)
    first = client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50), headers={"if-match": '"none"'})
    again = client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 100, 50), headers={"if-match": '"none"'})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["etag"] == again.headers["etag"]
    another = client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 200, 50), headers={"if-match": '"none"'})
    assert another.status_code == 409
    other_frame, answer = open_work_image(other)
    for _ in range(2):
        taken_back = other.delete(f"{other_frame}/mask", headers={"if-match": f'"{answer["version"]}"'})
        assert taken_back.status_code == 200


def test_after_a_restart_with_other_settings_an_open_image_has_the_answer_of_these(png, phantom, tmp_path):
    answers, cookies = [], None
    for settings in ({}, {"threshold": 0.95}):
        app = create_app(ServeSettings(work=tmp_path), Segmenter(**settings))
        with TestClient(app, base_url=BASE_URL) as client:
            if cookies is not None:
                client.cookies = cookies
            else:
                keys = [upload(client, png).json()["key"] for _ in range(2)]
                client.get(f"/v1/cases/{keys[1]}/frames/1")
                client.put(f"/v1/cases/{keys[1]}/frames/1/mask", content=png_of(phantom.mask * np.uint8(255)))
            cookies = client.cookies
            answers.append([client.get(f"/v1/cases/{key}/frames/1").json() for key in keys])
    (first, saved), (second, still_saved) = answers
    assert (second["threshold"], second["network_threshold"]) == (0.95, 0.95)
    assert second["lesions"][0]["area_px"] < first["lesions"][0]["area_px"]
    for name in ("version", "lesions", "origin"):  # what a reader saved is as it was
        assert still_saved[name] == saved[name]
    assert still_saved["network_threshold"] == 0.95


def test_names_that_some_file_systems_take_for_one_are_no_names_of_two_images(serve, png):
    client = serve()
    labels = ["Scan.png", "scan.png", "SCAN-region-1.png", "scän.png", "sca\u0308n.png", "CON.png", "aux.tar.png"]
    names = [label_upload(client, png, label)["name"] for label in labels]
    assert names == ["Scan", "scan_2", "SCAN-region-1_2", "scän", "sca_n", "file-CON", "file-aux.tar"]


def test_each_visit_of_the_page_has_the_session_s_cookie_last_anew(serve, tmp_path):
    client = serve(work=tmp_path)
    first, second = (client.post("/v1/session") for _ in range(2))
    assert first.headers["set-cookie"] == second.headers["set-cookie"]
    assert f"Max-Age={30 * 86400}" in second.headers["set-cookie"]


def test_a_reviewed_folder_has_the_permissions_that_the_user_gives(serve, scans, phantom):
    before = os.umask(0o002)
    try:
        client = serve(folder=scans)
        frame, _ = open_work_image(client)
        client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 20, 20))
    finally:
        os.umask(before)
    assert (scans / "reviewed" / "audit.jsonl").stat().st_mode & 0o777 == 0o664
