"""Measure `salus serve` under load: 32 clients for a minute on loopback, beside a bare `Segmenter` on the same image.

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
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--bare", type=float, default=15)
    args = parser.parse_args()
    content = BytesIO()
    Image.fromarray(make_phantom(3).image).save(content, "PNG")
    png = content.getvalue()
    presence, bare = measure_bare_rate(png, args.bare)
    server = subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(re.search(r":(\d+)/", server.stdout.readline())[1])
        run_clients(port, png, presence, 4, 3.0)  # warm
        before, memory, stop = images_done(port), [], threading.Event()
        sampler = threading.Thread(target=sample_memory, args=(server.pid, memory, stop))
        sampler.start()
        started = time.monotonic()
        durations, outcomes = run_clients(port, png, presence, args.clients, args.seconds)
        elapsed = time.monotonic() - started
        stop.set()
        sampler.join()
        answered = outcomes["right"]
        lost = images_done(port) - before - answered
    finally:
        server.terminate()
        server.wait(20)
    fifth = max(1, len(memory) // 5)
    rows = [
        ("images a second, served", f"{answered / elapsed:.1f}"),
        ("images a second, bare `Segmenter.each`", f"{bare:.1f}"),
        ("served / bare", f"{answered / elapsed / bare:.2f}"),
        ("answers, all right", f"{answered}"),
        ("errors, wrong or refused", f"{sum(outcomes.values()) - answered}"),
        ("images segmented but not answered", f"{lost}"),
        ("p50, p95, longest, ms", ", ".join(f"{1000 * np.quantile(durations, q):.0f}" for q in (0.5, 0.95, 1))),
        ("memory of the server in the second fifth and the last, MB",
         f"{np.mean(memory[fifth : 2 * fifth]):.0f}, {np.mean(memory[-fifth:]):.0f}"),
    ]  # fmt: skip
    print(f"| {args.clients} clients, {elapsed:.0f} s | |\n|---|---|")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))
    if sum(outcomes.values()) > answered:
        print(dict(outcomes), file=sys.stderr)
    return int(sum(outcomes.values()) > answered or lost != 0)


def measure_bare_rate(png: bytes, seconds: float) -> tuple[float, float]:
    """Give the presence in the image, and the images a second of `Segmenter.each`, read from a file each time."""
    segmenter = Segmenter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.png"
        path.write_bytes(png)
        presence = segmenter(path).presence
        started = time.monotonic()
        deadline = started + seconds
        count = sum(1 for _ in segmenter.each(takewhile(lambda _: time.monotonic() < deadline, repeat(path))))
        return presence, count / (time.monotonic() - started)


def run_clients(
    port: int, png: bytes, presence: float, clients: int, seconds: float
) -> tuple[list[float], Counter[str]]:
    """Send images from many threads; give the duration of each answer, and the number of answers of each kind."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + png + b"\r\n--b--\r\n"
    durations: list[float] = []
    outcomes: Counter[str] = Counter()
    deadline, lock = time.monotonic() + seconds, threading.Lock()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while (started := time.monotonic()) < deadline:
            try:
                connection.request("POST", "/v1/segment", body, {"content-type": "multipart/form-data; boundary=b"})
                response = connection.getresponse()
                content = response.read()
                right = response.status == 200 and abs(json.loads(content)["presence"] - presence) < 1e-4
                outcome = "right" if right else f"status {response.status}"
            except (OSError, http.client.HTTPException, ValueError) as error:
                outcome = type(error).__name__
                connection.close()
            with lock:
                outcomes[outcome] += 1
                durations.append(time.monotonic() - started)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return durations, outcomes


def images_done(port: int) -> int:
    """Read the number of segmented images from the server's metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/v1/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return int(re.search(r"^salus_images_total (\d+)", text, re.M)[1])


def sample_memory(pid: int, memory: list[float], stop: threading.Event) -> None:
    """Sample the resident memory of a process each half second, in MB."""
    while not stop.wait(0.5):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        memory.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)


if __name__ == "__main__":
    raise SystemExit(main())
