"""Who may ask, what is refused, and that files keep to their folders."""

import json
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra monai-label is not installed")
pytest.importorskip("httpx")
pytest.importorskip("onnx")

from fastapi.testclient import TestClient
from tests.segmentation.test_segmenter import write_network

import salus
from salus.errors import SalusError
from salus.monai_label.app import create_app
from salus.monai_label.sessions import EXPIRY, Sessions
from salus.monai_label.store import ImageStore, UnknownImage

BASE = "http://127.0.0.1"
ORIGIN = "http://viewer.example"


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return salus.Segmenter(write_network(tmp_path_factory.mktemp("net") / "dark.onnx"))


@pytest.fixture
def store(tmp_path):
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    pixels = np.full((32, 32), 200, np.uint8)
    pixels[8:20, 8:20] = 10
    for name in ("a.png", "a.jpg", "deep/a.png"):
        Image.fromarray(pixels).save(tmp_path / "scans" / name)
    (tmp_path / "secret.png").write_bytes((tmp_path / "scans" / "a.png").read_bytes())
    return ImageStore(tmp_path / "scans", tmp_path / "scans" / "out")


def client_of(segmenter, store, base=BASE, **options):
    return TestClient(create_app(segmenter, store, **options), base_url=base)


def test_other_names_of_the_server_are_refused(segmenter, store):
    assert client_of(segmenter, store).get("/info/").status_code == 200
    assert client_of(segmenter, store, base="http://evil.example").get("/info/").status_code == 400


def test_pages_that_are_not_named_are_refused(segmenter, store):
    with client_of(segmenter, store, origins=[ORIGIN]) as client:
        allowed = client.get("/info/", headers={"origin": ORIGIN})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
        asked = client.options("/infer/dark", headers={"origin": ORIGIN, "access-control-request-method": "POST"})
        assert asked.status_code == 200
        assert client.get("/info/", headers={"origin": "http://evil.example"}).status_code == 403
    assert client_of(segmenter, store).post("/infer/dark?image=a", headers={"origin": ORIGIN}).status_code == 403


def test_a_token_is_had_by_a_password_and_then_demanded(segmenter, store):
    client = client_of(segmenter, store, token="a long enough token")
    assert client.get("/auth/").json() == {"enabled": True}
    for path in ("/info/", "/datastore/", "/auth/token/valid", "/datastore/image?image=a", "/openapi.json"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"authorization": "Bearer another"}).status_code == 401
    assert client.post("/auth/token", data={"username": "me", "password": "guess"}).status_code == 401
    answer = client.post("/auth/token", data={"username": "me", "password": "a long enough token"}).json()
    headers = {"authorization": f"{answer['token_type']} {answer['access_token']}"}
    assert client.get("/auth/token/valid", headers=headers).status_code == 200
    assert client.get("/info/", headers=headers).json()["name"] == "Salus"


def test_what_is_too_large_is_refused(segmenter, store):
    client = client_of(segmenter, store, max_bytes=10_000)
    for method, path, name in (("put", "/session/", "files"), ("put", "/datastore/?image=x", "file")):
        answer = getattr(client, method)(path, files={name: ("x.png", bytes(20_000))})
        assert answer.status_code == 413
    pieces = (bytes(9_000) for _ in range(9))
    assert client.put("/session/", content=pieces).status_code == 411


