"""Exported networks, each run by the engine of its format alone, or in the authors' own graph."""

import hashlib
import json
import zipfile

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
from salus.lab.benchmark.config import Settings, part_folder
from salus.lab.benchmark.protocol import Protocol
from salus.lab.export import write
from salus.lab.export.source import open_source
from salus.lab.export.write import export_network
from salus.lab.networks.registry import build_network, takes_saliency
from salus.lab.networks.store import Card, save_network
from salus.lab.training.checkpoint import FINAL
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK

SIZE = 32


def shaken(network: str, size: int = SIZE) -> keras.Model:
    """A network whose biases are not zero, so that a lost one shows."""
    keras.utils.set_random_seed(4)
    model = build_network(network, size)
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
    return model


def inputs(n: int, size: int = SIZE) -> list[np.ndarray]:
    return list(np.random.default_rng(1).random((2, n, size, size, 1), np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved SA-U-Net, and what it answers to three images with maps."""
    place = tmp_path_factory.mktemp("net") / "ours"
    model = shaken("sa-unet")
    save_network(model, Card("sa-unet", SIZE, 0.4, True, "test"), place)
    return place, model.predict(inputs(3), verbose=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file as `salus train` writes it, of random weights."""
    from salus.lab.networks.segment_net import segment_net
    from salus.lab.segmentation.export import export_segmenter, with_strangeness

    keras.utils.set_random_seed(5)
    path = tmp_path_factory.mktemp("trained") / "network.onnx"
    images = np.random.default_rng(2).integers(0, 256, (6, 64, 64), dtype=np.uint8)
    settings = {"name": "../sly name", "size": 64, "temperature": 1.5}
    model, rng = segment_net(64), np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.02, w.shape) for w in model.get_weights()])  # the converter drops zeros
    export_segmenter(with_strangeness(model, images), path, settings)
    return path


def test_onnx_takes_any_batch_and_says_how_images_are_prepared(folder, tmp_path, capsys):
    import onnxruntime

    place, wanted = folder
    assert main(["export", str(place), "--format", "onnx", "-o", str(tmp_path / "a.onnx")]) == 0
    assert "differs from the network by at most" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("image", ["batch", SIZE, SIZE, 1]),
        ("saliency", ["batch", SIZE, SIZE, 1]),
    ]
    for n in (1, 3):
        given = dict(zip(("image", "saliency"), (x[:n] for x in inputs(3)), strict=True))
        (found,) = session.run(["probability"], given)
        assert np.abs(found - wanted[:n]).max() < 1e-5
    kept = json.loads(session.get_modelmeta().custom_metadata_map["salus"])
    assert (kept["threshold"], kept["preprocessing"]["height"], kept["preprocessing"]["layout"]) == (0.4, SIZE, "NHWC")


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-5), ("float16", 0.02)])
def test_openvino(folder, precision, bound, tmp_path):
    import openvino

    place, wanted = folder
    made = export_network(str(place), "openvino", tmp_path / "a.xml", precision)
    assert [file.name for file in made.files] == ["a.xml", "a.bin"]
    model = openvino.Core().read_model(tmp_path / "a.xml")
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(dict(zip(("image", "saliency"), inputs(3), strict=True)))["probability"]
    assert np.abs(found - wanted).max() < bound
    whole = 4 * build_network("sa-unet", SIZE).count_params()
    assert (tmp_path / "a.bin").stat().st_size == pytest.approx(whole / (2 if precision == "float16" else 1), rel=0.01)
    assert json.loads(model.get_rt_info(["framework", "salus"]).value)["preprocessing"]["divide_by"] == 255


@pytest.mark.parametrize(
    ("precision", "bytes_each", "bound"), [("float32", 4, 1e-5), ("float16", 2, 0.02), ("int8", 1, 0.2)]
)
def test_litert(folder, precision, bytes_each, bound, tmp_path):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    place, wanted = folder
    path = tmp_path / "a.tflite"
    made = export_network(str(place), "litert", path, precision)
    assert made.difference <= bound
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # the reference kernels, not those that export ran
    network = Interpreter(str(path), experimental_op_resolver_type=plain)
    network.allocate_tensors()
    given = {one["name"].split("_")[-1].split(":")[0]: one["index"] for one in network.get_input_details()}
    image, saliency = inputs(3)
    for i in range(3):
        network.set_tensor(given["image"], image[i : i + 1])
        network.set_tensor(given["saliency"], saliency[i : i + 1])
        network.invoke()
        found = network.get_tensor(network.get_output_details()[0]["index"])
        assert np.abs(found - wanted[i : i + 1]).max() < bound
    assert path.stat().st_size == pytest.approx(bytes_each * build_network("sa-unet", SIZE).count_params(), rel=0.05)
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("salus.json"))["threshold"] == 0.4


def authors(network: str, size: int) -> keras.Model:
    """The released notebook's graph, its repeat a Lambda, written here once more."""

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
    model = shaken(network)
    part = tmp_path / "run" / network / "fold-2"
    part.mkdir(parents=True)
    model.save_weights(part / FINAL)
    Settings("d", "images", (network,), "file", {}, Protocol(size=SIZE), False, "tensorflow").save(tmp_path / "run")
    given = inputs(2)[: len(model.inputs)]
    wanted = model.predict(given if len(given) > 1 else given[0], verbose=0)
    for ending in (".keras", ".h5", ".weights.h5"):
        made = export_network(str(part), "keras", tmp_path / f"a{ending}")
        theirs = authors(network, SIZE)
        theirs.load_weights(made.files[0])
        assert np.abs(theirs(given if len(given) > 1 else given[0]) - wanted).max() < 1e-6
        if ending != ".weights.h5":  # whole models: without Salus's classes, and without a Lambda
            whole = keras.saving.load_model(made.files[0], compile=False, safe_mode=True)
            assert np.abs(whole(given if len(given) > 1 else given[0]) - wanted).max() < 1e-6


