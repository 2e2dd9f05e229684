"""Programs of the node's tests: the node itself, dcmtk's storescu and storescp, and Orthanc."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pydicom
import pytest
from tests.read.wrap import region, wrap_dicom


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def referee(program):
    """Find a program outside this Python's own scripts, for pynetdicom has programs of the same names as dcmtk."""
    own = Path(sysconfig.get_path("scripts")).resolve()
    places = [place for place in os.environ["PATH"].split(os.pathsep) if Path(place).resolve() != own]
    return shutil.which(program, path=os.pathsep.join(places))


def need(*programs):
    """Skip the test where a program is missing."""
    for program in programs:
        if referee(program) is None:
            pytest.skip(
                f"{program} is not installed (apt-get install {'orthanc' if program == 'Orthanc' else 'dcmtk'})"
            )


def write_images(folder, count, **options):
    """Write images with a dark box each, of which the network of the tests makes one lesion."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.full((64, 64), 220, np.uint8)
        pixels[20:44, 10 + number % 20 : 40] = 15
        wrap_dicom(folder / f"{number:04}.dcm", pixels, regions=[region(0, 0, 64, 64)], **options)
    return sorted(folder.glob("*.dcm"))


def wait_until(condition, seconds=30.0):
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return value


class NodeProcess:
    """`salus node` as a process of its own, and its files."""

    def __init__(self, folder, network, destinations, **listen):
        self.folder, self.port, self.health_port = folder / "queue", free_port(), free_port()
        self.config, self.log = folder / "node.toml", folder / "node.log"
        allowed = listen.pop("allowed", ["SENDER"])
        lines = ['folder = "queue"', "[listen]", f"allowed = {json.dumps(allowed)}", 'host = "127.0.0.1"']
        lines += [f"port = {self.port}", *(f"{name} = {value}" for name, value in listen.items())]
        lines += ["[segment]", f"network = {json.dumps(str(network))}", "[health]", f"port = {self.health_port}"]
        lines += ["[retry]", "first = 0.1", "longest = 0.5"]
        for destination in destinations:
            lines += ["[[destination]]", *(f"{name} = {json.dumps(value)}" for name, value in destination.items())]
        self.config.write_text("\n".join(lines))
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "salus", "node", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(lambda: self.state() or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.log.read_text()
        wait_until(lambda: _listens(self.port))

    def state(self):
        try:
            with urlopen(f"http://127.0.0.1:{self.health_port}/healthz", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def files(self, name):
        return sorted(path.name for path in (self.folder / name).iterdir())

    def wait_for_rest(self, seconds=60.0):
        """Wait until nothing waits, is worked on, or is to be sent."""
        is_idle = lambda s: s is not None and not (s["waiting"] or s["segmenting"] or s["sending"])  # noqa: E731
        return wait_until(lambda: (s := self.state()) if is_idle(s := self.state()) else None, seconds)


@contextmanager
def running(node):
    """A node that is ended with the test."""
    node.start()
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.kill()


@contextmanager
def storescp(folder, port, *options):
    """The referee's receiver, which names files by SOP Instance UID."""
    folder.mkdir(exist_ok=True)
    command = [referee("storescp"), *options, "--fork", "-aet", "ARCHIVE", "-od", str(folder), "+B", "-uf", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port))
        yield process
    finally:
        process.terminate()
        process.wait()


def storescu(port, files, *options, title="SENDER", called="SALUS"):
    """Send files as the referee does, and return the finished process."""
    command = [referee("storescu"), *options, "-aet", title, "-aec", called, "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Orthanc:
    """An archive with its DICOMweb service, that keeps its data when it is stopped and started."""

    def __init__(self, folder):
        self.folder, self.port, self.http_port = folder / "orthanc", free_port(), free_port()
        (self.folder / "data").mkdir(parents=True)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.settings = {
            "StorageDirectory": str(self.folder / "data"), "IndexDirectory": str(self.folder / "data"),
            "DicomAet": "ARCHIVE", "DicomPort": self.port, "HttpPort": self.http_port,
            "AuthenticationEnabled": True, "RegisteredUsers": {"salus": "secret"},
            "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"], "DicomWeb": {"Enable": True},
        }  # fmt: skip
        self.process = None

    def set(self, **settings):
        self.settings |= settings

    def start(self):
        (self.folder / "orthanc.json").write_text(json.dumps(self.settings))
        command = ["Orthanc", str(self.folder / "orthanc.json")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: _listens(self.http_port) and _listens(self.port))

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def instances(self):
        """Keys of all instances that it holds."""
        import requests

        answer = requests.get(f"{self.url}/instances?expand", auth=("salus", "secret"), timeout=60)
        return [instance["ID"] for instance in answer.json()]

    def dataset(self, instance):
        """An instance as its DICOM file."""
        import requests

        content = requests.get(f"{self.url}/instances/{instance}/file", auth=("salus", "secret"), timeout=60).content
        return pydicom.dcmread(BytesIO(content))
