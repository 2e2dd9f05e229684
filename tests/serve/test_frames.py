"""Frames on disk: the same outline as the network's at its own threshold."""

import numpy as np
import pytest

from salus import Segmenter
from salus.scan import Region, Scan
from salus.serve.frames import FrameFiles


def test_at_the_networks_threshold_the_outline_is_the_networks_in_regions_of_any_size(tmp_path):
    """Two dark squares of 64 pixels each: too small a share of the large region, large enough in the small one."""
    pytest.importorskip("onnx")
    from tests.segmentation.test_segmenter import write_network

    segmenter = Segmenter(write_network(tmp_path / "dark.onnx", threshold=0.5, smallest=0.01))
    pixels = np.full((128, 256), 0.8, np.float32)
    pixels[40:48, 60:68] = pixels[20:28, 200:208] = 0
    scan = Scan(pixels, "dual", regions=(Region(0, 0, 128, 160), Region(0, 176, 64, 64)))
    segmentation = segmenter(scan)
    assert len(segmentation.lesions) == 1
    frame = FrameFiles(tmp_path, 1)
    frame.store(scan, segmentation)
    assert [lesion.box for lesion in frame.answer_at(0.5, segmenter).lesions] == [
        lesion.box for lesion in segmentation.lesions
    ]
