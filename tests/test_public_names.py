"""The public names of `salus`: lazy, seen by type checkers, and never hidden by a module of the same name."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import salus

SOURCE = Path(salus.__file__)


def test_what_type_checkers_see_is_what_is_loaded():
    (block,) = (node for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    imported = {name.name: node.module for node in block.body for name in node.names}
    assert imported == salus._MODULES
    assert sorted({*imported, "__version__"}) == sorted(salus.__all__)


def test_every_public_name_is_loaded_from_where_it_is_defined():
    for name in set(salus.__all__) - {"__version__"}:
        assert getattr(salus, name).__module__.startswith("salus."), name
    for name, module in salus._MODULES.items():
        assert name in vars(importlib.import_module(module)), name
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        salus.absent  # noqa: B018


def test_no_public_name_is_a_modules_name():
    assert not set(salus.__all__) & {module.name for module in pkgutil.iter_modules(salus.__path__)}


def test_public_names_are_the_same_before_and_after_everything_is_imported():
    """In a process of its own: an imported submodule becomes an attribute of its package, and would hide the name."""
    program = """
import importlib, pkgutil, salus
before = {name: getattr(salus, name) for name in salus.__all__}
for module in pkgutil.walk_packages(salus.__path__, "salus."):
    if not module.name.startswith(("salus.lab", "salus.__main__", "salus.napari_plugin.panel")):  # needs napari
        importlib.import_module(module.name)
assert all(getattr(salus, name) is value for name, value in before.items())
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_import_loads_nothing_else():
    program = "import sys, salus; assert not {'numpy', 'scipy', 'PIL', 'openvino'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_type_checkers_infer_the_result_of_segment(tmp_path):
    api = pytest.importorskip("mypy.api")
    snippet = tmp_path / "snippet.py"
    snippet.write_text("import salus\n\nreveal_type(salus.segment('scan.png', threshold=0.4, tta=True))\n")
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import salus\n\nsalus.segment('scan.png', treshold=0.4)\n")
    settings = f"--config-file={SOURCE.parents[2] / 'pyproject.toml'}"
    out, err, _ = api.run([settings, "--follow-imports=silent", str(snippet), str(wrong)])
    assert 'Revealed type is "salus.segmentation.result.Segmentation"' in out, out + err
    assert 'Unexpected keyword argument "treshold"' in out
