"""The examples in the report's docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import salus.lab.report


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(salus.lab.report.__path__)])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"salus.lab.report.{name}")
    assert doctest.testmod(module).failed == 0
