"""Fixtures of the tests of salus segment."""

import numpy as np
import pytest
from PIL import Image
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "dark.onnx")


@pytest.fixture
def scans(tmp_path):
    """Five images: one tumour, two, none, one that is strange, one at the border."""
    folder = tmp_path / "scans"
    folder.mkdir()
    images = {
        "a": image_of((20, 60, 30, 90), shape=(100, 128)),
        "b": image_of((20, 60, 30, 60), (70, 90, 80, 110), shape=(100, 128)),
        "c": np.full((90, 70), 200, np.uint8),
        "d": np.full((64, 64), 250, np.uint8),
        "e": image_of((0, 20, 10, 50)),
    }
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def command(network):
    """Run the command with the network; its exit code."""

    def call(*arguments):
        return main(["segment", *map(str, arguments), "--network", str(network)])

    return call
