"""Test-time augmentation averages the outputs of several passes; files without settings are refused."""

from pathlib import Path

import numpy as np
import pytest
from tests.prompts.networks import SIDE, write_prompt_network

from salus.engine import open_network
from salus.errors import SalusError
from salus.segmentation.network import NetworkSettings, predict, prepare_image, read_settings, restrain
from salus.segmentation.strangeness_memory import StrangenessMemory


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


@pytest.mark.parametrize("tta", [False, True])
def test_refine_gives_the_network_its_own_answer_where_there_is_no_prompt(tmp_path, tta):
    network = open_network(write_prompt_network(tmp_path / "a.onnx"))
    dark = np.random.default_rng(1).random((2, SIDE, SIDE, 1), np.float32)
    prompts = np.zeros_like(dark)
    prompts[1, 4:9, 4:9] = 1
    once = predict(network, 1 - dark, tta, prompts)
    np.testing.assert_allclose(once["probability"][0], dark[0] / 2, atol=1e-6)
    refined = predict(network, 1 - dark, tta, prompts, refine=True)
    np.testing.assert_allclose(refined["probability"][0], (dark[0] / 2 + dark[0] * 3 / 4) / 2, atol=1e-6)
    np.testing.assert_array_equal(refined["probability"][1], once["probability"][1])
    np.testing.assert_array_equal(refined["presence"], once["presence"])
    alone = predict(network, 1 - dark[:1], tta, refine=True)
    np.testing.assert_allclose(alone["probability"], refined["probability"][:1], atol=1e-6)


def test_a_prompt_does_not_make_an_image_strange():
    class Moved:
        inputs = ("image", "prompt")

        def run(self, inputs):
            maps = dict.fromkeys(("probability", "saliency"), inputs["image"])
            grey, pointed = (inputs[name].mean((1, 2, 3))[:, None] for name in self.inputs)
            return maps | {"presence": grey, "strangeness": grey + 100 * pointed}

    images = np.random.default_rng(2).random((3, 8, 8, 1), np.float32)
    prompts = np.zeros_like(images)
    prompts[1, 2:5, 2:5] = 1
    for tta in (False, True):
        outputs = predict(Moved(), images, tta, prompts, refine=tta)
        np.testing.assert_allclose(outputs["strangeness"], images.mean((1, 2, 3))[:, None], atol=1e-6)


def test_the_next_click_in_an_image_needs_no_run_for_its_strangeness(tmp_path):
    network = open_network(write_prompt_network(tmp_path / "a.onnx"))
    runs = []

    class Counted:
        inputs = network.inputs

        def run(self, values):
            runs.append(len(values["image"]))
            return network.run(values)

    memory = StrangenessMemory()
    images = np.random.default_rng(3).random((2, SIDE, SIDE, 1), np.float32)
    prompts = np.zeros_like(images)
    prompts[:, 4:9, 4:9] = 1
    for _ in range(2):
        outputs = predict(Counted(), images, False, prompts, memory=memory)
        np.testing.assert_allclose(outputs["strangeness"], 2 * images.mean((1, 2, 3))[:, None], rtol=1e-5)
    assert runs == [2, 1, 1, 2]


def test_strangeness_of_the_images_used_last_is_remembered():
    memory = StrangenessMemory()
    images = np.arange(70, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 1), np.float32)
    memory.remember(images[0], 0.5)
    for place, image in enumerate(images[1:], 1):
        memory.remember(image, float(place))
        assert memory.recall(images[0]) == 0.5  # used last, so it stays
    assert memory.recall(images[1]) is None
    assert memory.recall(images[69]) == 69
