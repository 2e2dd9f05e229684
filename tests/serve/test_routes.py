"""The interface: the library's numbers, sessions, corrections that become a data set, worklist, errors."""

import io
import json
import zipfile
from base64 import b64decode
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import SPACING, png_of, upload

from salus import Segmenter, read_data_set
from salus.cli import main
from salus.measure.lesions import measure_lesions


def as_json(value):
    return json.loads(json.dumps(value))


def test_one_image_gets_the_same_numbers_as_from_the_library(serve, segmenter, phantom, png):
    segmentation = segmenter(phantom.image)
    answer = serve().post("/v1/segment?maps=mask&maps=probability", files={"file": ("a.png", png)}).json()
    assert answer["lesions"] == as_json([asdict(lesion) for lesion in segmentation.lesions])
    for name in ("presence", "confidence", "strangeness", "network"):
        assert answer[name] == getattr(segmentation, name)
    assert answer["result"] == "tumour"
    assert answer["saliency"] is None
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(b64decode(answer["mask"])))) > 0, segmentation.mask)
    probability = np.asarray(Image.open(io.BytesIO(b64decode(answer["probability"])))) / 255
    assert np.abs(probability - segmentation.probability).max() <= 0.5 / 255 + 1e-6


def test_a_threshold_in_the_request_acts_like_that_of_a_segmenter(serve, phantom, png):
    answer = serve().post("/v1/segment?threshold=0.2", files={"file": ("a.png", png)}).json()
    assert answer["lesions"] == as_json([asdict(lesion) for lesion in Segmenter(threshold=0.2)(phantom.image).lesions])


def test_a_batch_answers_line_by_line_and_a_bad_file_fails_alone(serve, segmenter, png, phantom, cine):
    files = [("files", ("a", png)), ("files", ("b", b"no image")), ("files", ("c", cine.read_bytes()))]
    lines = [json.loads(line) for line in serve().post("/v1/segment/batch", files=files).text.splitlines()]
    assert [(line.get("file"), line.get("frame")) for line in lines] == [
        (1, 1), (2, 1), *((3, number) for number in range(1, 25)), (None, None),
    ]  # fmt: skip
    assert "not an image" in lines[1]["error"]
    assert lines[-1] == {"done": 25, "failed": 1}
    assert lines[0]["answer"]["lesions"] == as_json([asdict(lesion) for lesion in segmenter(phantom.image).lesions])
    assert lines[2]["answer"]["lesions"][0]["unit"] == "mm"


def test_corrections_are_measured_saved_and_exported_as_a_data_set(serve, segmenter, phantom, png, tmp_path):
    client = serve()
    case = upload(client, png).json()
    assert case["name"] == "case-0001"
    assert "Jane" not in json.dumps(case)
    frame = f"/v1/cases/{case['key']}/frames/1"
    assert client.get(frame).json()["corrected"] is False
    assert client.get("/v1/export.zip").status_code == 404

    drawn = np.zeros(phantom.image.shape, bool)
    drawn[100:140, 50:90] = True
    measured = client.post(f"{frame}/measure", content=png_of(drawn.astype(np.uint8) * 255)).json()
    assert measured["lesions"][0]["area_px"] == 1600
    assert client.get(frame).json()["corrected"] is False  # nothing kept
    saved = client.put(f"{frame}/mask", content=png_of(drawn.astype(np.uint8) * 255)).json()
    assert saved["corrected"]
    assert saved["lesions"][0]["area_px"] == 1600
    assert client.get(frame).json() == saved
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(client.get(f"{frame}/mask.png").content))) > 0, drawn)
    table = client.get(f"/v1/cases/{case['key']}/lesions.json").json()
    assert table["images"][0]["lesions"][0]["area_px"] == 1600

    zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content)).extractall(tmp_path)
    assert main(["data", "check", str(tmp_path / "salus-corrected")]) == 0
    data = read_data_set(tmp_path / "salus-corrected")
    assert data.layout == "published"
    assert len(data.labelled) == 1
    assert data.cases[0].patient == "case-0001"
    assert np.array_equal(data.cases[0].read_mask(drawn.shape), drawn)
    assert np.array_equal(np.rint(data.cases[0].read_image().pixels * 255), phantom.image)

    reverted = client.delete(f"{frame}/mask").json()
    assert reverted["lesions"] == as_json([asdict(lesion) for lesion in segmenter(phantom.image).lesions])
    assert client.get("/v1/export.zip").status_code == 404


def test_approving_the_networks_outline_changes_no_measurement(serve, png):
    client = serve()
    frame = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    answer = client.get(frame).json()
    saved = client.put(f"{frame}/mask", content=client.get(f"{frame}/mask.png").content).json()
    assert saved["corrected"]
    for before, after in zip(answer["lesions"], saved["lesions"], strict=True):
        for name, value in before.items():
            assert after[name] == pytest.approx(value, abs=0.01), name  # maps are kept in 8 bits


def test_another_threshold_is_measured_on_the_levelsthat_the_browser_has(serve, png):
    client = serve()
    frame = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    client.get(frame)
    levels = np.asarray(Image.open(io.BytesIO(client.get(f"{frame}/probability.png").content)))
    answer = client.get(f"{frame}/at?threshold=0.3").json()
    mask = levels >= np.ceil(0.3 * 255 - 1e-6)
    expected = [
        lesion for lesion in measure_lesions(mask, levels / np.float32(255)) if lesion.area_px >= 0.0005 * mask.size
    ]
    assert [lesion["area_px"] for lesion in answer["lesions"]] == [lesion.area_px for lesion in expected]
    assert client.get(f"{frame}/at?threshold=1.5").status_code == 422


