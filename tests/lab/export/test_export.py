"""Exported networks, each run by the engine of its format, or in the authors' own graph."""

import hashlib
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from PIL import Image

from salus.cli import main
from salus.data.phantom.make import make_phantom
from salus.engine import SETTINGS, open_network
from salus.errors import SalusError
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder
from salus.lab.benchmark.protocol import Protocol
from salus.lab.export import write
from salus.lab.export.exportable import load_exportable
from salus.lab.export.write import export_network
from salus.lab.networks.registry import build_network, takes_saliency
from salus.lab.networks.store import Card, save_network
from salus.lab.training.checkpoint import FINAL
from salus.segmentation.network import prepare_image
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK

SIZE = 32


def random_network(network: str, size: int = SIZE) -> keras.Model:
    """Build a network whose biases are not zero, so that a missing one is noticed."""
    keras.utils.set_random_seed(4)
    model = build_network(network, size)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


def save_config(run: Path, network: str, size: int = SIZE) -> None:
    """Write the settings of a benchmark of one network."""
    BenchmarkConfig("d", "images", (network,), "file", {}, Protocol(size=size), False, "tensorflow").save(run)


def inputs(n: int, size: int = SIZE) -> list[np.ndarray]:
    return list(np.random.default_rng(1).random((2, n, size, size, 1), np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a saved SA-U-Net, and its outputs for three images with maps."""
    place = tmp_path_factory.mktemp("net") / "ours"
    model = random_network("sa-unet")
    save_network(model, Card("sa-unet", SIZE, 0.4, True, "test"), place)
    return place, model.predict(inputs(3), verbose=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file as `salus train` writes it, with random weights."""
    from salus.lab.networks.segment_net import segment_net
    from salus.lab.segmentation.export import add_strangeness_output, export_segmenter

    keras.utils.set_random_seed(5)
    path = tmp_path_factory.mktemp("trained") / "network.onnx"
    images = np.random.default_rng(2).integers(0, 256, (6, 64, 64), dtype=np.uint8)
    settings = {"name": "../sly name", "size": 64, "temperature": 1.5}
    model, rng = segment_net(64), np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.02, w.shape) for w in model.get_weights()])  # the converter drops zeros
    export_segmenter(add_strangeness_output(model, images), path, settings)
    return path


def test_onnx_takes_any_batch_and_holds_the_preprocessing(folder, tmp_path, capsys):
    import onnxruntime

    place, expected = folder
    assert main(["export", str(place), "--format", "onnx", "-o", str(tmp_path / "a.onnx")]) == 0
    assert "differs from the network by at most" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    assert [(port.name, port.shape) for port in session.get_inputs()] == [
        ("image", ["batch", SIZE, SIZE, 1]),
        ("saliency", ["batch", SIZE, SIZE, 1]),
    ]
    for n in (1, 3):
        arrays = dict(zip(("image", "saliency"), (x[:n] for x in inputs(3)), strict=True))
        (output,) = session.run(["probability"], arrays)
        assert np.abs(output - expected[:n]).max() < 1e-5
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["salus"])
    assert metadata["threshold"] == 0.4
    assert (metadata["preprocessing"]["height"], metadata["preprocessing"]["layout"]) == (SIZE, "NHWC")


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-5), ("float16", 0.02)])
def test_openvino(folder, precision, bound, tmp_path):
    import openvino

    place, expected = folder
    exported = export_network(str(place), "openvino", tmp_path / "a.xml", precision)
    assert [file.name for file in exported.files] == ["a.xml", "a.bin"]
    model = openvino.Core().read_model(tmp_path / "a.xml")
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    output = compiled(dict(zip(("image", "saliency"), inputs(3), strict=True)))["probability"]
    assert np.abs(output - expected).max() < bound
    whole = 4 * build_network("sa-unet", SIZE).count_params()
    assert (tmp_path / "a.bin").stat().st_size == pytest.approx(whole / (2 if precision == "float16" else 1), rel=0.01)
    assert json.loads(model.get_rt_info(["framework", "salus"]).value)["preprocessing"]["divide_by"] == 255


@pytest.mark.parametrize(
    ("precision", "bytes_each", "bound"), [("float32", 4, 1e-5), ("float16", 2, 0.02), ("int8", 1, 0.2)]
)
def test_litert(folder, precision, bytes_each, bound, tmp_path):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    place, expected = folder
    path = tmp_path / "a.tflite"
    exported = export_network(str(place), "litert", path, precision)
    assert exported.difference <= bound
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # the reference kernels, not those that export ran
    network = Interpreter(str(path), experimental_op_resolver_type=plain)
    network.allocate_tensors()
    arrays = {one["name"].split("_")[-1].split(":")[0]: one["index"] for one in network.get_input_details()}
    image, saliency = inputs(3)
    for i in range(3):
        network.set_tensor(arrays["image"], image[i : i + 1])
        network.set_tensor(arrays["saliency"], saliency[i : i + 1])
        network.invoke()
        output = network.get_tensor(network.get_output_details()[0]["index"])
        assert np.abs(output - expected[i : i + 1]).max() < bound
    assert path.stat().st_size == pytest.approx(bytes_each * build_network("sa-unet", SIZE).count_params(), rel=0.05)
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("salus.json"))["threshold"] == 0.4


