"""Load on `salus serve`: 32 clients for a minute on loopback, beside a bare `Segmenter` on the same image.

    python bench/serve_load.py [--clients 32] [--seconds 60] [--bare 15]

Each client sends a phantom to POST /v1/segment, waits for the answer, checks it, and sends again. Exit code 1 where an
answer was wrong or missing. The clients are threads of this process, on the same processor as the server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from io import BytesIO
from itertools import repeat, takewhile
from pathlib import Path

import numpy as np
from PIL import Image

from salus import Segmenter, make_phantom

SERVE = [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", "0", "--queue", "64"]


def main() -> int:
    """Measure both and print a table."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--clients", type=int, default=32)
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--bare", type=float, default=15)
    told = asked.parse_args()
    picture = BytesIO()
    Image.fromarray(make_phantom(3).image).save(picture, "PNG")
    presence, bare = bare_rate(picture.getvalue(), told.bare)
    server = subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(re.search(r":(\d+)/", server.stdout.readline())[1])
        load(port, picture.getvalue(), presence, 4, 3.0)  # warm
        before, memory, stop = images_done(port), [], threading.Event()
        watch = threading.Thread(target=sample, args=(server.pid, memory, stop))
        watch.start()
        began = time.monotonic()
        seconds, outcomes = load(port, picture.getvalue(), presence, told.clients, told.seconds)
        took = time.monotonic() - began
        stop.set()
        watch.join()
        answered = outcomes["right"]
        lost = images_done(port) - before - answered
    finally:
        server.terminate()
        server.wait(20)
    fifth = max(1, len(memory) // 5)
    rows = [
        ("images a second, served", f"{answered / took:.1f}"),
        ("images a second, bare `Segmenter.each`", f"{bare:.1f}"),
        ("served / bare", f"{answered / took / bare:.2f}"),
        ("answers, all right", f"{answered}"),
        ("errors, wrong or refused", f"{sum(outcomes.values()) - answered}"),
        ("images segmented but not answered", f"{lost}"),
        ("p50, p95, longest, ms", ", ".join(f"{1000 * np.quantile(seconds, q):.0f}" for q in (0.5, 0.95, 1))),
        ("memory of the server in the second fifth and the last, MB",
         f"{np.mean(memory[fifth : 2 * fifth]):.0f}, {np.mean(memory[-fifth:]):.0f}"),
    ]  # fmt: skip
    print(f"| {told.clients} clients, {took:.0f} s | |\n|---|---|")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))
    if sum(outcomes.values()) > answered:
        print(dict(outcomes), file=sys.stderr)
    return int(sum(outcomes.values()) > answered or lost != 0)


def bare_rate(picture: bytes, seconds: float) -> tuple[float, float]:
    """Presence in the image, and images a second of `Segmenter.each`, read from a file each time."""
    segmenter = Segmenter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        path.write_bytes(picture)
        presence = segmenter(path).presence
        began = time.monotonic()
        until = began + seconds
        count = sum(1 for _ in segmenter.each(takewhile(lambda _: time.monotonic() < until, repeat(path))))
        return presence, count / (time.monotonic() - began)


def load(port: int, picture: bytes, presence: float, clients: int, seconds: float) -> tuple[list[float], Counter[str]]:
    """How long each answer took, and how many there were of each kind."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    took: list[float] = []
    outcomes: Counter[str] = Counter()
    until, lock = time.monotonic() + seconds, threading.Lock()

    def client() -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while (began := time.monotonic()) < until:
            try:
                line.request("POST", "/v1/segment", body, {"content-type": "multipart/form-data; boundary=b"})
                response = line.getresponse()
                content = response.read()
                right = response.status == 200 and abs(json.loads(content)["presence"] - presence) < 1e-4
                outcome = "right" if right else f"status {response.status}"
            except (OSError, http.client.HTTPException, ValueError) as error:
                outcome = type(error).__name__
                line.close()
            with lock:
                outcomes[outcome] += 1
                took.append(time.monotonic() - began)
        line.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, outcomes


def images_done(port: int) -> int:
    """Images that the server says it has segmented."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("GET", "/v1/metrics")
    text = line.getresponse().read().decode()
    line.close()
    return int(re.search(r"^salus_images_total (\d+)", text, re.M)[1])


def sample(pid: int, memory: list[float], stop: threading.Event) -> None:
    """Resident memory of a process each half second, MB."""
    while not stop.wait(0.5):
        told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        memory.append(int(re.search(r"VmRSS:\s+(\d+)", told)[1]) / 1024)


if __name__ == "__main__":
    raise SystemExit(main())
