"""`salus info`: right, complete, and without loading anything heavy."""

import hashlib
import json
import resource
import subprocess
import sys

import pytest

from salus import __version__, processor
from salus import environment as info
from salus.cli import main
from salus.environment import Info, ShippedNetwork, gather, render, shipped_networks

CPUINFO = (
    "processor : 0\nmodel name\t: A Chip 9\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor : 1\nflags : odd\n"
)


@pytest.fixture
def shipped(tmp_path):
    """Three networks: whole, changed since its checksum was taken, and one that no card knows."""
    for name, content in (("saliency.onnx", b"whole"), ("segment.onnx", b"changed"), ("other.onnx", b"?")):
        (tmp_path / name).write_bytes(content)
    checksum = hashlib.sha256(b"whole").hexdigest()
    (tmp_path / "weights.json").write_text(json.dumps({"sha256": {"saliency.onnx": checksum, "prior.npz": "0"}}))
    (tmp_path / "segment.json").write_text(json.dumps({"sha256": checksum}))
    return tmp_path


def test_networks_are_compared_with_their_checksums(shipped):
    assert shipped_networks(shipped) == (
        ShippedNetwork("other.onnx", 1, None),
        ShippedNetwork("saliency.onnx", 5, True),
        ShippedNetwork("segment.onnx", 7, False),
    )


@pytest.mark.parametrize("card", ["", "[1]", "{}", '{"sha256": null}', '{"sha256": 3}', b"\xff"])
def test_a_damaged_card_states_nothing_good(shipped, card):
    (shipped / "weights.json").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert not next(n for n in shipped_networks(shipped) if n.name == "saliency.onnx").intact


def test_a_package_without_networks_says_so(tmp_path):
    assert gather(tmp_path / "absent").networks == ()
    assert "none shipped" in render(gather(tmp_path / "absent"))


def test_the_processor_is_read_from_the_first_core(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert (processor.processor_flags(), processor.processor_features()) == ([], None)
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert processor.processor_name() == "A Chip 9"
    assert processor.processor_features() == {"avx2": True, "avx512": True, "bf16": True, "amx": False}
    assert processor.processor_cores() >= 1


def test_what_is_printed():
    versions = {"salus": "1", "python": "3", "numpy": "2"}
    networks = (ShippedNetwork("a.onnx", 14_000_000, True), ShippedNetwork("b.onnx", 1, False))
    text = render(Info(versions, "Chip", 2, None, {"openvino": "5", "onnxruntime": None}, networks))
    assert text.splitlines() == [
        "salus        1",
        "python       3",
        "numpy        2",
        "processor    Chip, 2 cores",
        "features     not known",
        "openvino     5",
        "onnxruntime  not installed",
        "a.onnx       14.0 MB, checksum ok",
        "b.onnx       0.0 MB, DAMAGED, install Salus again",
    ]


def test_an_engine_without_metadata_and_a_missing_one(monkeypatch):
    monkeypatch.setattr(info, "find_spec", lambda name: object() if name == "json" else None)
    assert info._version("json") == "installed"
    assert info._version("openvino") is None


def test_the_command_prints_json(capsys):
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["salus"] == __version__
    assert set(found["engines"]) == {"openvino", "onnxruntime"}


def test_nothing_heavy_is_loaded_and_it_is_fast():
    code = "import sys\nfrom salus.cli import main\nmain(['info'])\nprint(*sys.modules, file=sys.stderr)"
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert not {"numpy", "scipy", "openvino", "onnxruntime", "keras"} & set(done.stderr.split())
    assert min(times) < 0.3  # processor time: what a machine with nothing else to do takes