def test_code_that_a_run_names_runs_only_where_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "strangers.py").write_text(
        "from pathlib import Path\nfrom salus.lab.networks.registry import build_network\n"
        "def factory(size):\n    Path(__file__).with_name('ran').touch()\n    return build_network('unet', size)\n"
    )
    name, run = "strangers:factory", tmp_path / "run"
    part = part_folder(run, name, 1)
    part.mkdir(parents=True)
    model = shaken("unet")
    model.save_weights(part / FINAL)
    Settings("d", "images", (name,), "file", {}, Protocol(size=SIZE), False, "tensorflow").save(run)
    for other in (None, "strangers:another"):
        with pytest.raises(SalusError, match="let it run with --factory strangers:factory"):
            export_network(str(part), "onnx", tmp_path / "a.onnx", factory=other)
    assert not (tmp_path / "ran").exists()
    assert main(["export", str(part), "--format", "onnx", "-o", str(tmp_path / "a.onnx"), "--factory", name]) == 0
    assert (tmp_path / "ran").exists()
    given = inputs(1)[0]
    found = open_network(tmp_path / "a.onnx", "onnxruntime").run({"image": given})["probability"]
    assert np.abs(found - model.predict(given, verbose=0)).max() < 1e-5


@pytest.mark.parametrize("name", ["unet", "unet_sa"])
def test_the_reference_answers_survive_the_way_through_salus(reference, name, tmp_path):
    from salus.lab.export.import_keras import import_keras

    network, model = import_keras(reference / f"{name}.h5")
    part = tmp_path / "run" / network / "fold-1"
    part.mkdir(parents=True)
    model.save_weights(part / FINAL)
    Settings("d", "images", (network,), "file", {}, Protocol(), False, "tensorflow").save(tmp_path / "run")
    made = export_network(str(part), "keras", tmp_path / "a.keras")
    known = np.load(reference / f"{name}.npz", allow_pickle=False)
    given = [known["image"], known["saliency"]] if takes_saliency(model) else known["image"]
    found = keras.saving.load_model(made.files[0]).predict(given, verbose=0)
    assert np.abs(found - known["probability"]).max() < 1e-5


def test_a_trained_network_as_litert(trained, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    made = export_network(str(trained), "litert", tmp_path / "a.tflite")
    image = inputs(1, 64)[0]
    wanted = open_network(trained, "onnxruntime").run({"image": image})
    found = Interpreter(str(made.files[0])).get_signature_runner()(image=image)
    assert set(found) == set(wanted) == {"probability", "saliency", "presence", "strangeness"}
    for name, right in wanted.items():
        np.testing.assert_allclose(found[name], right, rtol=1e-4, atol=1e-5, err_msg=name)
    with zipfile.ZipFile(made.files[0]) as archive:
        assert json.loads(archive.read("salus.json"))["temperature"] == 1.5


def test_a_trained_networks_other_files_serve_salus_itself(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = make_phantom(3).image
    wanted = Segmenter(trained)(image).probability
    for kind in ("onnx", "openvino"):
        (file, *_) = export_network(str(trained), kind).files
        assert file.parent.resolve() == tmp_path.resolve()  # whatever the network calls itself
        np.testing.assert_allclose(Segmenter(file)(image).probability, wanted, atol=1e-5)
    again = open_source(str(tmp_path / "sly-name.onnx")).model()  # its weights are still found
    given = inputs(1, 64)[0]
    right = open_network(trained).run({"image": given})
    np.testing.assert_allclose(again.predict(given, verbose=0)["probability"], right["probability"], atol=1e-5)


def test_the_shipped_network_is_prepared_for_as_its_file_says(tmp_path):
    (file,) = export_network("shipped", "onnx", tmp_path / "a.onnx").files
    told = json.loads({p.key: p.value for p in onnx.load(file).metadata_props}[SETTINGS])["preprocessing"]
    image = Image.fromarray(make_phantom(4).image)
    image = image.convert("F").resize((told["width"], told["height"]), Image.Resampling.BILINEAR)
    grey = np.rint(np.asarray(image)) / (told["levels"] - 1) * (told["levels"] - 1) / told["divide_by"]
    ours = Segmenter(file)._prepare(make_phantom(4).image.astype(np.float32) / 255)
    assert np.abs(grey[..., None] - ours).max() < 1.01 / 255
    assert np.mean(np.abs(grey[..., None] - ours) > 1e-6) < 0.001  # a half that rounds the other way


def test_what_differs_is_refused_and_leaves_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(write.BOUNDS, "float16", 1e-9)
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
def test_mistakes_and_damage_are_one_line(arguments, part, tmp_path, monkeypatch, capsys):
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
    Settings("d", "images", ("unet",), "file", {}, Protocol(size=32), False, "tensorflow").save(tmp_path / "run")
    before = sorted(tmp_path.iterdir())
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("salus: ")
    assert error.count("\n") == 1
    assert part in error
    assert sorted(tmp_path.iterdir()) == before
