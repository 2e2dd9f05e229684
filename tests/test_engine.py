"""Both engines give the same numbers and the same errors, on a network whose outputs are known."""

import importlib.util
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from salus import engine
from salus.engine import ENGINES, open_network, speed_test
from salus.errors import SalusError
from salus.precision import PrecisionTimes

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")


def write_network(path, settings='{"name": "affine", "size": 4}'):
    """Write a network of outputs a = 2 image + 1 and b = a squared, with a batch axis of free size."""
    constants = [helper.make_tensor("two", 1, [1], [2.0]), helper.make_tensor("one", 1, [1], [1.0])]
    nodes = [
        helper.make_node("Mul", ["image", "two"], ["x"]),
        helper.make_node("Add", ["x", "one"], ["a"]),
        helper.make_node("Mul", ["a", "a"], ["b"]),
    ]
    value = lambda n: helper.make_tensor_value_info(n, 1, ["n", 4, 4, 1])  # noqa: E731
    graph = helper.make_graph(nodes, "g", [value("image")], [value("b"), value("a")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if settings is not None:
        helper.set_model_props(model, {"salus": settings})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("streams", [1, 2])
def test_outputs_are_right_and_by_name(tmp_path, name, streams):
    network = open_network(write_network(tmp_path / "a.onnx"), name, streams=streams)
    assert (network.engine, set(network.outputs), network.inputs) == (name, {"a", "b"}, {"image": (None, 4, 4, 1)})
    assert network.settings == {"name": "affine", "size": 4}
    for n in (1, 3):
        image = np.random.default_rng(n).random((n, 4, 4, 1), np.float32)
        outputs = network.run({"image": image})
        np.testing.assert_allclose(outputs["a"], 2 * image + 1, atol=1e-6)
        np.testing.assert_allclose(outputs["b"], (2 * image + 1) ** 2, atol=1e-5)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("streams", [1, 2])
def test_threads_do_not_mix_their_results_and_results_are_their_own(tmp_path, name, streams):
    network = open_network(write_network(tmp_path / "a.onnx"), name, threads=2, streams=streams)
    images = [np.full((1, 4, 4, 1), i, np.float32) for i in range(200)]
    with ThreadPoolExecutor(6) as pool:
        outputs = list(pool.map(lambda image: network.run({"image": image})["a"], images))
    for i, output in enumerate(outputs):
        assert (output == 2 * i + 1).all()
        output += 1  # writable


@pytest.mark.parametrize("name", ENGINES)
def test_settings_are_empty_where_the_file_has_none_and_damaged_ones_are_an_error(tmp_path, name):
    assert open_network(write_network(tmp_path / "a.onnx", None), name).settings == {}
    for text in ("{", "[1]", "3"):
        with pytest.raises(SalusError, match="export the network again"):
            open_network(write_network(tmp_path / "b.onnx", text), name)


@pytest.mark.parametrize("name", ENGINES)
def test_missing_empty_cut_and_foreign_files_are_errors_of_one_line(tmp_path, name):
    whole = write_network(tmp_path / "a.onnx").read_bytes()
    for content in (b"", b"no network", whole[: len(whole) // 2], b"\x89PNG\r\n\x1a\n" * 20):
        (tmp_path / "b.onnx").write_bytes(content)
        with pytest.raises(SalusError, match=r"b\.onnx: cannot be read as a network") as error:
            open_network(tmp_path / "b.onnx", name)
        assert "\n" not in str(error.value)
    with pytest.raises(SalusError, match="no such file"):
        open_network(tmp_path, name)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"engine": "odd"}, "unknown engine 'odd'; choose one of auto, openvino, onnxruntime"),
        ({"precision": "int8"}, "unknown precision"),
        ({"device": "tpu"}, "unknown device"),
        ({"device": "cuda:x"}, "unknown device"),
        ({"device": "cpu:1"}, "unknown device"),
        ({"engine": "openvino", "device": "cuda:1"}, "--runtime onnxruntime"),
        ({"engine": "openvino", "device": "gpu"}, "--runtime onnxruntime"),
        ({"engine": "onnxruntime", "precision": "bfloat16"}, "bfloat16 is OpenVINO's"),
    ],
)
def test_wrong_options_are_errors_that_say_what_to_do(tmp_path, options, part):
    with pytest.raises(SalusError, match=part):
        open_network(write_network(tmp_path / "a.onnx"), **options)


