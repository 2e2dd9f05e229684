"""Files of a layout: images by stem, the root folder, and remarks on files that are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from salus.read.find import UNPRINTABLE
from salus.read.formats import IMAGE_SUFFIXES


def images_by_stem(folder: Path, remarks: list[str] | None = None) -> dict[str, Path]:
    """List the image files directly in a folder by stem, sorted, without hidden files and `UNPRINTABLE` names.

    Of files with equal stems (case001.png, case001.jpg) the one whose suffix comes first in `IMAGE_SUFFIXES` is taken.

    Args:
        folder: the folder; if it is missing, the result is empty.
        remarks: gets lines on the files that are left out.
    """
    images: dict[str, Path] = {}
    clashes, others, unprintable = [], [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue
        if UNPRINTABLE.search(path.name):
            unprintable.append(path)
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            if path.is_file() and path.suffix.lower() not in (".csv", ".txt", ".md", ".json", ".xlsx", ".db"):
                others.append(path)
            continue
        first = images.setdefault(path.stem, path)
        if first != path:
            kept, ignored = sorted((first, path), key=lambda p: (IMAGE_SUFFIXES.index(p.suffix.lower()), p.name))
            images[path.stem] = kept
            clashes.append(ignored)
    if remarks is not None:
        remarks += remark_on(clashes, "ignored, for another file here has the same name with another suffix")
        remarks += remark_on(unprintable, "ignored, for its name holds a character that cannot be printed; rename it")
        remarks += remark_on(others, f"ignored, for it is no image that Salus reads ({', '.join(IMAGE_SUFFIXES)})")
    return dict(sorted(images.items()))


def remark_on(paths: Iterable[Path], text: str) -> list[str]:
    """Write one line about each of up to three files, or one line about all of them."""
    files = [UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(path)) for path in paths]
    if len(files) <= 3:
        return [f"{path}: {text}" for path in files]
    return [f"{files[0]} and {len(files) - 1} more: {text}"]


def find_root(root: Path, has_layout: Callable[[Path], bool]) -> Path | None:
    """Return `root` if it has the layout, else the only folder in it (as archives unpack) if that has it, else None."""
    if has_layout(root):
        return root
    folders = list_folders(root)
    return folders[0] if len(folders) == 1 and has_layout(folders[0]) else None


def list_folders(root: Path) -> list[Path]:
    """List the folders directly in `root`, sorted, without those that archivers and systems leave behind."""
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
