"""Weights imported from Keras files give the outputs of the authors' graph."""

import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from salus.errors import SalusError
from salus.lab.export.import_keras import import_keras, read_weights
from salus.lab.networks.originals import original

SIZE = 64


def inputs_of(model: keras.Model) -> list[np.ndarray] | np.ndarray:
    rng = np.random.default_rng(3)
    x = [rng.random((2, SIZE, SIZE, 1), np.float32) for _ in model.inputs]
    return x if len(x) > 1 else x[0]


@pytest.fixture(params=["unet", "sa-unet"])
def pair(request):
    keras.utils.set_random_seed(4)
    model = original(request.param, SIZE)
    for weight in model.weights:  # biases too
        weight.assign(weight + np.random.default_rng(0).normal(0, 0.02, weight.shape))
    return request.param, model


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_imported_network_equals_the_original(pair, ending, tmp_path):
    name, model = pair
    path = tmp_path / f"theirs{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    network, ours = import_keras(path, SIZE)
    assert network == name
    x = inputs_of(model)
    assert np.abs(ours.predict(x, verbose=0) - model.predict(x, verbose=0)).max() < 1e-6


def test_layer_numbers_that_do_not_start_at_zero(tmp_path):
    """A second model's layers are numbered on: conv2d_9 must come before conv2d_10."""
    keras.backend.clear_session()
    original("unet", 16)
    model = original("unet", SIZE)
    path = tmp_path / "late.h5"
    model.save(path)
    _, ours = import_keras(path, SIZE)
    x = inputs_of(model)
    assert np.abs(ours.predict(x, verbose=0) - model.predict(x, verbose=0)).max() < 1e-6


@pytest.mark.parametrize("file", ["unet.h5", "unet.keras", "unet_sa.h5", "unet_sa.keras"])
def test_reference_files_give_the_reference_outputs(reference, file):
    _, model = import_keras(reference / file)
    known = np.load(reference / f"{Path(file).stem}.npz", allow_pickle=False)
    given = [known["image"], known["saliency"]] if len(model.inputs) == 2 else known["image"]
    assert np.abs(model.predict(given, verbose=0) - known["probability"]).max() < 1e-5


def test_a_stored_lambda_is_never_run(tmp_path):
    """A .keras file whose configuration would run code: only its arrays are read."""
    model = original("unet", 16)
    clean, bad = tmp_path / "clean.keras", tmp_path / "bad.keras"
    model.save(clean)
    with zipfile.ZipFile(clean) as a, zipfile.ZipFile(bad, "w") as b:
        b.writestr("model.weights.h5", a.read("model.weights.h5"))
        b.writestr("metadata.json", "{}")
        b.writestr("config.json", '{"class_name": "Lambda", "config": {"function": "raise SystemExit"}}')
    assert len(read_weights(bad)) == 23


def test_other_files_are_refused(tmp_path):
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    other.save(tmp_path / "other.keras")
    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    zipfile.ZipFile(tmp_path / "empty.keras", "w").close()
    whole = tmp_path / "whole.h5"
    original("unet", 16).save(whole)
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for name in ("other.keras", "text.h5", "empty.h5", "empty.keras", "cut.h5", "absent.h5"):
        with pytest.raises(SalusError, match=name) as error:
            import_keras(tmp_path / name)
        assert "\n" not in str(error.value)


def test_right_number_of_parameters_in_wrong_shapes_is_refused(tmp_path):
    """717,313 parameters in one dense layer are no U-Net."""
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"], group["1"] = np.zeros((1, 717_312), np.float32), np.zeros(1, np.float32)
    with pytest.raises(SalusError, match="no further kernel"):
        import_keras(tmp_path / "odd.h5")
