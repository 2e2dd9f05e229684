"""Measure how long the server takes for a click in an open image: POST .../prompt, one click after another.

    python bench/click_time.py NETWORK.onnx [--clicks 100]

NETWORK.onnx takes prompts. The image is a phantom of 345 x 477 pixels; the answer holds mask and probability.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import time
from io import BytesIO

import numpy as np
from PIL import Image

from salus import make_phantom

SERVE = [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", "0", "--network"]
BOUNDARY = "click-time"


def main() -> None:
    """Measure and print the times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("--clicks", type=int, default=100)
    args = parser.parse_args()
    phantom = make_phantom(3)
    content = BytesIO()
    Image.fromarray(phantom.image).save(content, "PNG")
    server = subprocess.Popen([*SERVE, args.network], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(re.search(r":(\d+)/", server.stdout.readline())[1]))
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        body = head.encode() + content.getvalue() + f"\r\n--{BOUNDARY}--\r\n".encode()
        connection.request("POST", "/v1/cases", body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"})
        response = connection.getresponse()
        key, cookie = json.loads(response.read())["key"], response.getheader("set-cookie").split(";")[0]
        headers = {"content-type": "application/json", "cookie": cookie}
        rows, columns = np.nonzero(phantom.mask)
        random, seconds = np.random.default_rng(0), []
        for _ in range(args.clicks + 5):
            place = random.integers(len(rows))
            prompts = {"prompts": [{"points": [[columns[place] + 0.5, rows[place] + 0.5]]}]}
            started = time.perf_counter()
            connection.request("POST", f"/v1/cases/{key}/frames/1/prompt", json.dumps(prompts), headers)
            response = connection.getresponse()
            assert response.status == 200
            assert "mask" in json.loads(response.read())
            seconds.append(time.perf_counter() - started)
    finally:
        server.terminate()
        server.wait(20)
    median, late, longest = (1000 * np.quantile(seconds[5:], q) for q in (0.5, 0.95, 1))
    print(f"{args.clicks} clicks: median {median:.0f}, 95% {late:.0f}, longest {longest:.0f} ms")


if __name__ == "__main__":
    main()
