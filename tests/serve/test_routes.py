"""The interface: the library's numbers, sessions, corrections that become a data set, worklist, errors."""

import io
import json
import zipfile
from base64 import b64decode
from dataclasses import asdict

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import SPACING, png_of

from salus import Segmenter, read_data_set
from salus.cli import main
from salus.measure.lesions import measure
from salus.serve.app import create_app
from salus.serve.settings import ServeSettings

HERE = "http://127.0.0.1:8765"


@pytest.fixture
def serve(segmenter):
    """Makes clients of servers with given settings."""
    opened = []

    def make(**settings):
        client = TestClient(create_app(ServeSettings(**settings), segmenter), base_url=HERE)
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


def upload(client, content):
    return client.post("/v1/cases", files={"file": ("Jane Doe 1970.png", content)})


def as_json(value):
    return json.loads(json.dumps(value))


def test_one_image_gets_the_librarys_numbers(serve, segmenter, phantom, png):
    found = segmenter(phantom.image)
    told = serve().post("/v1/segment?maps=mask&maps=probability", files={"file": ("a.png", png)}).json()
    assert told["lesions"] == as_json([asdict(one) for one in found.lesions])
    for name in ("presence", "confidence", "strangeness", "network"):
        assert told[name] == getattr(found, name)
    assert told["result"] == "tumour"
    assert told["saliency"] is None
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(b64decode(told["mask"])))) > 0, found.mask)
    shown = np.asarray(Image.open(io.BytesIO(b64decode(told["probability"])))) / 255
    assert np.abs(shown - found.probability).max() <= 0.5 / 255 + 1e-6


def test_a_threshold_of_ones_own_is_that_of_a_segmenter_with_it(serve, phantom, png):
    told = serve().post("/v1/segment?threshold=0.2", files={"file": ("a.png", png)}).json()
    assert told["lesions"] == as_json([asdict(one) for one in Segmenter(threshold=0.2)(phantom.image).lesions])


def test_a_batch_is_told_line_by_line_and_a_bad_file_spoils_nothing(serve, segmenter, png, phantom, cine):
    files = [("files", ("a", png)), ("files", ("b", b"no image")), ("files", ("c", cine.read_bytes()))]
    lines = [json.loads(line) for line in serve().post("/v1/segment/batch", files=files).text.splitlines()]
    assert [(line.get("file"), line.get("frame")) for line in lines] == [
        (1, 1), (2, 1), *((3, number) for number in range(1, 25)), (None, None),
    ]  # fmt: skip
    assert "not an image" in lines[1]["error"]
    assert lines[-1] == {"done": 25, "failed": 1}
    assert lines[0]["answer"]["lesions"] == as_json([asdict(one) for one in segmenter(phantom.image).lesions])
    assert lines[2]["answer"]["lesions"][0]["unit"] == "mm"


def test_correcting_measures_saves_and_exports_what_salus_train_reads(serve, segmenter, phantom, png, tmp_path):
    client = serve()
    case = upload(client, png).json()
    assert case["name"] == "case-0001"
    assert "Jane" not in json.dumps(case)
    at = f"/v1/cases/{case['key']}/frames/1"
    assert client.get(at).json()["corrected"] is False
    assert client.get("/v1/export.zip").status_code == 404

    drawn = np.zeros(phantom.image.shape, bool)
    drawn[100:140, 50:90] = True
    measured = client.post(f"{at}/measure", content=png_of(drawn.astype(np.uint8) * 255)).json()
    assert measured["lesions"][0]["area_px"] == 1600
    assert client.get(at).json()["corrected"] is False  # nothing kept
    saved = client.put(f"{at}/mask", content=png_of(drawn.astype(np.uint8) * 255)).json()
    assert saved["corrected"]
    assert saved["lesions"][0]["area_px"] == 1600
    assert client.get(at).json() == saved
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(client.get(f"{at}/mask.png").content))) > 0, drawn)
    told = client.get(f"/v1/cases/{case['key']}/lesions.json").json()
    assert told["images"][0]["lesions"][0]["area_px"] == 1600

    zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content)).extractall(tmp_path)
    assert main(["data", "check", str(tmp_path / "salus-corrected")]) == 0
    data = read_data_set(tmp_path / "salus-corrected")
    assert data.layout == "published"
    assert len(data.labelled) == 1
    assert data.cases[0].patient == "case-0001"
    assert np.array_equal(data.cases[0].read_mask(drawn.shape), drawn)
    assert np.array_equal(np.rint(data.cases[0].read_image().pixels * 255), phantom.image)

    back = client.delete(f"{at}/mask").json()
    assert back["lesions"] == as_json([asdict(one) for one in segmenter(phantom.image).lesions])
    assert client.get("/v1/export.zip").status_code == 404


