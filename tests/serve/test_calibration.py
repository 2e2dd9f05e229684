"""Calibration by hand: mm in every answer and download, with who calibrated; only where the file states no scale."""

import csv
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import numpy as np
import pytest
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import SPACING, upload
from tests.serve.test_routes_downloads import measured_values

from salus import Scan
from salus.serve.hand_calibration import read_calibration

MM = 0.08


def open_case(client, content):
    key = upload(client, content).json()["key"]
    return f"/v1/cases/{key}", client.get(f"/v1/cases/{key}/frames/1").json()


def calibrate(client, case, mm=MM, **more):
    return client.put(f"{case}/calibration", json={"mm_per_pixel": mm, **more})


@pytest.fixture
def calibrated_lesion(segmenter, phantom):
    """What the network measures where the file states the scale."""
    (lesion,) = segmenter(Scan(phantom.image / np.float32(255), "phantom", spacing=(MM, MM))).lesions
    return lesion


def test_sizes_are_those_of_a_file_that_states_the_scale(serve, png, calibrated_lesion):
    client = serve()
    client.put("/v1/session", json={"reader": "Ann Lee"})
    case, before = open_case(client, png)
    assert before["calibration"] is None
    answer = calibrate(client, case, length_mm=8, line=[10, 10, 10, 110])
    assert answer.status_code == 200, answer.text
    after = client.get(f"{case}/frames/1").json()
    assert after["spacing"] == [MM, MM]
    assert (after["calibration"]["reader"], after["calibration"]["length_mm"]) == ("Ann Lee", 8)
    (lesion,) = after["lesions"]
    for name in ("unit", "area", "longest", "across", "width", "height", "perimeter", "depth", "border", "tilt"):
        expected = getattr(calibrated_lesion, name)
        assert lesion[name] == (expected if name == "unit" else pytest.approx(expected, rel=1e-6)), name
    mask = client.get(f"{case}/frames/1/mask.png").content
    for measured in (
        client.post(f"{case}/frames/1/measure", content=mask).json(),
        client.get(f"{case}/frames/1/at?threshold=0.5").json(),
        client.put(f"{case}/frames/1/mask", content=mask).json(),
        client.get(f"{case}/frames/1").json(),
    ):
        assert {lesion["unit"] for lesion in measured["lesions"]} == {"mm"}
    (image,) = client.get(f"{case}/lesions.json").json()["images"]
    assert image["calibrated_by_hand"]["mm_per_pixel"] == MM
    assert image["calibrated_by_hand"]["reader"] == "Ann Lee"
    assert "calibrated by hand: a pixel is 0.08 mm, by Ann Lee" in image["flags"]
    assert image["lesions"][0]["longest"] == pytest.approx(calibrated_lesion.longest)
    assert client.delete(f"{case}/calibration").status_code == 204
    assert client.get(f"{case}/frames/1").json()["lesions"][0]["unit"] == "px"
    assert "calibrated_by_hand" not in client.get(f"{case}/lesions.json").json()["images"][0]


def test_what_is_no_size_of_a_pixel_and_files_with_a_scale_are_refused(serve, png, phantom, tmp_path):
    client = serve()
    case, _ = open_case(client, png)
    for mm in (0, -1, 1e-9, 1e9):
        assert calibrate(client, case, mm).status_code == 422, mm
    scaled = wrap_dicom(tmp_path / "a.dcm", phantom.image, regions=[region(0, 0, *phantom.image.shape, SPACING)])
    case, answer = open_case(client, scaled.read_bytes())
    refused = calibrate(client, case)
    assert refused.status_code == 422
    assert "the file states" in refused.json()["detail"]
    assert client.get(f"{case}/frames/1").json() == answer


def test_pixels_that_are_not_square_are_not_calibrated_by_one_length(serve, phantom, tmp_path):
    client = serve()
    case, answer = open_case(
        client, wrap_dicom(tmp_path / "a.dcm", phantom.image, PixelAspectRatio=["2", "1"]).read_bytes()
    )
    refused = calibrate(client, case)
    assert (refused.status_code, "not square" in refused.json()["detail"]) == (422, True)
    assert client.get(f"{case}/frames/1").json() == answer


def test_of_two_readers_who_calibrate_at_a_time_one_is_told(serve, png, monkeypatch):
    client = serve()
    case, _ = open_case(client, png)

    def read_slowly(path):
        calibration = read_calibration(path)
        sleep(0.3)
        return calibration

    monkeypatch.setattr("salus.serve.routes_calibration.read_calibration", read_slowly)
    with ThreadPoolExecutor() as threads:
        answers = threads.map(lambda mm: calibrate(client, case, mm, replaced=""), (0.08, 0.09))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
