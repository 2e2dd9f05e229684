"""The conda recipe, as rattler-build renders it, agrees with pyproject.toml, and the commands of its test run."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

import salus
from salus.cli import main

rattler_build = pytest.importorskip("rattler_build", reason="py-rattler-build is not installed")

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


@pytest.fixture(scope="module")
def recipe():
    """Render the recipe as rattler-build does, which refuses unknown keys and requirements that conda cannot read."""
    variants = rattler_build.Stage0Recipe.from_file(ROOT / "recipe" / "recipe.yaml").render()
    assert len(variants) == 1
    return variants[0].recipe.to_dict()


def parts(requirement):
    """Part a requirement, of pip or of conda, into its name and the set of its bounds."""
    name, bounds = re.fullmatch(r"([A-Za-z0-9._-]+)\s*([<>=!~].*)?", requirement).groups()
    return name, frozenset(re.split(r"\s*,\s*", bounds or ""))


def test_dependencies_are_those_of_the_project(recipe):
    wanted = [f"python {PROJECT['requires-python']}", *PROJECT["dependencies"]]
    assert {parts(found) for found in recipe["requirements"]["run"]} == {parts(requirement) for requirement in wanted}
    host = {parts(found) for found in recipe["requirements"]["host"] if not found.startswith("python ")}
    assert host == {parts(requirement) for requirement in [*PYPROJECT["build-system"]["requires"], "pip"]}


def test_it_is_built_and_tested_with_the_oldest_python(recipe):
    oldest = re.match(r">=([\d.]+)", PROJECT["requires-python"])[1] + ".*"
    assert f"python {oldest}" in recipe["requirements"]["host"]
    imports, commands = recipe["tests"]
    assert imports["python"]["python_version"] == oldest
    assert commands["requirements"]["run"] == [f"python {oldest}"]


def test_name_version_license_and_command_are_those_of_the_project(recipe):
    assert recipe["package"] == {"name": PROJECT["name"], "version": salus.__version__}
    assert recipe["about"]["summary"] == PROJECT["description"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["license_file"] == PROJECT["license-files"]
    assert all((ROOT / name).is_file() for name in PROJECT["license-files"])
    assert recipe["build"]["noarch"] == "python"
    assert recipe["build"]["python"]["entry_points"] == [f"{k} = {v}" for k, v in PROJECT["scripts"].items()]


def test_the_commands_of_its_test_run(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in recipe["tests"][1]["script"]:
        program, *arguments = shlex.split(line)
        assert program == "salus"
        try:
            code = main(arguments)
        except SystemExit as end:  # --help and --version end the program
            code = end.code
        assert not code, line
    assert (tmp_path / "demo" / "lesions.csv").is_file()
