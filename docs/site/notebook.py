"""A tutorial as a notebook: read from its Markdown, run, and what it showed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient


def as_notebook(text: str) -> str:
    """The notebook file of a tutorial's Markdown; a link to itself would lead nowhere there."""
    return jupytext.writes(jupytext.reads(text, "md"), "ipynb")


def run(page: Path, folder: Path, timeout: int = 300) -> Any:
    """Run a tutorial's cells in a folder; returns the notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails, or a command in it does.
    """
    notebook = jupytext.read(page)
    for cell in notebook.cells:
        if cell.cell_type == "code":  # a command that fails is seen by a reader; here it is an error
            cell.source = re.sub(r"^!.*$", r"\g<0>\nassert _exit_code == 0", cell.source, flags=re.MULTILINE)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook
