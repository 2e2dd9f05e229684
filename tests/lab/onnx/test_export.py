"""Export of a Keras model as an ONNX file: names, free batch, settings, and the comparison with the model."""

import keras
import numpy as np
import onnx
import pytest

from salus.engine import open_network
from salus.errors import SalusError
from salus.lab.onnx.export import export_onnx


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    probability = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(image)
    return keras.Model(image, [probability, keras.layers.GlobalAveragePooling2D()(probability)])


def test_the_file_has_named_outputs_a_free_batch_and_its_settings(model, tmp_path):
    path = tmp_path / "network.onnx"
    assert export_onnx(model, path, ["probability", "presence"], {"size": 8}, 1e-5) < 1e-5
    assert {prop.key: prop.value for prop in onnx.load(path).metadata_props} == {"salus": '{"size": 8}'}
    images = np.random.default_rng(1).random((3, 8, 8, 1), np.float32)
    outputs = open_network(path).run({"image": images})
    expected = model.predict(images, verbose=0)
    for name, values in zip(("probability", "presence"), expected, strict=True):
        np.testing.assert_allclose(outputs[name], values, atol=1e-5)


def test_a_file_that_differs_from_the_model_is_refused(model, tmp_path):
    with pytest.raises(SalusError, match="differs from the network by"):
        export_onnx(model, tmp_path / "network.onnx", ["probability", "presence"], {}, -1.0)
