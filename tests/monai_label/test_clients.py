"""What MONAI Label's own client gets, and where ITK, which 3D Slicer reads by, puts it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra monai-label is not installed")
pytest.importorskip("onnx")
pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")

import SimpleITK as sitk
from tests.monai_label.server import serving
from tests.prompts.networks import write_prompt_network
from tests.read.wrap import region, wrap_dicom
from tests.segmentation.test_segmenter import write_network

import salus
from salus.monai_label.store import ImageStore

MASK = np.zeros((48, 80), bool)
MASK[12:30, 20:50] = True
PIXELS = np.where(MASK, 15, 220).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("monai-label")
    Image.fromarray(PIXELS).save(root / "scan.png")
    wrap_dicom(root / "calibrated.dcm", PIXELS, regions=[region(0, 0, 48, 80, (0.2, 0.1))])
    turned = sitk.GetImageFromArray(np.stack([PIXELS, np.full_like(PIXELS, 220), PIXELS]))
    turned.SetSpacing((0.3, 0.5, 2.0))
    turned.SetOrigin((10.0, -20.0, 5.0))
    turned.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    for name in ("cine.nii.gz", "cine.nrrd"):
        sitk.WriteImage(turned, str(root / name))
    return root


@pytest.fixture(scope="module")
def url(folder, tmp_path_factory):
    segmenter = salus.Segmenter(write_network(tmp_path_factory.mktemp("net") / "dark.onnx"))
    with serving(segmenter, ImageStore(folder, folder / "out")) as address:
        yield address


@pytest.fixture
def client(url, tmp_path):
    """The client that 3D Slicer's module is built on."""
    module = pytest.importorskip("monailabel.client", reason="monailabel is not installed (pip install --no-deps)")
    return module.MONAILabelClient(url, str(tmp_path), "tester")


def client_error():
    from monailabel.client.client import MONAILabelClientException

    return MONAILabelClientException


SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}
OHIF = {"result_extension": ".nrrd", "result_dtype": "uint16", "result_compress": False, "restore_label_idx": False}


def test_information_has_what_the_viewers_read(client):
    info = client.info()
    assert (info["name"], info["labels"]) == ("Salus", ["background", "tumour"])
    (model,) = info["models"].values()
    assert (model["type"], model["labels"]["tumour"], bool(model["description"])) == ("segmentation", 1, True)
    assert info["datastore"]["total"] == 4
    assert not client.auth_enabled()
    assert client.train_status(check_if_running=True) is False


@pytest.mark.parametrize("name", ["cine.nii.gz", "cine.nrrd"])
@pytest.mark.parametrize("parameters", [SLICER, {}, OHIF], ids=["slicer", "default", "ohif"])
def test_labels_lie_on_their_image(client, folder, name, parameters):
    image = sitk.ReadImage(str(folder / name))
    image_id = {"cine.nii.gz": "cine", "cine.nrrd": "cine.nrrd"}[name]
    file, told = client.infer("dark", image_id, dict(parameters))
    label = sitk.ReadImage(file)
    assert label.GetSize() == image.GetSize()
    for get in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(label, get)() == pytest.approx(getattr(image, get)(), abs=1e-5)
    found = sitk.GetArrayFromImage(label)
    assert found.dtype == parameters.get("result_dtype", "uint8")
    assert np.array_equal(found, np.stack([MASK, MASK & False, MASK]))
    assert told["label_names"] == {"background": 0, "tumour": 1}
    assert told["centroids"]["tumour"] == [1, 34, 20, 1]


@pytest.mark.parametrize("image_id", ["scan", "calibrated"])
def test_pictures_lie_where_itk_puts_them(client, folder, image_id):
    file, _ = client.infer("dark", image_id, dict(SLICER))
    label = sitk.ReadImage(file)
    assert np.array_equal(sitk.GetArrayFromImage(label), MASK[None])
    assert label.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert label.GetOrigin() == (0, 0, 0)
    spacing = sitk.ReadImage(str(folder / "scan.png")).GetSpacing() if image_id == "scan" else (0.1, 0.2)
    assert label.GetSpacing()[:2] == pytest.approx(spacing)


def test_a_session_ends_with_its_image(client, folder):
    session = client.create_session(str(folder / "cine.nii.gz"))["session_id"]
    assert client.get_session(session)["name"] == session
    file, _ = client.infer("dark", "whatever it is called", dict(SLICER), session_id=session)
    assert sitk.GetArrayFromImage(sitk.ReadImage(file)).sum() == 2 * MASK.sum()
    client.remove_session(session)
    with pytest.raises(client_error()) as ended:
        client.get_session(session)
    assert ended.value.status_code == 404


def test_an_image_that_is_sent_along_is_segmented(client, folder):
    file, _ = client.infer("dark", "", {}, file=str(folder / "scan.png"))
    assert sitk.GetArrayFromImage(sitk.ReadImage(file)).sum() == MASK.sum()


