"""The release workflow by its schema, and its commands, run here as far as they need no GitHub."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import salus

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
STEPS = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["release"]["steps"]
COMMANDS = [step["run"] for step in STEPS if "run" in step]
RELEASE = ROOT / ".ci" / "release"
BOTH = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


def run(command, folder, **environment):
    """Run a command as GitHub does; the finished process, with both outputs in one text."""
    shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command]
    environment = {**os.environ, **environment}
    return subprocess.run(shell, cwd=folder, env=environment, text=True, **BOTH)


def test_the_workflow_has_the_form_that_github_asks_for():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_tag_must_be_the_version():
    (check,) = [command for command in COMMANDS if "GITHUB_REF_NAME#v" in command]
    assert run(check, ROOT, GITHUB_REF_NAME=f"v{salus.__version__}").returncode == 0
    for tag in ("v0.0.0", f"v{salus.__version__}.1", "main"):
        assert run(check, ROOT, GITHUB_REF_NAME=tag).returncode == 1


def test_every_command_is_bash_and_what_the_script_builds_with_is_installed_before():
    for command in [*COMMANDS, RELEASE.read_text(encoding="utf-8"), (ROOT / ".ci" / "wheel-check").read_text()]:
        parsed = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True)
        assert parsed.returncode == 0, parsed.stderr
    assert os.access(RELEASE, os.X_OK)
    install = next(command for command in COMMANDS if "pip install" in command)
    assert COMMANDS.index(install) < COMMANDS.index(".ci/release")
    modules = re.findall(r'^"\$python" -m (\w+)', RELEASE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(modules) - {"pip", "venv"} <= set(install.split())  # the others come with Python
    (publish,) = [command for command in COMMANDS if command.startswith("gh ")]
    assert publish.split()[4] == "dist/*"  # where the script puts them
    assert (ROOT / re.search(r"--notes-file (\S+)", publish)[1]).is_file()


@pytest.fixture
def sources(tmp_path):
    """Make a repository of the script alone, and of what it reads before it builds; its version is 9.9.9."""
    for part in (".ci", "src/salus"):
        (tmp_path / part).mkdir(parents=True)
    shutil.copy(RELEASE, tmp_path / ".ci")
    (tmp_path / "src/salus/__init__.py").write_text('__version__ = "9.9.9"\n')
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n")
    git = "git init -q . && git add -A && git -c user.name=a -c user.email=a@b.c commit -qm x --no-verify"
    assert run(git, tmp_path).returncode == 0
    return tmp_path


def test_a_release_needs_its_section_in_the_changelog(sources):
    refused = run(".ci/release", sources, PYTHON=sys.executable)
    assert refused.returncode == 1
    assert "CHANGELOG.md has no section for 9.9.9" in refused.stdout


def test_a_release_needs_all_changes_committed(sources):
    (sources / "CHANGELOG.md").write_text("## 9.9.9\n")
    refused = run(".ci/release", sources, PYTHON=sys.executable)
    assert refused.returncode == 1
    assert "not committed" in refused.stdout
    assert not (sources / "dist").exists()
