"""The folder for Hugging Face: its header is YAML, its network is the network, and nothing half is left."""

import json

import numpy as np
import pytest
import yaml

from salus.cli import main
from salus.data.phantom.make import make_phantom
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK


@pytest.mark.slow
def test_the_shipped_network_as_a_folder(tmp_path, capsys):
    folder = tmp_path / "salus"
    assert main(["export", "shipped", "--format", "hf", "-o", str(folder)]) == 0
    assert "README.md" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} >= {"README.md", "model.onnx", "config.json"}
    _, header, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(header)
    assert (fields["license"], fields["pipeline_tag"]) == ("apache-2.0", "image-segmentation")
    assert "ultrasound" in fields["tags"]
    assert SHIPPED_NETWORK.with_suffix(".md").read_text(encoding="utf-8") in text
    assert "not a medical device" in text
    config = json.loads((folder / "config.json").read_text())
    assert config["inputs"] == ["image", "prompt"]
    assert config["settings"]["preprocessing"]["keep_aspect"] is True
    image = make_phantom(3).image
    assert np.array_equal(Segmenter(folder / "model.onnx")(image).mask, Segmenter()(image).mask)

    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["export", "shipped", "--format", "hf", "-o", str(folder)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_cannot_be_exported_leaves_nothing(tmp_path, capsys):
    for arguments in (["--precision", "int8"], ["-o", str(tmp_path / "no" / "folder")]):
        out = [] if "-o" in arguments else ["-o", str(tmp_path / "x")]
        assert main(["export", "shipped", "--format", "hf", *arguments, *out]) == 2
        assert capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