def authors_network(network: str, size: int) -> keras.Model:
    """Build the graph of the released notebook, written here independently, its repeat a Lambda."""

    def conv(x, k, s=3, **more):
        return layers.Conv2D(k, s, padding="same", **{"activation": "relu", **more})(x)

    image, saliency = keras.Input((size, size, 1)), keras.Input((size, size, 1))
    x, skips, maps = image, [], saliency
    for k in (32, 32, 64, 64):
        x = conv(conv(x, k), k)
        pooled = layers.MaxPooling2D()(x)
        if network == "unet":
            skips.append(x)
            x = pooled
        else:
            skips += [x] if not skips else []
            maps = layers.MaxPooling2D()(maps)
            a = layers.add([conv(maps, 128, 1), conv(x, 128, 1, strides=2)])
            a = conv(conv(conv(a, 128), 128), 1, 1)
            a = layers.Lambda(lambda t: keras.ops.repeat(t, 32, axis=3), output_shape=(*a.shape[1:3], 32))(a)
            x = layers.multiply([layers.Activation("sigmoid")(conv(a, k, 1)), pooled])
            skips.append(x)
    skips = skips[:4]
    x = conv(conv(x, 128), 128)
    for k, skip in zip((64, 64, 32, 32), skips[::-1], strict=True):
        x = layers.concatenate([layers.Conv2DTranspose(k, 2, strides=2)(x), skip])
        x = conv(conv(x, k), k)
    outputs = layers.Conv2D(1, 1, activation="sigmoid")(x)
    return keras.Model(image if network == "unet" else [image, saliency], outputs)


@pytest.mark.parametrize("network", ["unet", "sa-unet"])
def test_keras_files_load_into_the_authors_network(network, tmp_path):
    model = random_network(network)
    part = tmp_path / "run" / network / "fold-2"
    part.mkdir(parents=True)
    model.save_weights(part / FINAL)
    BenchmarkConfig("d", "images", (network,), "file", {}, Protocol(size=SIZE), False, "tensorflow").save(
        tmp_path / "run"
    )
    arrays = inputs(2)[: len(model.inputs)]
    expected = model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
    for ending in (".keras", ".h5", ".weights.h5"):
        exported = export_network(str(part), "keras", tmp_path / f"a{ending}")
        released = authors_network(network, SIZE)
        released.load_weights(exported.files[0])
        assert np.abs(released(arrays if len(arrays) > 1 else arrays[0]) - expected).max() < 1e-6
        if ending != ".weights.h5":  # whole models: without Salus's classes, and without a Lambda
            whole = keras.saving.load_model(exported.files[0], compile=False, safe_mode=True)
            assert np.abs(whole(arrays if len(arrays) > 1 else arrays[0]) - expected).max() < 1e-6


def test_code_that_a_run_names_runs_only_if_allowed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "strangers.py").write_text(
        "from pathlib import Path\nfrom salus.lab.networks.registry import build_network\n"
        "def factory(size):\n    Path(__file__).with_name('ran').touch()\n    return build_network('unet', size)\n"
    )
    name, run = "strangers:factory", tmp_path / "run"
    part = fold_folder(run, name, 1)
    part.mkdir(parents=True)
    model = random_network("unet")
    model.save_weights(part / FINAL)
    save_config(run, name)
    for other in (None, "strangers:another"):
        with pytest.raises(SalusError, match="let it run with --factory strangers:factory"):
            export_network(str(part), "onnx", tmp_path / "a.onnx", factory=other)
    assert not (tmp_path / "ran").exists()
    assert main(["export", str(part), "--format", "onnx", "-o", str(tmp_path / "a.onnx"), "--factory", name]) == 0
    assert (tmp_path / "ran").exists()
    arrays = inputs(1)[0]
    output = open_network(tmp_path / "a.onnx", "onnxruntime").run({"image": arrays})["probability"]
    assert np.abs(output - model.predict(arrays, verbose=0)).max() < 1e-5


@pytest.mark.parametrize("name", ["unet", "unet_sa"])
def test_import_and_export_keep_the_reference_outputs(reference, name, tmp_path):
    from salus.lab.export.import_keras import import_keras

    network, model = import_keras(reference / f"{name}.h5")
    part = tmp_path / "run" / network / "fold-1"
    part.mkdir(parents=True)
    model.save_weights(part / FINAL)
    save_config(tmp_path / "run", network, 256)
    exported = export_network(str(part), "keras", tmp_path / "a.keras")
    known = np.load(reference / f"{name}.npz", allow_pickle=False)
    arrays = [known["image"], known["saliency"]] if takes_saliency(model) else known["image"]
    output = keras.saving.load_model(exported.files[0]).predict(arrays, verbose=0)
    assert np.abs(output - known["probability"]).max() < 1e-5


