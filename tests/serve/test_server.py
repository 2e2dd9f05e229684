"""Starting and stopping: a port in use, uploads removed at the end."""

import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from salus.errors import SalusError
from salus.serve.server import listen
from salus.serve.settings import ServeSettings


def test_a_port_in_use_is_refused():
    with listen(ServeSettings(port=0)) as first, pytest.raises(SalusError, match="--port"):
        listen(ServeSettings(port=first.getsockname()[1]))


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGHUP", 0)])
def test_uploads_are_removed_when_the_server_is_ended_if_nothing_is_to_be_kept(png, tmp_path, name, code):
    number = getattr(signal, name)
    server = subprocess.Popen(
        [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", "0", "--keep-days", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # ignored behind nohup
    )  # fmt: skip
    address = re.search(r"http://\S+", server.stdout.readline())[0].rstrip("/")
    assert httpx.post(f"{address}/v1/cases", files={"file": ("JaneDoe.png", png)}, timeout=60).status_code == 201
    assert list(tmp_path.glob("salus-serve-*/*/*/source.png"))
    server.send_signal(number)
    output = "".join(server.communicate(timeout=120))
    assert server.returncode == code
    assert list(tmp_path.glob("salus-serve-*")) == []
    assert "JaneDoe" not in output
    assert "Traceback" not in output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_uploads_and_outlines_outlive_a_killed_server(png, tmp_path):
    def start(port):
        command = [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", port, "--work", tmp_path / "work"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return server, re.search(r"http://\S+", server.stdout.readline())[0].rstrip("/")

    server, address = start("0")
    with httpx.Client(base_url=address, timeout=60) as client:
        case = client.post("/v1/cases", files={"file": ("a.png", png)}, data={"label": "Jane 1.png"}).json()
        frame = f"/v1/cases/{case['key']}/frames/1"
        client.get(frame)
        drawn = client.get(f"{frame}/mask.png").content
        saved = client.put(f"{frame}/mask", content=drawn).json()
        server.kill()
        server.wait()
        server, _ = start(address.rpartition(":")[2])
        assert client.get("/v1/cases").json() == [case]
        assert client.get(frame).json() == saved
        assert client.get("/v1/session").json()["saved"] == 1
        assert client.delete("/v1/session").status_code == 204
    assert list((tmp_path / "work").rglob("*.png")) == []
    server.kill()
    server.communicate()
