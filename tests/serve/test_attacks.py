"""What a hostile caller or file may try: each is refused in a line, and the server goes on."""

import gzip
import io
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tests.serve.conftest import png_of, running

from salus.serve.app import create_app
from salus.serve.sessions import Sessions
from salus.serve.settings import ServeSettings
from salus.serve.slow_headers import Haste
from salus.serve.temporary_files import claim_folder, clear_leftovers

HERE = "http://127.0.0.1:8765"


@pytest.fixture
def client(segmenter):
    with TestClient(create_app(ServeSettings(), segmenter), base_url=HERE) as one:
        yield one


@pytest.fixture(scope="module")
def address(segmenter):
    with running(segmenter) as one:
        yield one


def send(client, content, name="image"):
    return client.post("/v1/cases", files={"file": (name, content)})


def wire(address, *pieces, pause=0.0, wait=10.0):
    """Bytes as they are, on a connection of their own; what came back until it was closed."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=wait) as line:
        back = b""
        try:
            for piece in pieces:
                line.sendall(piece)
                time.sleep(pause)
            while piece := line.recv(65536):
                back += piece
        except (TimeoutError, ConnectionError):
            pass
        return back


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
    told = wire(address, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert int(told.split()[1]) in (400, 404, 405, 422)
    assert b"root:" not in told
    assert b"import" not in told


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
def test_what_unpacks_to_more_than_it_should_is_refused_before_it_does(client, make):
    content = make()
    began = time.monotonic()
    told = send(client, content)
    assert told.status_code == 422
    assert "/" not in told.json()["detail"].replace("salus-", "")
    assert time.monotonic() - began < 5


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
def test_a_dicom_file_that_lies_is_refused(client, cine, tmp_path, tags):
    import pydicom

    lie = pydicom.dcmread(cine)
    for name, value in tags.items():
        setattr(lie, name, value)
    lie.save_as(tmp_path / "lie.dcm", enforce_file_format=False)
    assert send(client, (tmp_path / "lie.dcm").read_bytes()).status_code == 422


@pytest.mark.filterwarnings("ignore")  # what pydicom thinks of them
def test_damaged_files_and_masks_never_break_the_server(client, png, cine):
    dice = random.Random(5)
    key = send(client, png).json()["key"]
    at = f"/v1/cases/{key}/frames/1"
    client.get(at)
    mask = client.get(f"{at}/mask.png").content
    for content, post in ((png, "case"), (cine.read_bytes()[:60_000], "case"), (mask, "mask")):
        for _ in range(25):
            damaged = bytearray(content)
            for _ in range(dice.randint(1, 30)):
                damaged[dice.randrange(min(len(damaged), 3000))] = dice.randrange(256)
            damaged = bytes(damaged[: dice.randint(10, len(damaged))])
            if post == "mask":
                told = [client.put(f"{at}/mask", content=damaged)]
            else:
                told = [send(client, damaged)]
                if told[0].status_code == 201:
                    told.append(client.get(f"/v1/cases/{told[0].json()['key']}/frames/1"))
            for one in told:
                assert one.status_code in (200, 201, 422), one.text
                assert "/tmp" not in one.text
                assert "Traceback" not in one.text


def test_a_name_that_is_code_is_neither_kept_nor_told(client, png):
    name = '../../x"><script>alert(1)</script>\r\nSet-Cookie: a=b.png'
    key = send(client, png, name).json()["key"]
    text = client.get(f"/v1/cases/{key}/lesions.json").text + client.get("/v1/cases").text
    assert "script" not in text
    assert "Set-Cookie" not in str(client.get(f"/v1/cases/{key}/frames/1/overlay.jpg").headers)


def test_files_of_a_folder_may_be_called_anything(segmenter, png, tmp_path):
    name = 'Müller "x" 乳腺.png'
    (tmp_path / name).write_bytes(png)
    with TestClient(create_app(ServeSettings(folder=tmp_path), segmenter), base_url=HERE) as client:
        key = client.post("/v1/worklist/1").json()["key"]
        told = client.get(f"/v1/cases/{key}/frames/1/overlay.jpg")
        assert told.status_code == 200
        assert told.headers["content-disposition"].isascii()
        mask = client.get(f"/v1/cases/{key}/frames/1/mask.png").content
        assert client.put(f"/v1/cases/{key}/frames/1/mask", content=mask).status_code == 200
    assert len(list((tmp_path / "reviewed" / "masks").glob("M*.png"))) == 1


@pytest.mark.parametrize("threshold", ["nan", "inf", "0", "1", "-1", "x", "1e400"])
def test_thresholds_that_are_none(client, png, threshold):
    assert client.post(f"/v1/segment?threshold={threshold}", files={"file": ("a", png)}).status_code == 422


def test_slow_heads_are_cut_and_others_served_meanwhile(segmenter, monkeypatch):
    monkeypatch.setattr(Haste, "seconds", 0.5)
    with running(segmenter) as address:
        place = urlsplit(address)
        lines = [socket.create_connection((place.hostname, place.port)) for _ in range(50)]
        for line in lines:
            line.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert httpx.get(f"{address}/v1/health").status_code == 200
        time.sleep(0.8)
        for line in lines:
            line.settimeout(2)
            assert line.recv(10) == b""
            line.close()
        with httpx.Client() as kept:  # one that is kept alive and used is not cut
            for _ in range(3):
                assert kept.get(f"{address}/v1/health").status_code == 200
                time.sleep(0.4)


def test_slow_bodies_are_refused(segmenter):
    with running(segmenter, upload_seconds=0.5) as address:
        host = urlsplit(address).netloc
        head = f"POST /v1/cases HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        told = wire(address, f"{head}Content-Length: 1000\r\n\r\n--b".encode(), wait=3)
        assert b"408" in told.split(b"\r\n")[0]
        assert "salus_requests_inside 0" in httpx.get(f"{address}/v1/metrics").text


def test_who_does_not_read_the_response_is_given_up(segmenter, png):
    with running(segmenter, upload_seconds=0.5, waiting=1) as address:
        place = urlsplit(address)
        part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + png + b"\r\n"
        content = 20 * part + b"--b--\r\n"
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((place.hostname, place.port))
        line.sendall(
            f"POST /v1/segment/batch?maps=probability&maps=saliency&maps=mask HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        for _ in range(300):
            time.sleep(0.1)
            if "salus_requests_inside 0" in httpx.get(f"{address}/v1/metrics").text:
                break
        else:
            pytest.fail("it still is inside")
        line.close()


def test_wrong_lengths_and_hosts(address):
    host = urlsplit(address).netloc
    for head in (
        f"Host: {host}\r\nContent-Length: -5\r\n",
        f"Host: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        f"Host: {host}\r\nHost: evil.example\r\n",
        f"Host: evil.example\r\nX-Forwarded-Host: {host}\r\n",
        "",
    ):
        told = wire(address, f"GET /v1/info HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        assert told.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    assert httpx.get(f"{address}/v1/health").json() == {"status": "ok"}


def test_invented_methods_are_counted_as_one(client):
    for i in range(20):
        client.request(f"MADE{i}", "/v1/info")
    text = client.get("/v1/metrics").text
    assert re.search(r'method="other",route="[^"]*",status="405"} 20', text)
    assert "MADE" not in text


def test_pictures_of_what_is_not_segmented_yet_wait_in_the_queue_as_well(client, png):
    at = f"/v1/cases/{send(client, png).json()['key']}/frames/1"
    queue = client.app.app.queue
    queue.waiting, free = 0, queue.waiting
    for part in ("image.png", "overlay.jpg"):
        assert client.get(f"{at}/{part}").status_code == 429
    queue.waiting = free
    assert client.get(f"{at}/image.png").status_code == 200
    queue.waiting = 0
    assert client.get(f"{at}/mask.png").status_code == 200  # that is there now


def test_sessions_without_images_make_room_for_others(png):
    clock = [0.0]
    sessions = Sessions(ServeSettings(sessions=3), now=lambda: clock[0])
    first = sessions.begin()
    sessions.add(first, io.BytesIO(png))
    for _ in range(50):
        clock[0] += 1
        last = sessions.begin()
    assert sessions.find(first.key) is first
    assert sessions.find(last.key) is last
    assert len(list(sessions.root.iterdir())) == 4  # three sessions and the lock
    sessions.close()


def test_a_full_disk_is_told(client, png, monkeypatch):
    send(client, png)
    monkeypatch.setattr("salus.serve.sessions.LEAST_FREE", 1 << 60)
    told = send(client, png)
    assert told.status_code == 429
    assert "disk is full" in told.json()["detail"]
    monkeypatch.setattr("salus.serve.sessions.LEAST_FREE", 0)

    def full(*asked):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("salus.serve.sessions.shutil.copyfileobj", full)
    told = send(client, png)
    assert told.status_code == 507
    assert "No space left" in told.json()["detail"]
    assert "/tmp" not in told.text


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks of POSIX")
def test_what_a_killed_server_left_behind_goes_and_what_lives_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from salus.serve.temporary_files import claim_folder\n"
        "folder, lock = claim_folder(); (folder / 'scan').write_bytes(b'x'); print(folder, flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    theirs = other.stdout.readline().strip()
    mine, lock = claim_folder()
    (tmp_path / "salus-serve-of-another-kind").mkdir()
    assert clear_leftovers() == 0
    other.kill()
    other.wait()
    assert (tmp_path / theirs / "scan").is_file()
    assert clear_leftovers() == 1
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, "salus-serve-of-another-kind"}
    lock.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGHUP", 0)])
def test_uploads_go_when_the_server_is_ended(png, tmp_path, signal, code):
    import os
    import signal as signals

    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        preexec_fn=lambda: signals.signal(getattr(signals, signal), signals.SIG_DFL),  # ignored behind nohup
    )  # fmt: skip
    address = re.search(r"http://\S+", server.stdout.readline())[0].rstrip("/")
    assert httpx.post(f"{address}/v1/cases", files={"file": ("JaneDoe.png", png)}).status_code == 201
    assert list(tmp_path.glob("salus-serve-*/*/*/source.png"))
    server.send_signal(getattr(signals, signal))
    said = "".join(server.communicate(timeout=30))
    assert server.returncode == code
    assert list(tmp_path.glob("salus-serve-*")) == []
    assert "JaneDoe" not in said
    assert "Traceback" not in said


def test_many_at_once_get_their_own_answers(segmenter, phantom, png):
    other = png_of(255 - phantom.image)
    wanted = {content: segmenter(np.asarray(Image.open(io.BytesIO(content)))).presence for content in (png, other)}
    with running(segmenter) as address:
        wrong = []

        def ask(content):
            told = httpx.post(f"{address}/v1/segment", files={"file": ("a", content)}, timeout=60).json()
            if abs(told["presence"] - wanted[content]) > 1e-4:
                wrong.append(told)

        threads = [threading.Thread(target=ask, args=(content,)) for content in [png, other] * 5]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