def test_approving_the_networks_outline_changes_no_figure(serve, png):
    client = serve()
    at = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    found = client.get(at).json()
    saved = client.put(f"{at}/mask", content=client.get(f"{at}/mask.png").content).json()
    assert saved["corrected"]
    for one, other in zip(found["lesions"], saved["lesions"], strict=True):
        for name, value in one.items():
            assert other[name] == pytest.approx(value, abs=0.01), name  # maps are kept in 8 bits


def test_another_threshold_is_measured_on_the_bytes_the_browser_cuts(serve, png):
    client = serve()
    at = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    client.get(at)
    bytes_ = np.asarray(Image.open(io.BytesIO(client.get(f"{at}/probability.png").content)))
    told = client.get(f"{at}/at?threshold=0.3").json()
    mask = bytes_ >= np.ceil(0.3 * 255 - 1e-6)
    wanted = [one for one in measure(mask, bytes_ / np.float32(255)) if one.area_px >= 0.0005 * mask.size]
    assert [one["area_px"] for one in told["lesions"]] == [one.area_px for one in wanted]
    assert client.get(f"{at}/at?threshold=1.5").status_code == 422


def test_a_cine_streams_in_millimetres_and_exports_its_region_under_one_patient(serve, cine, tmp_path):
    client = serve()
    case = upload(client, cine.read_bytes()).json()
    assert (case["frames"], case["seconds"], case["dicom"]) == (24, 0.06, True)
    *frames, end = [json.loads(line) for line in client.get(f"/v1/cases/{case['key']}/frames").text.splitlines()]
    assert [frame["frame"] for frame in frames] == list(range(1, 25))
    assert [len(one) for one in end["numbers"]] == [len(frame["lesions"]) for frame in frames]
    largest = [frame["lesions"][0] for frame in frames]
    for lesion in largest:
        assert lesion["unit"] == "mm"
        assert lesion["area"] == pytest.approx(lesion["area_px"] * SPACING[0] * SPACING[1])
    assert 0.75 < largest[6]["area_px"] / largest[0]["area_px"] / 1.09**2 < 1.3  # it swells as it was made to

    for number in (2, 7):
        at = f"/v1/cases/{case['key']}/frames/{number}"
        whole = Image.open(io.BytesIO(client.get(f"{at}/mask.png").content))
        assert client.put(f"{at}/mask", content=png_of(np.full((whole.height, whole.width), 255, np.uint8))).json()
    zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content)).extractall(tmp_path)
    data = read_data_set(tmp_path / "salus-corrected")
    assert [one.name for one in data.cases] == ["case-0001-0002", "case-0001-0007"]
    assert {one.patient for one in data.cases} == {"case-0001"}
    region = frames[0]["regions"][0]
    image = data.cases[0].read_image()
    assert image.shape == (region["height"], region["width"])  # without the head line
    assert data.cases[0].read_mask(image.shape).all()


