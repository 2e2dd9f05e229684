"""Hostile clients and files: each is refused with a one-line message, and the server goes on."""

import gzip
import io
import random
import socket
import struct
import threading
import time
import zlib
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import png_of, running, upload

from salus.serve.slow_headers import SlowHeaderTimeout


@pytest.fixture(scope="module")
def address(segmenter):
    with running(segmenter) as server_address:
        yield server_address


def send_raw(address, content, timeout=60.0):
    """Send bytes on a connection of their own; give what came back until it was closed."""
    server = urlsplit(address)
    with socket.create_connection((server.hostname, server.port), timeout=timeout) as connection:
        response = b""
        try:
            connection.sendall(content)
            while piece := connection.recv(65536):
                response += piece
        except (TimeoutError, ConnectionError):
            pass
        return response


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/..%2f..%2fpyproject.toml", "/%2e%2e/settings.py", "/....//settings.py",
        "/..\\settings.py",
        "//etc/passwd", "/%00", "/v1/cases/..%2f..%2fetc/frames/1", "/v1/cases/x/frames/1/..%2f..%2fsource.png",
        "/v1/cases/x/frames/1/corrected.png", "/v1/worklist/..%2f1",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(address, path):
    host = urlsplit(address).netloc
    response = send_raw(address, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert int(response.split()[1]) in (400, 404, 405, 422)
    assert b"root:" not in response
    assert b"import" not in response


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge_png(side):
    """Says side x side pixels; what it holds unpacks to 64 MiB of zeros."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(64 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bomb_in_text():
    """A small picture whose text chunk unpacks to 128 MiB."""
    plain = io.BytesIO()
    Image.new("L", (64, 64)).save(plain, "PNG")
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(128 << 20), 1))
    content = plain.getvalue()
    return content[:33] + text + content[33:]


def huge_nifti():
    import nibabel

    head = nibabel.Nifti1Header()
    head.set_data_shape((4000, 4000, 2000))
    head.set_data_dtype(np.float64)
    head["vox_offset"], head["magic"] = 352, b"n+1"
    return gzip.compress(head.binaryblock + bytes(4) + bytes(1 << 20))


def huge_nrrd():
    head = b"NRRD0004\ntype: float\ndimension: 3\nsizes: 4000 4000 1500\nendian: little\nencoding: gzip\n\n"
    return head + gzip.compress(bytes(64 << 20))


def detached_nrrd():
    head = b"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 10 10\nencoding: raw\ndata file: /etc/passwd\n\n"
    return head + bytes(100)


@pytest.mark.parametrize(
    "make", [lambda: huge_png(60_000), lambda: huge_png(4_001), bomb_in_text, huge_nifti, huge_nrrd, detached_nrrd],
    ids=["60000x60000", "4001x4001", "text", "nifti", "nrrd", "detached"],
)  # fmt: skip
def test_decompression_bombs_are_refused_before_they_are_decoded(client, make):
    content = make()
    began = time.process_time()
    response = upload(client, content)
    assert response.status_code == 422
    assert "/" not in response.json()["detail"].replace("salus-", "")
    assert time.process_time() - began < 5  # seconds of computing, however busy the machine is


@pytest.mark.parametrize(
    "tags",
    [
        {"Rows": 60000, "Columns": 60000},
        {"NumberOfFrames": 2_000_000_000},
        {"NumberOfFrames": -1},
        {"BitsAllocated": 64},
        {"Rows": 0},
    ],
)
def test_a_dicom_file_with_wrong_tags_is_refused(client, cine, tmp_path, tags):
    import pydicom

    dataset = pydicom.dcmread(cine)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(tmp_path / "wrong.dcm", enforce_file_format=False)
    assert upload(client, (tmp_path / "wrong.dcm").read_bytes()).status_code == 422


@pytest.mark.filterwarnings("ignore")  # warnings of pydicom
def test_damaged_files_and_masks_never_break_the_server(client, png, cine):
    generator = random.Random(5)
    key = upload(client, png).json()["key"]
    frame = f"/v1/cases/{key}/frames/1"
    client.get(frame)
    mask = client.get(f"{frame}/mask.png").content
    for content, kind in ((png, "case"), (cine.read_bytes()[:60_000], "case"), (mask, "mask")):
        for _ in range(25):
            damaged = bytearray(content)
            for _ in range(generator.randint(1, 30)):
                damaged[generator.randrange(min(len(damaged), 3000))] = generator.randrange(256)
            damaged = bytes(damaged[: generator.randint(10, len(damaged))])
            if kind == "mask":
                responses = [client.put(f"{frame}/mask", content=damaged)]
            else:
                responses = [upload(client, damaged)]
                if responses[0].status_code == 201:
                    responses.append(client.get(f"/v1/cases/{responses[0].json()['key']}/frames/1"))
            for response in responses:
                assert response.status_code in (200, 201, 422), response.text
                assert "/tmp" not in response.text
                assert "Traceback" not in response.text


def test_a_file_name_that_is_code_is_neither_kept_nor_sent_back(client, png):
    name = '../../x"><script>alert(1)</script>\r\nSet-Cookie: a=b.png'
    key = upload(client, png, name).json()["key"]
    text = client.get(f"/v1/cases/{key}/lesions.json").text + client.get("/v1/cases").text
    assert "script" not in text
    assert "Set-Cookie" not in str(client.get(f"/v1/cases/{key}/frames/1/overlay.jpg").headers)


def test_worklist_files_may_have_any_name(serve, png, tmp_path):
    name = 'Müller "x" 乳腺.png'
    (tmp_path / name).write_bytes(png)
    client = serve(folder=tmp_path)
    key = client.post("/v1/worklist/1").json()["key"]
    response = client.get(f"/v1/cases/{key}/frames/1/overlay.jpg")
    assert response.status_code == 200
    assert response.headers["content-disposition"].isascii()
    mask = client.get(f"/v1/cases/{key}/frames/1/mask.png").content
    assert client.put(f"/v1/cases/{key}/frames/1/mask", content=mask).status_code == 200
    assert len(list((tmp_path / "reviewed" / "masks").glob("M*.png"))) == 1


@pytest.mark.parametrize("threshold", ["nan", "inf", "0", "1", "-1", "x", "1e400"])
def test_thresholds_outside_0_and_1_are_refused(client, png, threshold):
    assert client.post(f"/v1/segment?threshold={threshold}", files={"file": ("a", png)}).status_code == 422


def test_connections_with_slow_headers_are_closed_and_others_served_meanwhile(segmenter, monkeypatch):
    monkeypatch.setattr(SlowHeaderTimeout, "seconds", 0.5)
    with running(segmenter) as address:
        server = urlsplit(address)
        connections = [socket.create_connection((server.hostname, server.port)) for _ in range(50)]
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert httpx.get(f"{address}/v1/health", timeout=60).status_code == 200
        for connection in connections:
            connection.settimeout(60)
            assert connection.recv(10) == b""
            connection.close()
        with httpx.Client(timeout=60) as kept:  # a connection that is kept alive and used is not closed
            for _ in range(3):
                assert kept.get(f"{address}/v1/health").status_code == 200
                time.sleep(0.4)


def wait_until_idle(address):
    """Wait until the server works on no request."""
    for _ in range(600):
        if "salus_requests_inside 0" in httpx.get(f"{address}/v1/metrics", timeout=60).text:
            return
        time.sleep(0.1)
    pytest.fail("its request is still being worked on")


def test_slow_bodies_are_refused(segmenter):
    with running(segmenter, transfer_seconds=0.5) as address:
        host = urlsplit(address).netloc
        head = f"POST /v1/cases HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        head += "Connection: close\r\n"
        response = send_raw(address, f"{head}Content-Length: 1000\r\n\r\n--b".encode())
        assert b"408" in response.split(b"\r\n")[0]
        wait_until_idle(address)


def test_a_client_that_does_not_read_its_response_is_given_up(segmenter, png):
    with running(segmenter, transfer_seconds=0.5, queue_size=1) as address:
        server = urlsplit(address)
        part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + png + b"\r\n"
        content = 20 * part + b"--b--\r\n"
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((server.hostname, server.port))
        connection.sendall(
            f"POST /v1/segment/batch?maps=probability&maps=saliency&maps=mask HTTP/1.1\r\nHost: {server.netloc}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        time.sleep(0.1)
        wait_until_idle(address)
        connection.close()


def test_wrong_lengths_and_hosts_are_refused(address):
    host = urlsplit(address).netloc
    for head in (
        f"Host: {host}\r\nContent-Length: -5\r\n",
        f"Host: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        f"Host: {host}\r\nHost: evil.example\r\n",
        f"Host: evil.example\r\nX-Forwarded-Host: {host}\r\n",
        "",
    ):
        response = send_raw(address, f"GET /v1/info HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        assert response.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    assert httpx.get(f"{address}/v1/health", timeout=60).json() == {"status": "ok"}


def test_pictures_of_frames_that_are_not_segmented_yet_need_a_place_in_the_queue(client, png):
    frame = f"/v1/cases/{upload(client, png).json()['key']}/frames/1"
    queue = client.app.app.queue
    queue.max_requests, free = 0, queue.max_requests
    for part in ("image.png", "overlay.jpg"):
        assert client.get(f"{frame}/{part}").status_code == 429
    queue.max_requests = free
    assert client.get(f"{frame}/image.png").status_code == 200
    queue.max_requests = 0
    assert client.get(f"{frame}/mask.png").status_code == 200  # it is segmented now


def test_a_full_disk_is_reported_without_paths(client, png, monkeypatch):
    upload(client, png)
    monkeypatch.setattr("salus.serve.sessions.MIN_FREE_BYTES", 1 << 60)
    response = upload(client, png)
    assert response.status_code == 429
    assert "disk is full" in response.json()["detail"]
    monkeypatch.setattr("salus.serve.sessions.MIN_FREE_BYTES", 0)

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("salus.serve.sessions.shutil.copyfileobj", fail)
    response = upload(client, png)
    assert response.status_code == 507
    assert "is full; make room there" in response.json()["detail"]
    assert "/tmp" not in response.text


def test_concurrent_clients_get_their_own_answers(segmenter, phantom, png):
    other = png_of(255 - phantom.image)
    expected = {content: segmenter(np.asarray(Image.open(io.BytesIO(content)))).presence for content in (png, other)}
    with running(segmenter) as address:
        wrong = []

        def check(content):
            response = httpx.post(f"{address}/v1/segment", files={"file": ("a", content)}, timeout=60).json()
            if abs(response["presence"] - expected[content]) > 1e-4:
                wrong.append(response)

        threads = [threading.Thread(target=check, args=(content,)) for content in [png, other] * 5]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
