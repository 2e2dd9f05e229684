"""The node before a real archive, Orthanc with its DICOMweb service, which is stopped while the node is killed.

SALUS_NODE_OBJECTS=500 makes it a trial of that many objects.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="the extra node is not installed")
pytest.importorskip("dicomweb_client", reason="the extra node is not installed")
pytest.importorskip("highdicom", reason="the extra dicom is not installed")
pytest.importorskip("onnx")

from tests.node.servers import NodeProcess, Orthanc, need, referee, running, storescu, wait_until, write_images
from tests.node.test_node import once_each, source_of, to_archive
from tests.segmentation.test_segmenter import write_network

OBJECTS = int(os.environ.get("SALUS_NODE_OBJECTS", "12"))
SENDERS = 4
STOPS = (4, 2) if OBJECTS >= 100 else (2,)
"""Archive and node are stopped after a quarter and after a half of the results."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")]


@pytest.fixture
def orthanc(tmp_path):
    need("storescu", "Orthanc")
    archive = Orthanc(tmp_path)
    archive.start()
    with closing(archive):
        yield archive


def send_at_once(port, images):
    """Send from several senders at a time; return their processes."""
    command = [referee("storescu"), "-aet", "SENDER", "-aec", "SALUS", "127.0.0.1", str(port)]
    return [subprocess.Popen([*command, *map(str, images[i::SENDERS])]) for i in range(SENDERS)]


@pytest.mark.parametrize("protocol", ["c-store", "stow"])
def test_results_arrive_once_while_archive_and_node_are_stopped_and_started(orthanc, tmp_path, monkeypatch, protocol):
    monkeypatch.setenv("ORTHANC_PASSWORD", "secret")
    url = {"url": f"{orthanc.url}/dicom-web", "user": "salus", "password_env": "ORTHANC_PASSWORD"}
    destination = to_archive(orthanc.port) if protocol == "c-store" else {"name": "archive", **url}
    images = write_images(tmp_path / "images", OBJECTS)
    node = NodeProcess(tmp_path, write_network(tmp_path / "dark.onnx"), [destination])
    with running(node):
        began = time.monotonic()
        senders = send_at_once(node.port, images)
        for share in STOPS:
            wait_until(lambda share=share: len(orthanc.instances()) >= 3 * OBJECTS // share, 600)
            orthanc.stop()
            node.kill()
            node.start()
            time.sleep(1)
            assert node.state()["status"] != "failed"
            orthanc.start()
        codes = [sender.wait(600) for sender in senders]
        if any(codes):  # their connection was lost: senders send again
            assert storescu(node.port, images).returncode == 0
        state = node.wait_for_rest(600)
        seconds = time.monotonic() - began
        datasets = [orthanc.dataset(instance) for instance in orthanc.instances()]
        assert (state["status"], state["failed"]) == ("ok", 0)
        assert Counter((source_of(dataset), dataset.Modality) for dataset in datasets) == once_each(images)
        assert len(node.files("done")) == OBJECTS
    print(f"{protocol}: {OBJECTS} objects, {len(datasets)} results in {seconds:.0f} s")


def test_a_token_that_is_wrong_is_no_loss(orthanc, tmp_path, monkeypatch):
    monkeypatch.setenv("ORTHANC_PASSWORD", "wrong")
    url = {"url": f"{orthanc.url}/dicom-web", "user": "salus", "password_env": "ORTHANC_PASSWORD"}
    node = NodeProcess(tmp_path, write_network(tmp_path / "dark.onnx"), [{"name": "archive", **url}])
    with running(node):
        images = write_images(tmp_path / "images", 1)
        assert storescu(node.port, images).returncode == 0
        wait_until(lambda: node.state()["destinations"]["archive"]["error"] == "HTTP status 401")
        node.kill()
        monkeypatch.setenv("ORTHANC_PASSWORD", "secret")
        node.start()
        node.wait_for_rest()
        assert len(orthanc.instances()) == 3


def test_an_archive_that_forwards_images_by_the_script_of_the_how_to_gets_the_results(tmp_path, monkeypatch):
    need("storescu", "Orthanc")
    monkeypatch.setenv("ORTHANC_PASSWORD", "secret")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "node.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```lua\n(.*?)```", page, re.DOTALL)
    (tmp_path / "forward.lua").write_text(script)
    archive = Orthanc(tmp_path)
    url = {"url": f"{archive.url}/dicom-web", "user": "salus", "password_env": "ORTHANC_PASSWORD"}
    network = write_network(tmp_path / "dark.onnx")
    node = NodeProcess(tmp_path, network, [{"name": "archive", **url}], allowed=["ARCHIVE"])
    archive.set(
        LuaScripts=[str(tmp_path / "forward.lua")], DicomModalities={"salus": ["SALUS", "127.0.0.1", node.port]}
    )
    with running(node), closing(archive):
        archive.start()
        images = write_images(tmp_path / "images", 3)
        assert storescu(archive.port, images, called="ARCHIVE").returncode == 0
        wait_until(lambda: len(archive.instances()) == 4 * len(images))  # the images, and of each its results
        time.sleep(1)  # results are not forwarded to the node in turn
        node.wait_for_rest()
        assert len(archive.instances()) == 4 * len(images)
        assert len(node.files("done")) == len(images)
