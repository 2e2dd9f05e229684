"""Patients keep their pseudonyms over restarts of a node, and the key is its user's alone."""

import stat
import subprocess
import sys

import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")

from salus.errors import SalusError
from salus.node.pseudonym_key import load_pseudonym_key

PROGRAM = """
import sys
from pathlib import Path
from salus.node.pseudonym_key import load_pseudonym_key
from salus.write.dicom_deidentify import pseudonym, replacement_uid, set_pseudonym_key
if sys.argv[1]:
    set_pseudonym_key(load_pseudonym_key(Path(sys.argv[1])))
print(pseudonym("PH-1"), pseudonym("PH-2"), replacement_uid("1.2.3"))
"""


def pseudonyms(folder):
    """What a process of its own makes of two patients and a UID."""
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_pseudonyms_are_the_same_in_every_process_that_has_the_key(tmp_path):
    (tmp_path / "other").mkdir()
    first, again, other = pseudonyms(tmp_path), pseudonyms(tmp_path), pseudonyms(tmp_path / "other")
    assert first == again
    assert len({*first, *other}) == 6
    assert len({*pseudonyms(""), *pseudonyms("")}) == 6  # without a key each run has its own


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_the_key_is_readable_for_its_user_alone(tmp_path):
    load_pseudonym_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "pseudonym.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pseudonym.key"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_a_damaged_key_is_told_and_not_replaced(tmp_path, content):
    (tmp_path / "pseudonym.key").write_bytes(content)
    with pytest.raises(SalusError, match="holds no key"):
        load_pseudonym_key(tmp_path)
    assert (tmp_path / "pseudonym.key").read_bytes() == content


def test_a_run_that_was_killed_while_it_made_the_key_does_no_harm(tmp_path):
    (tmp_path / ".pseudonym.key.part").write_text("half")
    assert len(load_pseudonym_key(tmp_path)) == 64