def test_network_of_salus_train_as_litert(trained, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    exported = export_network(str(trained), "litert", tmp_path / "a.tflite")
    image = inputs(1, 64)[0]
    expected = open_network(trained, "onnxruntime").run({"image": image})
    output = Interpreter(str(exported.files[0])).get_signature_runner()(image=image)
    assert set(output) == set(expected) == {"probability", "saliency", "presence", "strangeness"}
    for name, values in expected.items():
        np.testing.assert_allclose(output[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    with zipfile.ZipFile(exported.files[0]) as archive:
        assert json.loads(archive.read("salus.json"))["temperature"] == 1.5


def test_exported_files_of_salus_train_run_in_salus(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = make_phantom(3).image
    expected = Segmenter(trained)(image).probability
    for kind in ("onnx", "openvino"):
        (file, *_) = export_network(str(trained), kind).files
        assert file.parent.resolve() == tmp_path.resolve()  # whatever the network calls itself
        np.testing.assert_allclose(Segmenter(file)(image).probability, expected, atol=1e-5)
    again = load_exportable(str(tmp_path / "sly-name.onnx")).build_model()  # with the names of its weights
    arrays = inputs(1, 64)[0]
    values = open_network(trained).run({"image": arrays})
    np.testing.assert_allclose(again.predict(arrays, verbose=0)["probability"], values["probability"], atol=1e-5)


def test_preprocessing_in_the_file_is_that_of_the_segmenter(tmp_path):
    (file,) = export_network("shipped", "onnx", tmp_path / "a.onnx").files
    settings = json.loads({p.key: p.value for p in onnx.load(file).metadata_props}[SETTINGS])["preprocessing"]
    image = Image.fromarray(make_phantom(4).image)
    assert settings["keep_aspect"]
    scale = settings["width"] / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    small = np.asarray(image.convert("F").resize(size, Image.Resampling.BILINEAR))
    square = np.zeros((settings["height"], settings["width"]))
    top, left = ((whole - part) // 2 for whole, part in zip(square.shape, small.shape, strict=True))
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    grey = np.rint(square) / (settings["levels"] - 1) * (settings["levels"] - 1) / settings["divide_by"]
    ours = prepare_image(make_phantom(4).image.astype(np.float32) / 255, Segmenter(file).settings)
    assert np.abs(grey[..., None] - ours).max() < 1.01 / 255
    assert np.mean(np.abs(grey[..., None] - ours) > 1e-6) < 0.001  # a half that rounds the other way


def test_file_that_differs_is_refused_and_not_left(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(write.TOLERANCES, "float16", 1e-9)
    with pytest.raises(SalusError, match=r"a\.onnx: differs from .* by .*e-.*, more than 1e-09; not written"):
        export_network(str(folder[0]), "onnx", tmp_path / "a.onnx", "float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["absent", "--format", "onnx"], "absent: no such file or folder"),
        (["empty", "--format", "onnx"], "empty: not a network"),
        (["text.onnx", "--format", "openvino"], "text.onnx: cannot be read"),
        (["cut.onnx", "--format", "litert"], "cut.onnx: cannot be read"),
        (["changed", "--format", "litert"], "its checksum differs"),
        (["odd", "--format", "onnx"], "odd: not a Salus network"),
        (["run/unet/fold-1", "--format", "onnx"], "cannot be read"),
        (["run/other/fold-1", "--format", "onnx"], "not a part of the benchmark"),
        (["shipped", "--format", "keras"], "unet and sa-unet, and this is segment"),
        (["shipped", "--format", "onnx", "-o", "a.tflite"], "onnx files end with .onnx"),
        (["shipped", "--format", "onnx", "--precision", "int8"], "no int8 weights; choose one of float32, float16"),
        (["shipped", "--format", "onnx", "-o", "nowhere/a.onnx"], "nowhere: no such folder"),
        (["shipped", "--format", "onnx", "-o", "text.onnx"], "text.onnx: exists already"),
    ],
)
def test_errors_are_one_line(arguments, part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "cut.onnx").write_bytes(SHIPPED_NETWORK.read_bytes()[:100_000])
    for name in ("changed", "odd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.weights.h5").write_bytes(b"no weights")
    card = {"network": "unet", "size": 32, "threshold": 0.5, "saliency": False, "source": "", "weights_sha256": "0"}
    (tmp_path / "changed" / "network.json").write_text(json.dumps(card))
    checksum = hashlib.sha256(b"no weights").hexdigest()
    (tmp_path / "odd" / "network.json").write_text(json.dumps(card | {"weights_sha256": checksum}))
    for name in ("unet", "other"):
        (tmp_path / "run" / name / "fold-1").mkdir(parents=True)
        (tmp_path / "run" / name / "fold-1" / FINAL).write_bytes(b"no weights")
    save_config(tmp_path / "run", "unet")
    before = sorted(tmp_path.iterdir())
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("salus: ")
    assert error.count("\n") == 1
    assert part in error
    assert sorted(tmp_path.iterdir()) == before
