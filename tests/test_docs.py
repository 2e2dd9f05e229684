"""Run the examples of the documentation: its Python blocks and commands, and the examples in docstrings."""

import doctest
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import salus
from salus.cli import main
from salus.read.image import read_mask
from tests.conftest import make_published

DOCS = Path(__file__).parents[1] / "docs"
MODULES = sorted(m.name for m in pkgutil.walk_packages(salus.__path__, "salus.") if not m.name.endswith("__main__"))


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    if name == "salus.napari_plugin.panel":
        pytest.importorskip("magicgui", reason="napari is not installed; make napari-check tests its panel")
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0


def test_own_network_and_saliency_estimator_of_the_how_to_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "compare-your-own.md").read_text(), re.DOTALL)
    (tmp_path / "my_networks.py").write_text(blocks[0])
    (tmp_path / "my_saliency.py").write_text(blocks[1])
    data = make_published(tmp_path / "data", 6)
    options = "--networks my_networks:small,sa-unet --saliency my_saliency:Darkness --folds 2 --size 16 --epochs 1"
    command = [sys.executable, "-m", "salus", "benchmark", str(data), *options.split(), "-o", str(tmp_path / "run")]
    command += ["--predictions", f"Reader={data / 'masks'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    scores = (tmp_path / "run" / "scores.csv").read_text()
    assert all(name in scores for name in ("my_networks:small", "sa-unet", "Reader"))


def test_examples_of_clinical_files_and_outputs_run(tmp_path, monkeypatch):
    pytest.importorskip("highdicom")
    monkeypatch.chdir(tmp_path)
    for name in ("clinical-files.md", "clinical-outputs.md"):
        text = (DOCS / "how-to" / name).read_text()
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(block, {})
    (tmp_path / "cine.dcm").write_bytes((tmp_path / "us.dcm").read_bytes())
    commands = re.findall(r"^    salus segment cine.dcm (.*)$", text, re.MULTILINE)
    assert len(commands) == 2
    for number, line in enumerate(commands):
        options = line.replace("-o out", f"-o out{number}").split()
        assert main(["segment", "cine.dcm", *options]) == 0
    kinds = {path.relative_to(tmp_path).parts[1] for path in tmp_path.glob("out1/*/*")}
    assert kinds == {"masks", "overlays", "dicom-seg", "dicom-sr", "dicom-sc"}


def test_layers_for_napari_fit_one_another_and_the_corrected_mask_is_read_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "napari.md").read_text(), re.DOTALL):
        exec(block, names)
    assert [kind for _, _, kind in names["layers"]] == ["image", "image", "labels"]
    assert len({data.shape for data, _, _ in names["layers"]}) == 1
    assert names["labels"].any()
    assert (read_mask(tmp_path / "scan.png") == names["labels"].astype(bool)).all()


@pytest.mark.parametrize("seed", [1, 4])
def test_code_without_salus_gives_the_probability_that_salus_gives(seed, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "export.md").read_text(), re.DOTALL)
    shipped = Path(salus.__file__).parent / "weights" / "segment.onnx"
    shutil.copy(shipped, re.search(r'InferenceSession\("(.*?)"\)', code)[1])
    Image.fromarray(salus.make_phantom(seed).image).save("scan.png")
    names = {}
    exec(code, names)
    np.testing.assert_allclose(names["probability"], salus.segment("scan.png").probability, rtol=0, atol=1e-3)
