"""`salus info` is right, complete, and loads neither NumPy nor an engine."""

import hashlib
import json
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from salus import __version__, environment, processor
from salus.cli import main
from salus.environment import Info, ShippedNetwork, check_shipped_networks, collect_info, render_info

CPUINFO = (
    "processor : 0\nmodel name\t: A Chip 9\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor : 1\nflags : odd\n"
)


@pytest.fixture
def shipped(tmp_path):
    """Make a folder of three networks: intact, changed since its checksum was taken, and listed on no card."""
    for name, content in (("saliency.onnx", b"whole"), ("segment.onnx", b"changed"), ("other.onnx", b"?")):
        (tmp_path / name).write_bytes(content)
    checksum = hashlib.sha256(b"whole").hexdigest()
    (tmp_path / "weights.json").write_text(json.dumps({"sha256": {"saliency.onnx": checksum, "prior.npz": "0"}}))
    (tmp_path / "segment.json").write_text(json.dumps({"sha256": checksum}))
    return tmp_path


def test_networks_are_compared_with_their_checksums(shipped):
    assert check_shipped_networks(shipped) == (
        ShippedNetwork("other.onnx", 1, None),
        ShippedNetwork("saliency.onnx", 5, True),
        ShippedNetwork("segment.onnx", 7, False),
    )


@pytest.mark.parametrize("card", ["", "[1]", "{}", '{"sha256": null}', '{"sha256": 3}', b"\xff"])
def test_no_network_is_intact_by_a_damaged_card(shipped, card):
    (shipped / "weights.json").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert not next(n for n in check_shipped_networks(shipped) if n.name == "saliency.onnx").intact


def test_a_package_without_networks_is_described_so(tmp_path):
    assert collect_info(tmp_path / "absent").networks == ()
    assert "none shipped" in render_info(collect_info(tmp_path / "absent"))


def test_the_processor_is_read_from_the_first_core(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert (processor.processor_flags(), processor.processor_features()) == ([], None)
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    assert processor.processor_name() == "A Chip 9"
    assert processor.processor_features() == {"avx2": True, "avx512": True, "bf16": True, "amx": False}
    assert processor.processor_cores() >= 1


def test_the_text_table():
    versions = {"salus": "1", "python": "3", "numpy": "2"}
    networks = (ShippedNetwork("a.onnx", 14_000_000, True), ShippedNetwork("b.onnx", 1, False))
    text = render_info(Info(versions, "Chip", 2, None, {"openvino": "5", "onnxruntime": None}, networks))
    assert text.splitlines() == [
        "salus        1",
        "python       3",
        "numpy        2",
        "processor    Chip, 2 cores",
        "features     not known",
        "openvino     5",
        "onnxruntime  not installed",
        "precision    not measured yet; salus info --measure does",
        "a.onnx       14.0 MB, checksum ok",
        "b.onnx       0.0 MB, DAMAGED, install Salus again",
    ]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        ({"float32": 9.0, "bfloat16": 5.0}, "bfloat16 is the faster here (bfloat16 1.8 times as fast, float32 1)"),
        ({"float32": 5.0, "bfloat16": 10.0}, "float32 is the faster here (bfloat16 0.5 times as fast, float32 1)"),
        ({"float32": 5.0}, "float32 is the only one here"),
    ],
)
def test_the_faster_precision_is_shown(milliseconds, text):
    info = Info({"salus": "1"}, "Chip", 2, None, {}, (), milliseconds)
    assert f"precision  {text}" in render_info(info).splitlines()


def test_precisions_are_measured_on_request_and_then_known(tmp_path, monkeypatch, capsys):
    pytest.importorskip("openvino")
    if sys.platform != "linux":
        pytest.skip("XDG_CACHE_HOME is Linux's")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    contents = []
    for options in ([], ["--measure"], []):
        assert main(["info", "--json", *options]) == 0
        contents.append(json.loads(capsys.readouterr().out)["precisions"])
    assert contents[0] is None
    assert contents[1] == contents[2]
    assert contents[1]["float32"] > 0


def test_an_engine_under_another_package_name_is_installed_and_a_missing_one_is_not(monkeypatch):
    def find_no_version(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(environment, "find_spec", lambda name: object() if name == "onnxruntime" else None)
    monkeypatch.setattr(environment, "version", find_no_version)
    assert collect_info().engines == {"openvino": None, "onnxruntime": "installed"}


def test_the_command_prints_json(capsys):
    assert main(["info", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["versions"]["salus"] == __version__
    assert set(content["engines"]) == {"openvino", "onnxruntime"}


def test_nothing_heavy_is_loaded_and_it_is_fast():
    code = "import sys\nfrom salus.cli import main\nmain(['info'])\nprint(*sys.modules, file=sys.stderr)"
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert not {"numpy", "scipy", "openvino", "onnxruntime", "keras"} & set(done.stderr.split())
    assert min(times) < 0.3  # seconds of processor time, so that a busy machine does not count
