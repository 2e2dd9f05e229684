"""Firefox, driven by Marionette, its own remote protocol, which needs no further program: commands of WebDriver as JSON
over a socket.

https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
"""

import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

START_SECONDS = 120
"""Time that a busy machine may need to start it."""

PREFERENCES = {
    "marionette.port": 0,  # it chooses a free one, and writes it into its profile
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "browser.startup.page": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Key of a reference to an element, by the WebDriver standard."""


class Firefox:
    """A page in Firefox."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS)
        self._number = 0
        self._read()  # it greets
        self.send("WebDriver:NewSession", capabilities={"alwaysMatch": {"unhandledPromptBehavior": "accept"}})
        self.send("WebDriver:SetTimeouts", script=100_000, pageLoad=100_000)
        self.send("WebDriver:SetWindowRect", width=1440, height=900)

    def send(self, command, **parameters):
        """Send a command and give its result."""
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, result = self._read()
        assert error is None, (command, error)
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def _read(self):
        length = b""
        while not length.endswith(b":"):
            length += self._receive(1)
        return json.loads(self._receive(int(length[:-1])))

    def _receive(self, count):
        content = b""
        while len(content) < count:
            part = self._socket.recv(count - len(content))
            assert part, "Firefox has ended"
            content += part
        return content

    def run(self, script, *args):
        """Run a script, the body of an async function; give what it returns."""
        wrapped = (
            f"const done = [...arguments].at(-1); (async () => {{ {script} }})().then(done, (e) => done(`${{e}}`));"
        )
        return self.send("WebDriver:ExecuteAsyncScript", script=wrapped, args=list(args))

    def wait_for(self, expression):
        """Wait until an expression in JavaScript is true."""
        pause = "await new Promise((next) => setTimeout(next, 100));"
        wait = f"for (let i = 0; i < 900; i++) {{ if ({expression}) return true; {pause} }} return false;"
        assert self.run(wait) is True, expression

    def choose_files(self, selector, *paths):
        element = self.send("WebDriver:FindElement", using="css selector", value=selector)
        self.send("WebDriver:ElementSendKeys", id=element[ELEMENT], text="\n".join(map(str, paths)))

    def press(self, *keys):
        """Press keys together."""
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp") for key in keys]
        self.send("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def drag(self, *places, button=0):
        """Press at the first place, (x, y) in the window, move over the others, and let go."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 50} for x, y in places]
        actions = [
            moves[0],
            {"type": "pointerDown", "button": button},
            *moves[1:],
            {"type": "pointerUp", "button": button},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self.send("WebDriver:PerformActions", actions=[mouse])

    def move(self, place):
        actions = [{"type": "pointerMove", "x": round(place[0]), "y": round(place[1]), "duration": 50}]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self.send("WebDriver:PerformActions", actions=[mouse])


@contextmanager
def running_firefox(profile):
    """Start Firefox without a window, with a new profile in a folder, and end it afterwards."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Firefox(_port(process, profile / "MarionetteActivePort"))
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _port(process, path):
    """Wait for the port that Firefox wrote down."""
    for _ in range(10 * START_SECONDS):
        assert process.poll() is None, "Firefox did not start"
        if path.is_file() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.1)
    raise AssertionError("Firefox does not listen")