def test_what_is_no_number_is_refused_in_words(serve, png, number):
    client = serve()
    case, _ = open_case(client, png)
    wrong = "[1, 2, 3, NUMBER]"
    lesion = '{"box": [1, 2, 3, 4], "area_px": 12, "centroid": [1, NUMBER]}'
    for path, content in (
        ("calibration", f'{{"mm_per_pixel": 0.1, "line": {wrong}}}'),
        ("calibration", '{"mm_per_pixel": NUMBER}'),
        ("calibration", '{"mm_per_pixel": 0.1, "length_mm": NUMBER}'),
        ("frames/1/notes", f'{{"lesions": [{{"box": {wrong}, "shape": "oval"}}]}}'),
        ("frames/1/notes", f'{{"accepted": [{lesion}]}}'),
        ("frames/1/notes", f'{{"rejected": [{lesion}]}}'),
    ):
        content = content.replace("NUMBER", number)
        answer = client.put(f"{case}/{path}", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 422, (content, answer.text)
        assert answer.json()["detail"], content
    assert client.get(f"{case}/frames/1").status_code == 200


def test_a_reader_named_later_stands_with_the_calibration(serve, png):
    client = serve()
    case, _ = open_case(client, png)
    calibrate(client, case)
    client.put("/v1/session", json={"reader": "Ben"})
    assert client.get(f"{case}/frames/1").json()["calibration"]["reader"] == "Ben"


def test_in_a_worklist_it_holds_for_all_readers_and_none_replaces_another_s_unseen(serve, png, tmp_path):
    (tmp_path / "ward").mkdir()
    (tmp_path / "ward" / "a.png").write_bytes(png)
    ann, ben = serve(folder=tmp_path), serve(folder=tmp_path)
    keys = {}
    for client, name in ((ann, "Ann"), (ben, "Ben")):
        client.put("/v1/session", json={"reader": name})
        keys[name] = f"/v1/cases/{client.post('/v1/worklist/1').json()['key']}"
        assert client.get(f"{keys[name]}/frames/1").json()["calibration"] is None
    assert calibrate(ann, keys["Ann"], replaced="").status_code == 200
    refused = calibrate(ben, keys["Ben"], 0.2, replaced="")
    assert refused.status_code == 409
    assert "Ann" in refused.json()["detail"]
    seen = ben.get(f"{keys['Ben']}/frames/1").json()
    assert (seen["calibration"]["reader"], seen["spacing"]) == ("Ann", [MM, MM])
    assert calibrate(ben, keys["Ben"], 0.2, replaced=seen["calibration"]["saved"]).status_code == 200
    assert ann.get(f"{keys['Ann']}/frames/1").json()["calibration"]["reader"] == "Ben"
    saved = json.loads((tmp_path / "reviewed" / "calibrations" / "ward" / "a.json").read_text())
    assert (saved["mm_per_pixel"], saved["reader"]) == (0.2, "Ben")
    log = [json.loads(line) for line in (tmp_path / "reviewed" / "audit.jsonl").read_text().splitlines()]
    assert [(line["action"], line["reader"]) for line in log] == [("calibrated", "Ann"), ("calibrated", "Ben")]


def test_dicom_objects_say_that_mm_come_from_a_reader(serve, phantom, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    client = serve()
    client.put("/v1/session", json={"reader": "Ann Lee"})
    case, answer = open_case(client, wrap_dicom(tmp_path / "a.dcm", phantom.image).read_bytes())
    assert answer["lesions"][0]["unit"] == "px"
    assert calibrate(client, case).status_code == 200
    report = pydicom.dcmread(io.BytesIO(client.get(f"{case}/sr.dcm").content))
    text = str(report)
    assert "By a reader, from a known length in the image" in text
    assert "Ann Lee^" in text
    units = {value.MeasurementUnitsCodeSequence[0].CodeValue for value in measured_values(report)}
    assert units == {"mm", "mm2", "deg", "1", "{pixels}"}  # the last one of rows and columns of the image
    seg = pydicom.dcmread(io.BytesIO(client.get(f"{case}/seg.dcm").content))
    assert "PixelSpacing" not in str(seg)  # the geometry of a segmentation is the source's


def test_the_exported_data_set_holds_the_calibration(serve, png):
    client = serve()
    case, _ = open_case(client, png)
    calibrate(client, case)
    client.put(f"{case}/frames/1/mask", content=client.get(f"{case}/frames/1/mask.png").content)
    archive = zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content))
    (name,) = (name for name in archive.namelist() if "/calibrations/" in name)
    assert json.loads(archive.read(name))["mm_per_pixel"] == MM
    assert list(csv.DictReader(io.StringIO(archive.read("salus-corrected/manifest.csv").decode())))
