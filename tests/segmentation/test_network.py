"""Test-time augmentation averages the outputs for an image and its mirror; files without settings are refused."""

from pathlib import Path

import numpy as np
import pytest

from salus.errors import SalusError
from salus.segmentation.network import NetworkSettings, predict, prepare_image, read_settings, restrain


def test_the_mean_with_the_mirrored_image_has_a_closed_form():
    """A network that multiplies by a ramp along the columns: the mean of both is half the image."""
    ramp = np.linspace(0, 1, 8, dtype=np.float32)[:, None]

    class Ramp:
        inputs = ("image",)

        def run(self, values):
            x = values["image"]
            scalars = x.mean(axis=(1, 2)) * np.arange(1, len(x) + 1, dtype=np.float32)[:, None]
            return {"probability": x * ramp, "saliency": x * ramp, "presence": scalars, "strangeness": scalars}

    images = np.random.default_rng(0).random((3, 8, 8, 1)).astype(np.float32)
    outputs = predict(Ramp(), images, tta=True)
    np.testing.assert_allclose(outputs["probability"], images / 2, atol=1e-6)
    np.testing.assert_allclose(outputs["saliency"], images / 2, atol=1e-6)
    means = images.mean(axis=(1, 2))
    np.testing.assert_allclose(outputs["presence"], means * [[2.5], [3.5], [4.5]], rtol=1e-5)  # 1, 2, 3 with 4, 5, 6
    np.testing.assert_allclose(outputs["strangeness"], means * [[1], [2], [3]], rtol=1e-5)
    np.testing.assert_allclose(predict(Ramp(), images, tta=False)["probability"], images * ramp)


def test_settings_come_from_the_file_and_other_entries_are_passed_over():
    settings = read_settings({"name": "net", "size": 64, "presence": 0.2, "card": {}}, Path("a.onnx"))
    assert settings == NetworkSettings("net", 64, presence=0.2)
    with pytest.raises(SalusError, match=r"a\.onnx: is no segmentation network"):
        read_settings({"name": "net"}, Path("a.onnx"))


def test_a_restraint_is_one_of_the_files_limits_of_presence():
    settings = NetworkSettings("net", 64, presence=0.3, restraint={"balanced": 0.2})
    limits = [restrain(settings, restraint, Path("a.onnx")).presence for restraint in (None, "none", "balanced")]
    assert limits == [0.3, 0.0, 0.2]
    with pytest.raises(SalusError, match=r"a\.onnx: has no limit of presence for the restraint 'strict'"):
        restrain(settings, "strict", Path("a.onnx"))
    with pytest.raises(SalusError, match="unknown restraint 'some'; choose one of none, balanced, strict"):
        restrain(settings, "some", Path("a.onnx"))


def test_an_image_is_rounded_to_8_bits_at_the_networks_size():
    prepared = prepare_image(np.full((30, 20), 0.3), NetworkSettings("net", 8))
    assert (prepared.shape, prepared.dtype) == ((8, 8, 1), np.float32)
    np.testing.assert_allclose(prepared, round(0.3 * 255) / 255, atol=1e-7)
