"""Convert a tutorial to a notebook, and run it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient


def as_notebook(text: str) -> str:
    """Convert the Markdown of a tutorial to the text of a notebook file."""
    return jupytext.writes(jupytext.reads(text, "md"), "ipynb")


def run(page: Path, folder: Path, timeout: int = 300) -> Any:
    """Run the cells of a tutorial in a folder and return the notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails, or a command in it does.
    """
    notebook = jupytext.read(page)
    for cell in notebook.cells:
        if cell.cell_type == "code":  # in a notebook a failed command is no error; here it is
            cell.source = re.sub(r"^!.*$", r"\g<0>\nassert _exit_code == 0", cell.source, flags=re.MULTILINE)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook
