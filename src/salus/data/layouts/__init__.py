"""Layouts: how public data sets lie on disk. One file a layout; each says whether a folder is one, and lists its cases.

A layout is a module with `matches(root: Path) -> bool` (a look at names; `manifest` reads a table's first line, only
`colours` opens images) and `read(root: Path) -> DataSet`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from salus.data.case import DataSet
from salus.data.layouts import busbra, busi, colours, images, manifest, pairs, published
from salus.data.layouts.files import folders
from salus.errors import SalusError


class Layout(Protocol):
    """What a layout's module offers."""

    def matches(self, root: Path) -> bool:
        """Whether `root` looks like this layout."""

    def read(self, root: Path) -> DataSet:
        """The cases of `root`."""


LAYOUTS: dict[str, Layout] = {
    "manifest": manifest,
    "busbra": busbra,
    "busi": busi,
    "colours": colours,
    "published": published,
    "pairs": pairs,
    "images": images,
}
"""Every layout by name, the most particular first: the first that matches a folder reads it."""


def read_data_set(folder: Path | str, layout: str | None = None) -> DataSet:
    """List the cases of a folder.

    Args:
        folder: the data set's folder; or a manifest, a CSV of any name.
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
            name = "manifest"  # says what is wrong with its table
        if name is None:
            raise SalusError(
                f"{root}: no known layout (looked for {', '.join(LAYOUTS)}){_below(root)}; "
                "name one with --layout, or write a manifest.csv with the columns image,mask"
            )
        data = LAYOUTS[name].read(root)
    except PermissionError as error:
        raise SalusError(f"{error.filename}: no permission to read it") from None
    if not data.cases:
        raise SalusError(f"{root}: the layout {name!r} finds no image in it")
    return data


def detect(root: Path) -> str | None:
    """The name of the first layout that matches a folder, None where none does."""
    return next((name for name, module in LAYOUTS.items() if module.matches(root)), None)


def _below(root: Path) -> str:
    """A hint where data sets lie in the folder's folders."""
    found = [f"{folder.name} ({name})" for folder in folders(root)[:20] if (name := detect(folder))]
    return f"; but in it are {', '.join(found)}: name one of these folders" if found else ""