def test_a_missing_gpu_is_an_error(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    if set(engine.GPU_PROVIDERS) & set(onnxruntime.get_available_providers()):
        pytest.skip("there is a GPU")
    for device in ("gpu", "cuda", "cuda:1"):
        with pytest.raises(SalusError, match="sees no GPU"):
            open_network(write_network(tmp_path / "a.onnx"), device=device)


@pytest.mark.parametrize(
    ("device", "available", "first"),
    [
        ("gpu", ["CUDAExecutionProvider"], ("CUDAExecutionProvider", {"device_id": 0, "use_tf32": 0})),
        ("gpu", ["CoreMLExecutionProvider"], "CoreMLExecutionProvider"),
        ("cuda", ["CUDAExecutionProvider"], ("CUDAExecutionProvider", {"device_id": 0, "use_tf32": 0})),
        ("cuda:1", ["CUDAExecutionProvider"], ("CUDAExecutionProvider", {"device_id": 1, "use_tf32": 0})),
    ],
)
def test_a_device_is_asked_of_its_provider_and_falling_back_is_an_error(
    tmp_path, monkeypatch, device, available, first
):
    """ONNX Runtime runs on the processor where its GPU provider does not start, as with a driver of another version."""
    onnxruntime = pytest.importorskip("onnxruntime")
    real, asked = onnxruntime.InferenceSession, []

    def session(path, options, providers):
        asked.append(providers)
        return real(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*available, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with pytest.raises(SalusError, match=f"the device {device} cannot be used"):
        open_network(write_network(tmp_path / "a.onnx"), device=device)
    assert asked == [[first, "CPUExecutionProvider"]]


def test_auto_takes_the_first_engine_that_is_installed(tmp_path, monkeypatch):
    path, real = write_network(tmp_path / "a.onnx"), importlib.util.find_spec
    assert open_network(path).engine == "openvino"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else real(name))
    assert open_network(path).engine == "onnxruntime"
    with pytest.raises(SalusError, match="openvino is not installed; pip install openvino"):
        open_network(path, "openvino")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SalusError, match="pip install openvino"):
        open_network(path)
    with pytest.raises(SalusError, match=r'pip install "salus\[gpu\]"'):
        open_network(path, device="gpu")


@pytest.mark.parametrize("name", ENGINES)
def test_settings_are_read_from_the_metadata(tmp_path, name):
    settings = {"name": "für", "card": {"dice": 0.5, "list": [1, None]}}
    assert open_network(write_network(tmp_path / "a.onnx", json.dumps(settings)), name).settings == settings


def test_a_network_with_a_number_of_threads_is_not_pinned_to_cores(tmp_path):
    """Pinned, all processes on a machine would work on its first cores."""
    pytest.importorskip("openvino")
    network = open_network(write_network(tmp_path / "a.onnx"), "openvino", threads=1)
    assert network.compiled.get_property("ENABLE_CPU_PINNING") is False


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_fixed_number_of_images_a_call_takes_any_batch(tmp_path, size):
    pytest.importorskip("openvino")
    asked = []
    network = open_network(
        write_network(tmp_path / "a.onnx"), "openvino", images_a_call=lambda settings: asked.append(settings) or size
    )
    assert asked == [network.settings]
    assert network.inputs == {"image": (None, 4, 4, 1)}
    for n in (1, 2, 3, 7):
        image = np.random.default_rng(n).random((n, 4, 4, 1), np.float32)
        np.testing.assert_allclose(network.run({"image": image})["b"], (2 * image + 1) ** 2, atol=1e-5)


@pytest.mark.parametrize(
    ("fastest", "settings", "precision"),
    [
        ("bfloat16", {"bfloat16_holds": True}, "bfloat16"),
        ("float32", {"bfloat16_holds": True}, "float32"),
        ("bfloat16", {"bfloat16_holds": False}, "float32"),
        ("bfloat16", {"bfloat16_holds": 1}, "float32"),
        ("bfloat16", {}, "float32"),
    ],
)
def test_auto_is_bfloat16_where_it_is_faster_and_the_file_says_that_results_stay(
    tmp_path, monkeypatch, fastest, settings, precision
):
    pytest.importorskip("openvino")
    times = PrecisionTimes({"float32": 2.0, "bfloat16": 1.0 if fastest == "bfloat16" else 3.0})
    monkeypatch.setattr(speed_test, "measure_precisions", lambda: times)
    path = write_network(tmp_path / "a.onnx", json.dumps(settings))
    assert open_network(path, "openvino", precision="auto").precision == precision


def test_the_precision_in_force_is_told(tmp_path):
    core = pytest.importorskip("openvino").Core()
    path = write_network(tmp_path / "a.onnx")
    has_bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert open_network(path, "openvino").precision == "float32"
    assert open_network(path, "openvino", precision="bfloat16").precision == ("bfloat16" if has_bfloat16 else "float32")
    if importlib.util.find_spec("onnxruntime"):
        assert open_network(path, "onnxruntime", precision="auto").precision == "float32"


def test_openvino_keeps_its_converter_for_other_code():
    """It is loaded on first use alone, as it takes longer to import than the rest."""
    pytest.importorskip("openvino")
    code = (
        "import sys\nfrom salus.engine.openvino_import import import_openvino\nopenvino = import_openvino()\n"
        "print('openvino.tools.ovc' in sys.modules, hasattr(openvino, 'odd'))\n"
        "print(openvino.convert_model.__name__)\nfrom openvino.tools.ovc import convert_model"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "convert_model"]
