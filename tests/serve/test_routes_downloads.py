"""Downloads: DICOM objects of an image and of a cine."""

import asyncio
import io
import zipfile
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import SPACING, png_of, upload

from salus.serve.routes_downloads import temporary_file_response

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("highdicom")


def test_dicom_objects_hold_the_readers_outline(serve, cine, phantom, tmp_path):
    still = wrap_dicom(tmp_path / "still.dcm", phantom.image, regions=[region(0, 0, *phantom.image.shape, SPACING)])
    client = serve()
    key = upload(client, still.read_bytes()).json()["key"]
    frame = f"/v1/cases/{key}/frames/1"
    client.get(frame)
    drawn = np.zeros(phantom.image.shape, bool)
    drawn[100:140, 50:90] = True
    client.put(f"{frame}/mask", content=png_of(drawn.astype(np.uint8) * 255))
    seg = pydicom.dcmread(io.BytesIO(client.get(f"/v1/cases/{key}/seg.dcm").content))
    source = pydicom.dcmread(still)
    assert seg.Modality == "SEG"
    assert seg.StudyInstanceUID == source.StudyInstanceUID
    assert np.array_equal(seg.pixel_array.squeeze() > 0, drawn)
    sr = pydicom.dcmread(io.BytesIO(client.get(f"/v1/cases/{key}/sr.dcm").content))
    assert sr.Modality == "SR"
    values = [float(value.NumericValue) for value in measured_values(sr)]
    assert any(value == pytest.approx(1600 * SPACING[0] * SPACING[1], rel=1e-3) for value in values)

    client = serve()
    key = upload(client, cine.read_bytes()).json()["key"]
    assert "seg.zip" in client.get(f"/v1/cases/{key}/seg.dcm").json()["detail"]
    assert client.get(f"/v1/cases/{key}/sr.dcm").status_code == 200
    key = upload(client, png_of(phantom.image)).json()["key"]
    assert "need a DICOM image" in client.get(f"/v1/cases/{key}/seg.dcm").json()["detail"]


def measured_values(item):
    """Every measured value in a structured report."""
    for child in item.get("ContentSequence", []):
        yield from child.get("MeasuredValueSequence", [])
        yield from measured_values(child)


@pytest.mark.parametrize("end", [OSError("the client has gone"), asyncio.CancelledError(), None])
def test_no_file_stays_of_a_download_whether_or_not_it_is_taken(end, tmp_path):
    state = SimpleNamespace(sessions=SimpleNamespace(root=tmp_path))

    async def send(message):
        if message["type"] == "http.response.body" and end is not None:
            raise end

    async def download():
        response = await temporary_file_response(state, lambda path: path.write_bytes(b"zip"), "a.zip", "a/zip")
        assert len(list(tmp_path.iterdir())) == 1
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "headers": []}
        await response(scope, None, send)

    with suppress(OSError, asyncio.CancelledError):
        asyncio.run(download())
    assert list(tmp_path.iterdir()) == []


def test_dicom_objects_of_a_cine_and_of_an_image(serve, cine, tmp_path, png):
    client = serve()
    case_path = f"/v1/cases/{upload(client, cine.read_bytes()).json()['key']}"
    assert "seg.zip" in client.get(f"{case_path}/seg.dcm").json()["detail"]
    with zipfile.ZipFile(io.BytesIO(client.get(f"{case_path}/seg.zip").content)) as archive:
        assert archive.namelist()[0] == "0001.dcm"
        seg = pydicom.dcmread(io.BytesIO(archive.read("0001.dcm")))
    mask = np.asarray(Image.open(io.BytesIO(client.get(f"{case_path}/frames/1/mask.png").content))) > 0
    np.testing.assert_array_equal(seg.pixel_array.reshape(-1, *mask.shape).any(axis=0), mask)
    assert pydicom.dcmread(io.BytesIO(client.get(f"{case_path}/sr.dcm").content)).Modality == "SR"
    picture = np.asarray(Image.open(io.BytesIO(client.get(f"{case_path}/frames/1/overlay.jpg").content)).convert("L"))
    assert picture[:40].max() < 8  # the head line lies outside the region

    source = pydicom.dcmread(cine)
    source.NumberOfFrames, source.PixelData = 1, source.PixelData[: source.Rows * source.Columns]
    source.save_as(tmp_path / "single.dcm")
    case_path = f"/v1/cases/{upload(client, (tmp_path / 'single.dcm').read_bytes()).json()['key']}"
    seg = pydicom.dcmread(io.BytesIO(client.get(f"{case_path}/seg.dcm").content))
    np.testing.assert_array_equal(seg.pixel_array.reshape(-1, *mask.shape).any(axis=0), mask)
    client.put(f"{case_path}/frames/1/mask", content=png_of(np.zeros(mask.shape, np.uint8)))
    assert "no lesion is outlined" in client.get(f"{case_path}/seg.dcm").json()["detail"]
    case_path = f"/v1/cases/{upload(client, png).json()['key']}"
    assert "need a DICOM image" in client.get(f"{case_path}/sr.dcm").json()["detail"]
