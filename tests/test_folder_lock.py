"""A folder is held by one at a time, and a lock that waits is had when the other ends, however it ends."""

import subprocess
import sys
from threading import Event, Thread

import pytest

from salus.folder_lock import folder_lock
from tests.lock_systems import system  # noqa: F401  (a fixture)

pytestmark = pytest.mark.usefixtures("system")


def test_a_folder_is_held_by_one(tmp_path):
    with folder_lock(tmp_path), pytest.raises(BlockingIOError), folder_lock(tmp_path, wait=False):
        pass
    with folder_lock(tmp_path, wait=False):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_one_waits_for_the_other(tmp_path):
    waiting, entered = Event(), Event()

    def work():
        waiting.set()
        with folder_lock(tmp_path):
            entered.set()

    with folder_lock(tmp_path):
        thread = Thread(target=work, daemon=True)
        thread.start()
        assert waiting.wait(60)
        assert not entered.wait(0.2)
    assert entered.wait(60)
    thread.join(60)


def test_a_lock_ends_with_a_killed_process(tmp_path):
    code = "import sys; from pathlib import Path; from salus.folder_lock import folder_lock\n"
    code += "with folder_lock(Path(sys.argv[1])): print(1, flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline()
    process.kill()
    process.communicate()
    with folder_lock(tmp_path, wait=False):
        pass
