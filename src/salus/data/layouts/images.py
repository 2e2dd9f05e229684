"""The layout of images without masks, directly in a folder: unlabelled cases, to segment or check, not to score."""

from __future__ import annotations

from pathlib import Path

from salus.data.case import Case, DataSet
from salus.data.layouts.files import images_by_stem


def matches(root: Path) -> bool:
    """Tell whether there is an image directly in `root`."""
    return bool(images_by_stem(root))


def read(root: Path) -> DataSet:
    """List the images of a folder."""
    remarks: list[str] = []
    source = root.resolve().name
    cases = tuple(Case(name, image, source=source) for name, image in images_by_stem(root, remarks).items())
    return DataSet(root, "images", cases, remarks=tuple(remarks))
