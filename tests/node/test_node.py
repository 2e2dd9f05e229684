"""The node as a process, between dcmtk's storescu and storescp: results, refusals, and what SIGKILL costs."""

import hashlib
import signal
import sys
from collections import Counter

import numpy as np
import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="the extra node is not installed")
pytest.importorskip("dicomweb_client", reason="the extra node is not installed")
pytest.importorskip("highdicom", reason="the extra dicom is not installed")
pytest.importorskip("onnx")

from tests.node.servers import NodeProcess, free_port, need, running, storescp, storescu, wait_until, write_images
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import write_network

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")

MODALITIES = ["OT", "SEG", "SR"]


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "dark.onnx")


def to_archive(port):
    return {"name": "archive", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port, "timeout": 10}


def source_of(dataset):
    """The SOP Instance UID of the one image that a result refers to, by whichever sequence its class has."""
    (uid,) = {element.value for element in dataset.iterall() if element.keyword == "ReferencedSOPInstanceUID"}
    return uid


def received(folder):
    """What the archive holds: of each source and kind how many."""
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    assert len({d.SOPInstanceUID for d in datasets}) == len(datasets)
    return Counter((source_of(dataset), dataset.Modality) for dataset in datasets)


def key_of_file(path):
    return hashlib.sha256(pydicom.dcmread(path).SOPInstanceUID.encode()).hexdigest()


def once_each(images):
    return Counter((pydicom.dcmread(path).SOPInstanceUID, kind) for path in images for kind in MODALITIES)


@pytest.mark.slow
def test_results_of_every_object_arrive_once_also_where_the_node_is_killed_again_and_again(network, tmp_path):
    need("storescu", "storescp")
    images = write_images(tmp_path / "images", 12)
    port, archive = free_port(), tmp_path / "archive"
    node = NodeProcess(tmp_path, network, [to_archive(port)])
    with running(node):
        assert storescu(node.port, images[:8]).returncode == 0
        wait_until(lambda: node.files("results"))
        node.kill()  # in the middle of segmenting
        assert node.files("received")
        node.start()
        with storescp(archive, port):
            assert storescu(node.port, images[4:]).returncode == 0  # some of them a second time
            wait_until(lambda: len(list(archive.iterdir())) >= 4)
            node.kill()  # in the middle of sending
            node.start()
            node.wait_for_rest()
            assert storescu(node.port, images[:2]).returncode == 0  # known, although nothing but the key is left
            state = node.wait_for_rest()
            assert received(archive) == once_each(images)
        assert (state["status"], state["failed"]) == ("ok", 0)
        assert node.files("received") == node.files("results") == node.files("incoming") == []
        assert len(node.files("done")) == 12
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(30) == 0
    log = node.log.read_text()
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in images]
    assert not any(word in log for word in ("Phantom", "PH-1", "Traceback", *uids))


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node for all tests of refusals, that takes up to 1 MiB; its destination is never there."""
    need("storescu")
    folder = tmp_path_factory.mktemp("node")
    network = write_network(folder / "dark.onnx")
    with running(NodeProcess(folder, network, [to_archive(free_port())], max_mb=1)) as node:
        yield node


@pytest.mark.slow
def test_senders_that_are_not_named_are_rejected_as_is_another_name_for_the_node(node, tmp_path):
    images = write_images(tmp_path / "images", 1)
    assert storescu(node.port, images, title="STRANGER").returncode != 0
    assert storescu(node.port, images, called="OTHER").returncode != 0
    assert key_of_file(images[0]) not in str(node.files("received"))


@pytest.mark.slow
def test_what_is_no_ultrasound_image_is_not_taken(node, tmp_path):
    path = write_images(tmp_path / "images", 1)[0]
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    dataset.save_as(path)
    assert storescu(node.port, [path]).returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("mebibytes", [1.5, 3])
def test_what_is_too_large_is_refused_and_what_is_far_too_large_is_cut_off(node, tmp_path, mebibytes):
    side = int((mebibytes * 2**20) ** 0.5) // 2 * 2
    path = wrap_dicom(tmp_path / "large.dcm", np.zeros((side, side), np.uint8))
    done = storescu(node.port, [path], "-v")
    assert ("OutOfResources" if mebibytes < 2 else "Abort") in done.stdout + done.stderr
    assert key_of_file(path) not in str(node.files("received"))
    assert storescu(node.port, write_images(tmp_path / "next", 1)).returncode == 0


@pytest.mark.slow
def test_an_object_that_cannot_be_read_is_set_aside_with_the_reason_and_the_others_go_on(node, tmp_path):
    good = write_images(tmp_path / "good", 1)[0]
    bad = wrap_dicom(tmp_path / "bad.dcm", np.zeros((64, 64), np.uint8), Rows=640)
    assert storescu(node.port, [bad, good]).returncode == 0
    wait_until(lambda: key_of_file(good) in node.files("results"))
    wait_until(lambda: f"{key_of_file(bad)}.txt" in node.files("failed"))
    reason = (node.folder / "failed" / f"{key_of_file(bad)}.txt").read_text()
    assert "cut short" in reason
    assert (node.folder / "failed" / f"{key_of_file(bad)}.dcm").is_file()
    state = node.state()
    assert (state["status"], state["failed"]) == ("degraded", 1)
    assert "does not answer" in state["destinations"]["archive"]["error"]


@pytest.mark.slow
def test_a_patient_keeps_the_pseudonym_when_the_node_is_started_again(network, tmp_path):
    need("storescu", "storescp")
    port = free_port()
    images = write_images(tmp_path / "images", 2, PatientID="PH-1")
    node = NodeProcess(tmp_path, network, [to_archive(port)])
    node.config.write_text(node.config.read_text().replace("[segment]", "[segment]\ndeidentify = true"))
    with storescp(tmp_path / "archive", port):
        for image in images:
            with running(node):
                assert storescu(node.port, [image]).returncode == 0
                node.wait_for_rest()
    patients = Counter(str(pydicom.dcmread(path).PatientID) for path in (tmp_path / "archive").iterdir())
    assert list(patients.values()) == [6]
    assert "PH-1" not in patients
