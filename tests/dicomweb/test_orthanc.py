"""A study fetched from a real archive, Orthanc with its DICOMweb plugin, segmented, and the results stored there."""

import json
import sys
import threading
from collections import Counter
from contextlib import closing

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGBaseline8Bit, generate_uid

pytest.importorskip("dicomweb_client", reason="the extra dicomweb is not installed")
pytest.importorskip("highdicom", reason="the extra dicom is not installed")
pytest.importorskip("onnx")

import requests
from tests.node.servers import Orthanc, need
from tests.read.wrap import region, wrap_dicom
from tests.segmentation.test_segmenter import write_network

from salus.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")]

STUDY, OTHER_STUDY = generate_uid(), generate_uid()
SERIES = [generate_uid() for _ in range(2)]


@pytest.fixture
def orthanc(tmp_path, monkeypatch):
    need("Orthanc")
    monkeypatch.setenv("ORTHANC_PASSWORD", "secret")
    archive = Orthanc(tmp_path)
    archive.set(OverwriteInstances=False)
    archive.start()
    with closing(archive):
        yield archive


def fill(archive, folder):
    """Store a study of three images, one of them a cine, one in JPEG, and one of another kind; and another study."""
    folder.mkdir()
    pixels = np.full((64, 64), 220, np.uint8)
    pixels[20:44, 10:40] = 15
    calibrated = {"regions": [region(0, 0, 64, 64)]}
    files = [
        wrap_dicom(folder / "a.dcm", pixels, **calibrated, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES[0]),
        wrap_dicom(
            folder / "b.dcm", np.stack([pixels] * 3), **calibrated, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES[1]
        ),
        wrap_dicom(
            folder / "c.dcm", pixels, syntax=JPEGBaseline8Bit, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES[0]
        ),
        wrap_dicom(folder / "d.dcm", pixels, StudyInstanceUID=OTHER_STUDY, SeriesInstanceUID=generate_uid()),
        wrap_dicom(
            folder / "e.dcm", pixels, StudyInstanceUID=STUDY, SeriesInstanceUID=generate_uid(),
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT",
        ),
    ]  # fmt: skip
    for file in files:
        answer = requests.post(f"{archive.url}/instances", file.read_bytes(), auth=("salus", "secret"), timeout=60)
        assert answer.status_code == 200
    return files


def options(archive, tmp_path, *more):
    who = ["--user", "salus", "--password-env", "ORTHANC_PASSWORD"]
    network = ["--network", str(tmp_path / "dark.onnx")]
    source = ["--from", f"{archive.url}/dicom-web", "--study", STUDY]
    return ["segment", *source, "-o", str(tmp_path / "out"), *who, *network, *more]


def test_a_study_is_fetched_segmented_and_its_results_stored_once(orthanc, tmp_path, capsys):
    write_network(tmp_path / "dark.onnx")
    files = fill(orthanc, tmp_path / "images")
    before = len(orthanc.instances())
    assert before == len(files)
    arguments = options(orthanc, tmp_path, "--to", f"{orthanc.url}/dicom-web")
    assert main(arguments) == 0, capsys.readouterr().err
    told = capsys.readouterr().err
    assert "1 of 4 objects of the study" in told
    datasets = [orthanc.dataset(instance) for instance in orthanc.instances()]
    sources = {pydicom.dcmread(file).SOPInstanceUID for file in files}
    results = [dataset for dataset in datasets if dataset.SOPInstanceUID not in sources]
    assert Counter(dataset.Modality for dataset in results) == {"SEG": 5, "SR": 3, "OT": 5}  # a cine has three frames
    assert {dataset.StudyInstanceUID for dataset in results} == {STUDY}
    assert len(json.loads((tmp_path / "out" / "lesions.json").read_text())["images"]) == 5

    assert main([*arguments, "--resume"]) == 0  # sends the same objects again, which are there
    assert len(orthanc.instances()) == before + len(results)


def test_one_series_alone(orthanc, tmp_path):
    write_network(tmp_path / "dark.onnx")
    fill(orthanc, tmp_path / "images")
    assert main(options(orthanc, tmp_path, "--series", SERIES[1])) == 0
    assert len(list((tmp_path / "out" / "received").iterdir())) == 1


def test_an_archive_that_starts_late_is_waited_for(orthanc, tmp_path, capsys):
    write_network(tmp_path / "dark.onnx")
    fill(orthanc, tmp_path / "images")
    orthanc.stop()
    timer = threading.Timer(1.0, orthanc.start)
    timer.start()
    try:
        assert main(options(orthanc, tmp_path, "--tries", "12")) == 0
    finally:
        timer.join()
    assert "tried again" in capsys.readouterr().err


def test_mistakes_about_the_archive_are_told_in_a_line(orthanc, tmp_path, capsys, monkeypatch):
    write_network(tmp_path / "dark.onnx")
    fill(orthanc, tmp_path / "images")
    unknown = [item if item != STUDY else "1.2.3.4.5" for item in options(orthanc, tmp_path)]
    assert main(unknown) == 2
    assert "has no study 1.2.3.4.5" in capsys.readouterr().err
    elsewhere = [item.replace("/dicom-web", "/nothing") for item in options(orthanc, tmp_path)]
    assert main(elsewhere) == 2
    assert "see the address" in capsys.readouterr().err
    monkeypatch.setenv("ORTHANC_PASSWORD", "wrong")
    assert main(options(orthanc, tmp_path)) == 2
    assert "HTTP status 401; see --token-env" in capsys.readouterr().err