def test_dicom_objects_hold_what_the_reader_drew(serve, cine, phantom, tmp_path):
    pytest.importorskip("highdicom")
    import pydicom

    still = wrap_dicom(tmp_path / "still.dcm", phantom.image, regions=[region(0, 0, *phantom.image.shape, SPACING)])
    client = serve()
    key = upload(client, still.read_bytes()).json()["key"]
    at = f"/v1/cases/{key}/frames/1"
    client.get(at)
    drawn = np.zeros(phantom.image.shape, bool)
    drawn[100:140, 50:90] = True
    client.put(f"{at}/mask", content=png_of(drawn.astype(np.uint8) * 255))
    seg = pydicom.dcmread(io.BytesIO(client.get(f"/v1/cases/{key}/seg.dcm").content))
    source = pydicom.dcmread(still)
    assert seg.Modality == "SEG"
    assert seg.StudyInstanceUID == source.StudyInstanceUID
    assert np.array_equal(seg.pixel_array.squeeze() > 0, drawn)
    sr = pydicom.dcmread(io.BytesIO(client.get(f"/v1/cases/{key}/sr.dcm").content))
    assert sr.Modality == "SR"
    figures = [float(one.NumericValue) for one in each_value(sr)]
    assert any(one == pytest.approx(1600 * SPACING[0] * SPACING[1], rel=1e-3) for one in figures)

    client = serve()
    key = upload(client, cine.read_bytes()).json()["key"]
    assert "seg.zip" in client.get(f"/v1/cases/{key}/seg.dcm").json()["detail"]
    assert client.get(f"/v1/cases/{key}/sr.dcm").status_code == 200
    key = upload(client, png_of(phantom.image)).json()["key"]
    assert "need a DICOM image" in client.get(f"/v1/cases/{key}/seg.dcm").json()["detail"]


def each_value(item):
    """Every measured value in a structured report."""
    for one in item.get("ContentSequence", []):
        yield from one.get("MeasuredValueSequence", [])
        yield from each_value(one)


def test_what_is_drawn_outside_the_region_is_left_out_and_said(serve, cine):
    client = serve()
    at = f"/v1/cases/{upload(client, cine.read_bytes()).json()['key']}/frames/1"
    told = client.get(at).json()
    drawn = np.zeros((told["height"], told["width"]), np.uint8)
    drawn[5:30, 30:60] = 255
    answer = client.post(f"{at}/measure", content=png_of(drawn)).json()
    assert answer["lesions"] == []
    assert any("outside" in flag for flag in answer["flags"])


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 422, "not an image"),
        (b"\x89PNG\r\n\x1a\n and no more", 422, "the file"),
        (bytes(128) + b"DICM", 422, "the file"),
        (b"<svg></svg>", 422, "not an image"),
    ],
)
def test_bad_files_are_told_in_a_line_without_the_servers_paths(serve, content, status, said):
    response = upload(serve(), content)
    assert response.status_code == status
    assert said in response.json()["detail"]
    assert "salus-serve" not in response.text
    assert "/tmp" not in response.text


def test_caps_hold_before_anything_is_decoded(serve, cine, png):
    assert "24 frames; at most 10" in upload(serve(frames=10), cine.read_bytes()).json()["detail"]
    client = serve(request_bytes=1 << 20, cases=1)
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
    at = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    client.get(at)
    assert "must be 345 x 477" in client.put(f"{at}/mask", content=png_of(np.zeros((9, 9), np.uint8))).json()["detail"]
    assert client.put(f"{at}/mask", content=b"no").status_code == 422
    assert client.get(at.replace("frames/1", "frames/2")).status_code == 404
    assert client.get("/v1/cases/nobody/frames/1").status_code == 404


def test_sessions_do_not_see_one_another(serve, png):
    client = serve()
    key = upload(client, png).json()["key"]
    assert [one["key"] for one in client.get("/v1/cases").json()] == [key]
    client.cookies.clear()
    assert client.get("/v1/cases").json() == []
    upload(client, png)
    assert client.get(f"/v1/cases/{key}/frames/1").status_code == 404


