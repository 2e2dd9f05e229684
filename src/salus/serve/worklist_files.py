"""Which images of a folder are on the worklist, and under which name their outlines are saved."""

from __future__ import annotations

import os
import re
from pathlib import Path

from salus.errors import SalusError
from salus.output_names import OutputNames
from salus.pipeline.inputs import list_input_images
from salus.read.find import UNPRINTABLE
from salus.read.formats import may_hold_frames
from salus.serve.audit import read_lines
from salus.serve.data_set_manifest import read_manifest
from salus.serve.names import distinct_name

PART_NAME = re.compile(r"(?P<file>.+)-(\d{4,}|region-\d+)")
"""Name of one frame, or of one region, of a file's image in a data set."""

UNSAFE = re.compile(rf"{UNPRINTABLE.pattern}|;")
"""Characters that the table of a data set cannot hold within a path."""


def list_work_files(folder: Path, output: Path) -> dict[str, Path]:
    """List the images of a folder and of the folders in it, with the names of their outlines.

    Data sets that a review wrote, and the outputs of `salus segment`, are left out.

    Args:
        folder: with images.
        output: of the review; it may lie in the folder.

    Returns:
        The files by name: the path within the folder without the suffix, which stays where two files of one folder
        differ in it alone. No two names are equal, also where upper and lower case are one, and none is that of a frame
        or a region of another file. A file of which the output holds something keeps the name of that, and no other
        file gets it, whatever came into the folder since.

    Raises:
        SalusError: there is no image.

    Example:
        >>> import tempfile
        >>> from salus import make_phantom
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "ward").mkdir()
        >>> for name in ("a.png", "ward/a.png", "ward/a.bmp"):
        ...     Image.fromarray(make_phantom(3).image).save(root / name)
        >>> sorted(list_work_files(root, root / "reviewed"))
        ['a', 'ward/a', 'ward/a.bmp']
    """
    [found] = list_input_images([folder], output, recursive=True)
    images = [path for path in found if not _is_reviewed(path, folder, output)]
    if not images:
        raise SalusError(f"{folder}: no image but what salus wrote; name the folder of the scans, such as DIR/images")
    files = read_files_of_cases(output)
    kept = {file: name for name, file in files.items()}
    names = {path: kept[label] for path in images if (label := label_of(path, folder)) in kept}
    kept_files = set(names)
    with_frames = {name.lower() for path, name in names.items() if may_hold_frames(path)}
    taken = {name.lower() for name in files}
    given: dict[str, OutputNames] = {}

    def is_taken(name: str) -> bool:
        match = PART_NAME.fullmatch(name)
        return name.lower() in taken or (match is not None and match["file"].lower() in with_frames)

    for path in sorted(images, key=lambda path: path.suffix.lower() != ".png"):  # a.png is "a", not a.jpg beside it
        inside = UNSAFE.sub("_", Path(os.path.relpath(path.parent, folder)).as_posix())
        start = "" if inside == "." else f"{inside}/"
        file = UNSAFE.sub("_", path.name)
        name = start + given.setdefault(inside.lower(), OutputNames()).add(Path(file))
        if path in kept_files:
            continue
        names[path] = distinct_name(start + file if is_taken(name) else name, is_taken)
        taken.add(names[path].lower())
    files_with_parts = {match["file"].lower() for name in names.values() if (match := PART_NAME.fullmatch(name))}
    for path, name in names.items():
        if path not in kept_files and name.lower() in files_with_parts and may_hold_frames(path):
            whole = name if name.endswith(path.suffix) else name + path.suffix
            names[path] = distinct_name(whole, lambda candidate: candidate.lower() in taken | files_with_parts)
            taken.add(names[path].lower())
    return {names[path]: path for path in images}


def label_of(path: Path, folder: Path) -> str:
    """Name a file as the list shows it: its path within the folder."""
    return Path(os.path.relpath(path, folder)).as_posix()


def read_files_of_cases(output: Path) -> dict[str, str]:
    """Read of which file each case in the output of a review is: as its table says, or else the last line of its log.

    Returns:
        The files by the case's name, those with a saved outline last; a file's name is its path in the reviewed folder.

    Raises:
        SalusError: the table cannot be read.
    """
    saved = {row.case: row.file for row in read_manifest(output / "manifest.csv").values() if row.file}
    noted = {line["case"]: line["file"] for line in read_lines(output / "audit.jsonl") if line.get("file")}
    return {name: file for name, file in noted.items() if name not in saved} | saved


def _is_reviewed(path: Path, folder: Path, output: Path) -> bool:
    """Tell whether a review wrote a file: this one's output, or another data set with its log."""
    for parent in path.parents:
        if os.path.realpath(parent) == os.path.realpath(output) != os.path.realpath(folder):
            return True
        if (parent / "audit.jsonl").is_file() and (parent / "manifest.csv").is_file():
            return True
        if parent == folder:
            return False
    return False
