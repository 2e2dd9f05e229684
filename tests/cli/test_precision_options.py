"""One run keeps to one precision, which its files tell; and devices that are none are told before any work."""

import json

import pytest
from PIL import Image

from salus import make_phantom
from salus.cli import main
from salus.pipeline.journal import read_journal

core = pytest.importorskip("openvino").Core()
HAS_BFLOAT16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(make_phantom(3).image).save(path)
    return path


def precision(out):
    return read_journal(out / "journal.jsonl")[0]["precision"]


def test_the_shipped_network_computes_in_float32_and_the_report_says_so(scan, tmp_path):
    assert main(["segment", str(scan), "-o", str(tmp_path / "out"), "--report"]) == 0
    settings = json.loads((tmp_path / "out" / "report.json").read_text())["settings"]
    assert settings["precision"] == precision(tmp_path / "out") == "float32"


def test_a_resumed_run_keeps_its_precision(scan, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["segment", str(scan), "-o", str(out), "--precision", "bfloat16"]) == 0
    first = precision(out)
    assert first == ("bfloat16" if HAS_BFLOAT16 else "float32")
    assert main(["segment", str(scan), "-o", str(out), "--resume"]) == 0
    assert precision(out) == first
    assert "1 of them kept from before" in capsys.readouterr().out
    if HAS_BFLOAT16:
        assert main(["segment", str(scan), "-o", str(out), "--resume", "--precision", "float32"]) == 2
        assert "another precision" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["segment", "SCAN", "-o", "OUT", "--device", "tpu"], "unknown device 'tpu'"),
        (["saliency", "SCAN", "-o", "OUT", "--device", "tpu"], "unknown device 'tpu'"),
        (["saliency", "SCAN", "-o", "OUT", "--device", "cuda", "--method", "prior"], "runs on the processor alone"),
        (["evaluate", "--network", "shipped", "DATA", "--device", "cuda:x"], "unknown device 'cuda:x'"),
        (["evaluate", "--network", "shipped", "DATA", "--precision", "bfloat16", "--device", "cuda"], None),
    ],
)
def test_a_device_that_is_none_is_a_mistake_of_one_line(scan, tmp_path, capsys, command, message):
    data = tmp_path / "data"
    for folder, values in (("images", make_phantom(3).image), ("masks", make_phantom(3).mask)):
        (data / folder).mkdir(parents=True)
        Image.fromarray(values.astype("uint8") * (255 if folder == "masks" else 1)).save(data / folder / "a.png")
    places = {"SCAN": scan, "OUT": tmp_path / "out", "DATA": data}
    assert main([str(places.get(word, word)) for word in command]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message is None or message in error
