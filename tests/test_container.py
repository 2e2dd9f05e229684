"""The command and the health check of the Containerfile run here; what the build copies is in the repository."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")


def instruction(name):
    return re.search(rf"^{name}[^\[\n]*(\[.*\])$", CONTAINERFILE, re.MULTILINE)[1]


def test_what_is_copied_is_there_and_is_not_ignored():
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", CONTAINERFILE, re.MULTILINE)
        for source in shlex.split(line)[:-1]
    ]
    ignore = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    assert "pyproject.toml" in copied
    for source in copied:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignore


def test_the_description_of_containers_in_the_docs_has_the_form_of_the_compose_specification(tmp_path):
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    page = (ROOT / "docs" / "how-to" / "node.md").read_text(encoding="utf-8")
    compose = tmp_path / "compose.yaml"
    compose.write_text(re.search(r"^`compose.yaml`:\n\n```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(compose)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_check_of_the_image_says_where_nothing_can_build_it():
    """`make container-check` builds and runs the image; here it gets a builder that cannot."""
    environment = {**os.environ, "BUILDER": "false"}
    command = [str(ROOT / ".ci" / "container-check")]
    checked = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert checked.returncode == 0
    assert "python:3.12-slim; the image was not built" in checked.stdout


@pytest.mark.slow
def test_the_server_starts_as_in_the_container_and_its_health_check_passes(tmp_path):
    pytest.importorskip("fastapi")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program, *arguments = json.loads(instruction("CMD"))
    assert program == "salus"
    arguments = [argument.replace("/data", str(tmp_path)).replace("8765", port) for argument in arguments]
    _, *check = [part.replace("8765", port) for part in json.loads(instruction("HEALTHCHECK"))]
    environment = {**os.environ, "HOME": str(tmp_path), "SALUS_TOKEN": "a-token-of-the-test-1234567890"}
    server = subprocess.Popen(
        [sys.executable, "-m", "salus", *arguments], env=environment, stdout=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        for _ in range(100):
            done = subprocess.run([sys.executable, *check], capture_output=True)
            if done.returncode == 0 or server.poll() is not None:
                break
            time.sleep(0.2)
        assert done.returncode == 0, done.stderr.decode()[-500:]
        assert (tmp_path / "work").is_dir()
    finally:
        server.terminate()
        server.wait(10)
