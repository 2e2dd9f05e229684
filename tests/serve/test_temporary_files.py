"""The server's temporary folder: what a killed server left behind is removed."""

import subprocess
import sys

import pytest

from salus.serve.temporary_files import create_locked_folder, remove_stale_folders


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks of POSIX")
def test_folders_of_killed_servers_are_removed_and_those_of_running_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}\n"
        "from salus.serve.temporary_files import create_locked_folder\n"
        "folder, lock = create_locked_folder(); (folder / 'scan').write_bytes(b'x'); print(folder, flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    other_folder = other.stdout.readline().strip()
    own_folder, lock = create_locked_folder()
    (tmp_path / "salus-serve-of-another-kind").mkdir()
    assert remove_stale_folders() == 0
    other.kill()
    other.wait()
    assert (tmp_path / other_folder / "scan").is_file()
    assert remove_stale_folders() == 1
    assert {path.name for path in tmp_path.iterdir()} == {own_folder.name, "salus-serve-of-another-kind"}
    lock.close()