@pytest.mark.parametrize("image_id", ["../secret", "/etc/x", ".hidden", "a/b", "x\0y", "..", "x" * 300, "a\nb"])
def test_names_that_lead_elsewhere_are_refused(store, tmp_path, image_id):
    content = tmp_path / "sent.png"
    content.write_bytes(b"x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SalusError, match="no file name"):
        store.add_image(image_id, "x.png", content)
    for find in (store.image, store.label):
        with pytest.raises(UnknownImage):
            find(image_id)
    assert sorted(tmp_path.rglob("*")) == before


def test_images_of_one_name_are_told_apart(store, tmp_path):
    images = {image.id: image.path for image in store.images()}
    assert len(images) == 3
    assert len({store.image(image_id).path for image_id in images}) == 3
    for number, image_id in enumerate(images):
        (tmp_path / "label.nii.gz").write_bytes(bytes([number]))
        store.save_label(image_id, "label.nii.gz", tmp_path / "label.nii.gz")
    assert sorted(store.label(image_id).read_bytes()[0] for image_id in images) == [0, 1, 2]
    entries = json.loads((store.out / "datalist.json").read_text())["training"]
    assert {(store.out / e["image"]).resolve() for e in entries} == {path.resolve() for path in images.values()}


def test_an_image_of_the_folder_is_never_replaced(store, tmp_path):
    content = tmp_path / "sent.png"
    content.write_bytes(b"another")
    before = store.image("a").path.read_bytes()
    with pytest.raises(SalusError, match="another name"):
        store.add_image("a", "sent.png", content)
    assert store.image("a").path.read_bytes() == before


def test_images_that_are_sent_keep_their_whole_name_and_a_changed_one_loses_its_label(segmenter, store, tmp_path):
    client, folder = client_of(segmenter, store), tmp_path / "scans"
    pictures = {name: (folder / name).read_bytes() for name in ("a.png", "a.jpg")}

    def send(name, content):
        answer = client.put("/datastore/", files={"file": (name, content)})
        assert answer.status_code == 200, answer.text
        return answer.json()["image"]

    first, second = send("patient.001.png", pictures["a.png"]), send("patient.002.png", pictures["a.png"])
    assert (first, second) == ("patient.001", "patient.002")
    (tmp_path / "label.nrrd").write_bytes(b"label")
    for image_id in (first, second):
        store.save_label(image_id, "label.nrrd", tmp_path / "label.nrrd")
    assert send("patient.001.png", pictures["a.png"]) == first  # the same again: its label stays
    assert store.label(first).read_bytes() == b"label"
    assert send("patient.001.jpg", pictures["a.jpg"]) == first
    with pytest.raises(UnknownImage, match="no label"):
        store.label(first)
    entries = json.loads((store.out / "datalist.json").read_text())["training"]
    assert [entry["image"] for entry in entries] == ["images/patient.002.png"]


def test_a_session_that_was_not_used_for_long_ends(tmp_path, monkeypatch):
    sessions = Sessions()
    (tmp_path / "a.png").write_bytes(b"image")
    session = sessions.add("a.png", tmp_path / "a.png")
    later = time.monotonic() + EXPIRY + 1
    monkeypatch.setattr("salus.monai_label.sessions.time.monotonic", lambda: later)
    with pytest.raises(UnknownImage, match="send the image again"):
        sessions.get(session.id)
    assert not session.image.exists()


def test_a_label_saved_in_another_format_replaces_the_first(store, tmp_path):
    for name in ("x.nii.gz", "x.nrrd"):
        (tmp_path / name).write_bytes(name.encode())
        store.save_label("a", name, tmp_path / name)
    assert store.label("a").read_bytes() == b"x.nrrd"
    assert store.status()["completed"] == 1
    with pytest.raises(SalusError, match="taken as"):
        store.save_label("a", "label.bin", tmp_path / "x.nrrd")


def test_mistakes_are_told_in_one_line(segmenter, store):
    client = client_of(segmenter, store)
    for request, status, text in [
        ("/infer/other?image=a", 422, "there are dark"),
        ("/infer/dark?image=absent", 404, "absent: no such image"),
        ("/infer/dark", 422, "no image was named"),
        ("/infer/dark?image=a&output=dicom_seg", 422, "choose from all, image, json"),
        ("/infer/dark?session_id=gone", 404, "send the image again"),
    ]:
        answer = client.post(request)
        assert (answer.status_code, text in answer.json()["detail"]) == (status, True), answer.text
    for params in ("[1]", "{", '{"result_extension": ".exe"}', '{"result_dtype": "float64"}'):
        assert client.post("/infer/dark?image=a", data={"params": params}).status_code == 422
    told = client.post("/infer/dark?image=a&output=json").json()
    assert told["label_names"] == {"background": 0, "tumour": 1}
    assert client.put("/datastore/label?image=a", files={"label": ("x.bin", b"1")}).status_code == 422
    damaged = client.post("/infer/dark", files={"file": ("x.png", b"no picture")})
    assert damaged.status_code == 422