def test_the_worklist_goes_from_to_do_to_done_and_is_found_again(serve, png, tmp_path):
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(png)
    client = serve(folder=tmp_path)
    listed = client.get("/v1/worklist").json()
    assert [(item["name"], item["done"]) for item in listed["items"]] == [("a.png", False), ("b.png", False)]
    case = client.post("/v1/worklist/2").json()
    assert client.post("/v1/worklist/2").json()["key"] == case["key"]
    at = f"/v1/cases/{case['key']}/frames/1"
    client.get(at)
    client.put(f"{at}/mask", content=client.get(f"{at}/mask.png").content)
    assert client.get("/v1/worklist").json()["done"] == 1
    assert client.post("/v1/worklist/3").status_code == 404
    again = serve(folder=tmp_path).get("/v1/worklist").json()
    assert [item["done"] for item in again["items"]] == [False, True]
    assert [one.name for one in read_data_set(tmp_path / "reviewed").labelled] == ["b"]
    assert (tmp_path / "b.png").read_bytes() == png


def test_the_interface_is_described_and_the_description_loads_nothing(serve):
    client = serve()
    described = client.get("/openapi.json").json()
    assert "/v1/segment" in described["paths"]
    assert "Answer" in described["components"]["schemas"]
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    assert client.get("/v1/health").json() == {"status": "ok"}


def test_metrics_count_and_name_nobody(serve, png):
    client = serve()
    upload(client, png)
    client.get("/v1/cases/secret-name/frames/1")
    text = client.get("/v1/metrics").text
    assert 'salus_requests_total{method="POST",route="/v1/cases",status="201"} 1' in text
    assert "secret-name" not in text
    assert "127.0.0.1" not in text
    for line in text.splitlines():
        assert line.startswith("#") or float(line.rsplit(" ", 1)[1]) >= 0


def test_dicom_downloads_of_an_image_and_a_cine(serve, cine, tmp_path, png):
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    client = serve()
    case = upload(client, cine.read_bytes()).json()
    at = f"/v1/cases/{case['key']}"
    assert "seg.zip" in client.get(f"{at}/seg.dcm").json()["detail"]
    with zipfile.ZipFile(io.BytesIO(client.get(f"{at}/seg.zip").content)) as archive:
        assert archive.namelist()[0] == "0001.dcm"
        made = pydicom.dcmread(io.BytesIO(archive.read("0001.dcm")))
    mask = np.asarray(Image.open(io.BytesIO(client.get(f"{at}/frames/1/mask.png").content))) > 0
    np.testing.assert_array_equal(made.pixel_array.reshape(-1, *mask.shape).any(axis=0), mask)
    assert pydicom.dcmread(io.BytesIO(client.get(f"{at}/sr.dcm").content)).Modality == "SR"
    picture = np.asarray(Image.open(io.BytesIO(client.get(f"{at}/frames/1/overlay.jpg").content)).convert("L"))
    assert picture[:40].max() < 8  # the head line lies outside the region

    source = pydicom.dcmread(cine)
    source.NumberOfFrames, source.PixelData = 1, source.PixelData[: source.Rows * source.Columns]
    source.save_as(tmp_path / "one.dcm")
    at = f"/v1/cases/{upload(client, (tmp_path / 'one.dcm').read_bytes()).json()['key']}"
    made = pydicom.dcmread(io.BytesIO(client.get(f"{at}/seg.dcm").content))
    np.testing.assert_array_equal(made.pixel_array.reshape(-1, *mask.shape).any(axis=0), mask)
    client.put(f"{at}/frames/1/mask", content=png_of(np.zeros(mask.shape, np.uint8)))
    assert "no lesion is outlined" in client.get(f"{at}/seg.dcm").json()["detail"]
    at = f"/v1/cases/{upload(client, png).json()['key']}"
    assert "need a DICOM image" in client.get(f"{at}/sr.dcm").json()["detail"]