def test_a_cine_streams_in_millimetres_and_exports_its_region_under_one_patient(serve, cine, tmp_path):
    client = serve()
    case = upload(client, cine.read_bytes()).json()
    assert (case["frames"], case["seconds"], case["dicom"]) == (24, 0.06, True)
    *frames, end = [json.loads(line) for line in client.get(f"/v1/cases/{case['key']}/frames").text.splitlines()]
    assert [frame["frame"] for frame in frames] == list(range(1, 25))
    assert [len(numbers) for numbers in end["numbers"]] == [len(frame["lesions"]) for frame in frames]
    largest = [frame["lesions"][0] for frame in frames]
    for lesion in largest:
        assert lesion["unit"] == "mm"
        assert lesion["area"] == pytest.approx(lesion["area_px"] * SPACING[0] * SPACING[1])
    assert 0.75 < largest[6]["area_px"] / largest[0]["area_px"] / 1.09**2 < 1.3  # it swells as it was made to

    for number in (2, 7):
        frame = f"/v1/cases/{case['key']}/frames/{number}"
        whole = Image.open(io.BytesIO(client.get(f"{frame}/mask.png").content))
        assert client.put(f"{frame}/mask", content=png_of(np.full((whole.height, whole.width), 255, np.uint8))).json()
    zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content)).extractall(tmp_path)
    data = read_data_set(tmp_path / "salus-corrected")
    assert [case.name for case in data.cases] == ["case-0001-0002", "case-0001-0007"]
    assert {case.patient for case in data.cases} == {"case-0001"}
    region = frames[0]["regions"][0]
    image = data.cases[0].read_image()
    assert image.shape == (region["height"], region["width"])  # without the head line
    assert data.cases[0].read_mask(image.shape).all()


def test_what_is_drawn_outside_the_region_is_left_out_and_flagged(serve, cine):
    client = serve()
    frame = f"/v1/cases/{upload(client, cine.read_bytes()).json()['key']}/frames/1"
    answer = client.get(frame).json()
    drawn = np.zeros((answer["height"], answer["width"]), np.uint8)
    drawn[5:30, 30:60] = 255
    answer = client.post(f"{frame}/measure", content=png_of(drawn)).json()
    assert answer["lesions"] == []
    assert any("outside" in flag for flag in answer["flags"])


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 422, "not an image"),
        (b"\x89PNG\r\n\x1a\n and no more", 422, "the file"),
        (bytes(128) + b"DICM", 422, "the file"),
        (b"<svg></svg>", 422, "not an image"),
    ],
)
def test_bad_files_are_refused_with_a_message_without_paths(serve, content, status, message):
    response = upload(serve(), content)
    assert response.status_code == status
    assert message in response.json()["detail"]
    assert "salus-serve" not in response.text
    assert "/tmp" not in response.text


def test_limits_hold_before_anything_is_decoded(serve, cine, png):
    assert "24 frames; at most 10" in upload(serve(max_frames=10), cine.read_bytes()).json()["detail"]
    client = serve(max_request_bytes=1 << 20, max_cases=1)
    large = io.BytesIO()
    Image.new("1", (5000, 4000)).save(large, "PNG")  # 20 million pixels in few bytes
    assert "pixels is more than" in upload(client, large.getvalue()).json()["detail"]
    assert upload(client, bytes(2 << 20)).status_code == 413
    chunks = iter([b"x" * (1 << 19)] * 4)  # without a length that could be refused at once
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/v1/cases", content=chunks, headers=headers).status_code == 413
    assert upload(client, png).status_code == 201
    assert upload(client, png).status_code == 429  # one case is all it takes


def test_a_mask_of_another_size_or_kind_is_refused(serve, png):
    client = serve()
    frame = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    client.get(frame)
    assert (
        "must be 345 x 477" in client.put(f"{frame}/mask", content=png_of(np.zeros((9, 9), np.uint8))).json()["detail"]
    )
    assert client.put(f"{frame}/mask", content=b"no").status_code == 422
    assert client.get(frame.replace("frames/1", "frames/2")).status_code == 404
    assert client.get("/v1/cases/nobody/frames/1").status_code == 404


def test_sessions_do_not_see_one_another(serve, png):
    client = serve()
    key = upload(client, png).json()["key"]
    assert [case["key"] for case in client.get("/v1/cases").json()] == [key]
    client.cookies.clear()
    assert client.get("/v1/cases").json() == []
    upload(client, png)
    assert client.get(f"/v1/cases/{key}/frames/1").status_code == 404


def test_reviewed_images_of_the_worklist_stay_done_after_a_restart(serve, png, tmp_path):
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(png)
    client = serve(folder=tmp_path)
    listed = client.get("/v1/worklist").json()
    assert [(item["name"], item["done"]) for item in listed["items"]] == [("a.png", False), ("b.png", False)]
    case = client.post("/v1/worklist/2").json()
    assert client.post("/v1/worklist/2").json()["key"] == case["key"]
    frame = f"/v1/cases/{case['key']}/frames/1"
    client.get(frame)
    client.put(f"{frame}/mask", content=client.get(f"{frame}/mask.png").content)
    assert client.get("/v1/worklist").json()["done"] == 1
    assert client.post("/v1/worklist/3").status_code == 404
    again = serve(folder=tmp_path).get("/v1/worklist").json()
    assert [item["done"] for item in again["items"]] == [False, True]
    assert [case.name for case in read_data_set(tmp_path / "reviewed").labelled] == ["b"]
    assert (tmp_path / "b.png").read_bytes() == png


def test_the_interface_is_described_and_the_description_loads_nothing(serve):
    client = serve()
    described = client.get("/openapi.json").json()
    assert "/v1/segment" in described["paths"]
    assert "Answer" in described["components"]["schemas"]
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    assert client.get("/v1/health").json() == {"status": "ok"}
