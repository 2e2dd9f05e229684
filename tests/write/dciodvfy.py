"""The validator of David Clunie's dicom3tools, which knows the standard's modules and macros."""

import shutil
import subprocess

import pytest


def faults(path):
    """The errors that dciodvfy finds in a file, a line each; the test is skipped where it is not installed."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: apt-get install dicom3tools)")
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert any(line in ("Segmentation", "ComprehensiveSR", "SCImage") for line in said), said
    return [line for line in said if line.startswith(("Error", "Abort"))]