def test_work_through_a_folder(tmp_path):
    module = pytest.importorskip("monailabel.client", reason="monailabel is not installed (pip install --no-deps)")
    folder, out = tmp_path / "scans", tmp_path / "labels"
    folder.mkdir()
    for name in ("a", "b"):
        Image.fromarray(PIXELS).save(folder / f"{name}.png")
    segmenter = salus.Segmenter(write_network(tmp_path / "dark.onnx"))
    sent = sitk.GetImageFromArray(PIXELS[None])
    sitk.WriteImage(sent, str(tmp_path / "own.nii.gz"))
    with serving(segmenter, ImageStore(folder, out)) as address:
        client = module.MONAILabelClient(address, str(tmp_path))
        given = []
        for _ in range(2):
            sample = client.next_sample("first", {})
            given.append(sample["id"])
            label, _ = client.infer("dark", sample["id"], {"result_extension": ".nii.gz"})
            assert client.save_label(sample["id"], label, params={"label_info": []})["image"] == sample["id"]
        assert given == ["a", "b"]
        assert client.next_sample("first", {}) == {}
        assert client.upload_image(str(tmp_path / "own.nii.gz"), "mine") == {"image": "mine"}
        assert client.next_sample("first", {})["id"] == "mine"
        client.save_label("mine", str(tmp_path / "own.nii.gz"))
        downloaded = sitk.ReadImage(client.download_label("mine", "final"))
        assert np.array_equal(sitk.GetArrayFromImage(downloaded), PIXELS[None])
        assert set(client.datastore()["objects"]) == {"a", "b", "mine"}
        assert client.info()["datastore"]["completed"] == 3
    data = salus.read_data_set(out)
    assert (data.layout, len(data.cases)) == ("monai", 3)
    by_name = {case.name: case for case in data.cases}
    assert np.array_equal(by_name["a"].read_mask(PIXELS.shape), MASK)
    again = ImageStore(folder, out)
    assert (again.next_image(), again.status()["completed"]) == (None, 3)


def test_points_choose_the_frame_and_the_lesion(folder, tmp_path):
    module = pytest.importorskip("monailabel.client", reason="monailabel is not installed (pip install --no-deps)")
    segmenter = salus.Segmenter(write_prompt_network(tmp_path / "prompted.onnx"))
    name = segmenter.settings.name
    with serving(segmenter, ImageStore(folder, tmp_path / "out")) as address:
        client = module.MONAILabelClient(address, str(tmp_path))
        types = {model: entry["type"] for model, entry in client.info()["models"].items()}
        assert types == {name: "segmentation", f"{name}-points": "deepgrow"}
        parameters = {"foreground": [[30, 20, 2]], "background": [[5, 5, 2]], "label": "tumour", **SLICER}
        file, _ = client.infer(f"{name}-points", "cine", parameters)
        found = sitk.GetArrayFromImage(sitk.ReadImage(file)).astype(bool)
        expected = segmenter(PIXELS, points=(30.5, 20.5), not_points=(5.5, 5.5)).mask
        assert expected.any()
        assert np.array_equal(found[2], expected)
        assert not found[:2].any()
        for points in ([], [[30, 20, 9]], [[500, 20, 0]], "here", [[None, 1, 0]]):
            with pytest.raises(client_error()) as refused:
                client.infer(f"{name}-points", "cine", {"foreground": points, **SLICER})
            assert "Status: 422" in refused.value.msg


def test_ohif_reads_the_answer_as_text(url):
    """Its extension decodes the answer as UTF-8, and takes the two parts by their types."""
    httpx = pytest.importorskip("httpx")
    answer = httpx.post(f"{url}/infer/dark?image=cine&output=all", files={"params": (None, json.dumps(OHIF))})
    boundary = answer.headers["content-type"].partition("boundary=")[2]
    parts = answer.content.decode("utf-8").split(f"--{boundary}")
    told = next(part for part in parts if "Content-Type: application/json" in part)
    told = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert told["centroids"]["tumour"][0] == 1
    picture = next(part for part in parts if "Content-Type: application/octet-stream" in part)
    picture = picture.partition("\r\n\r\n")[2].rpartition("\r\n")[0]
    header, _, values = picture.encode("latin-1").partition(b"\n\n")
    assert b"encoding: raw" in header
    found = np.frombuffer(values, "<u2").reshape(3, 48, 80)
    assert np.array_equal(found, np.stack([MASK, MASK & False, MASK]))


def test_the_command_serves_and_says_where(folder, tmp_path):
    import subprocess
    import sys
    from urllib.request import urlopen

    from tests.node.servers import free_port, wait_until

    port = free_port()
    command = [sys.executable, "-m", "salus", "monai-label", str(folder), "-o", str(tmp_path / "out")]
    network = write_network(Path(tmp_path) / "dark.onnx")
    with subprocess.Popen(
        [*command, "--port", str(port), "--network", str(network)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert str(port) in process.stdout.readline()

            def info():
                try:
                    with urlopen(f"http://127.0.0.1:{port}/info/", timeout=10) as answer:
                        return json.load(answer)
                except OSError:
                    return None

            assert "dark" in wait_until(info)["models"]
        finally:
            process.terminate()
