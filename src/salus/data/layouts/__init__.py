"""Layouts: how public data sets are arranged on disk, one file a layout.

A layout is a module with two functions: `matches(root)` tells whether a folder has the layout, and `read(root)` lists
its cases. `matches` looks at file names only, except that `manifest` reads a table's first line and `colours` opens
masks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from salus.data.case import DataSet
from salus.data.layouts import busbra, busi, colours, images, manifest, pairs, published
from salus.data.layouts.files import list_folders
from salus.errors import SalusError


class Layout(Protocol):
    """The functions of a layout's module."""

    def matches(self, root: Path) -> bool:
        """Tell whether `root` has this layout."""

    def read(self, root: Path) -> DataSet:
        """List the cases of `root`."""


LAYOUTS: dict[str, Layout] = {
    "manifest": manifest,
    "busbra": busbra,
    "busi": busi,
    "colours": colours,
    "published": published,
    "pairs": pairs,
    "images": images,
}
"""Every layout by name, the most specific first: the first that matches a folder reads it."""


def read_data_set(folder: Path | str, layout: str | None = None) -> DataSet:
    """List the cases of a folder.

    Args:
        folder: the data set's folder, or a manifest: a CSV of any name.
        layout: a name in `LAYOUTS`; None detects it.

    Raises:
        SalusError: no such folder, unknown layout, no layout matches, or no case in it.
    """
    root = Path(folder)
    if layout is not None and layout not in LAYOUTS:
        raise SalusError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    if root.is_file() and root.suffix.lower() == ".csv" and layout in (None, "manifest"):
        layout = "manifest"
    elif not root.is_dir():
        raise SalusError(f"{root}: {'is a file, a data set is a folder' if root.exists() else 'no such folder'}")
    try:
        name = layout or detect(root)
        if name in (None, "images") and layout is None and (root / "manifest.csv").is_file():
            name = "manifest"  # raises the error that says what is wrong with the table
        if name is None:
            raise SalusError(
                f"{root}: no known layout (looked for {', '.join(LAYOUTS)}){_hint_at_subfolders(root)}; "
                "name one with --layout, or write a manifest.csv with the columns image,mask"
            )
        data = LAYOUTS[name].read(root)
    except PermissionError as error:
        raise SalusError(f"{error.filename}: no permission to read it") from None
    if not data.cases:
        raise SalusError(f"{root}: the layout {name!r} finds no image in it")
    return data


def detect(root: Path) -> str | None:
    """Return the name of the first layout that matches a folder, None if none does."""
    return next((name for name, module in LAYOUTS.items() if module.matches(root)), None)


def _hint_at_subfolders(root: Path) -> str:
    """Name the folder's folders that are data sets, for an error message."""
    data_sets = [f"{folder.name} ({name})" for folder in list_folders(root)[:20] if (name := detect(folder))]
    return f"; but in it are {', '.join(data_sets)}: name one of these folders" if data_sets else ""
