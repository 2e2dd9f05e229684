"""Saliency maps of many files: plan all jobs first, then write NAME.png for each image, as the published set has."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from salus.atomic import write_picture
from salus.errors import SalusError
from salus.output_names import OutputNames
from salus.preprocess import to_uint8
from salus.read.find import Omission, describe_omissions, find_images, path_identity, require_any_input
from salus.read.inputs import as_scan
from salus.saliency.estimate import estimate_saliency
from salus.saliency.map import SaliencyMap
from salus.saliency.preview import draw_preview

PREVIEWS = "previews"
"""Name of the folder of previews within the folder of maps, so that the latter itself holds maps alone."""

MAX_HASHED = 256 * 2**20
"""Largest bytes of an image of which a checksum is made."""

NOTE = "salus saliency"
"""Key of the text in a map's PNG file that says how the map was made."""


@dataclass(frozen=True)
class SaliencyOptions:
    """Options of `estimate_saliency`, the same for all images."""

    method: str = "learned"
    gate: bool = False
    one_contour: str | None = None
    folder: Path | None = None
    device: str = "cpu"

    @property
    def note(self) -> dict[str, Any]:
        """What a map's file says of how the map was made."""
        return {"method": self.method, "gate": self.gate, "one_contour": self.one_contour}


@dataclass(frozen=True)
class Job:
    """One image, and the files to write for it; `preview` is None where none is wanted."""

    image: Path
    map: Path
    preview: Path | None

    @property
    def done(self) -> bool:
        """Whether all the files exist."""
        return self.map.exists() and (self.preview is None or self.preview.exists())


def plan_jobs(
    inputs: Sequence[Path],
    folder: Path,
    options: SaliencyOptions,
    *,
    previews: bool = False,
    overwrite: bool = False,
    recursive: bool = False,
    verbose: bool = False,
    on_warning: Callable[[str], object] = lambda line: None,
) -> list[Job]:
    """List the files to write for images and for folders of images, in the order given.

    Args:
        inputs: image files, folders and patterns; see `salus.read.find.find_images`. Whether a file can be read shows
            when its turn comes.
        folder: where the maps go.
        options: how maps are made.
        previews: write a preview of each map too, in `PREVIEWS`.
        overwrite: write again what exists.
        recursive: folders within the folders are searched too; maps lie in the same folders.
        verbose: a line for each file that is left out, in place of one for many.
        on_warning: called with one line for what is left out.

    Raises:
        SalusError: no input is there, a folder has no images, an output would replace an input, a file stands where a
            folder is named, or a map exists that was made with other options or of another image.
    """
    if folder.exists() and not folder.is_dir():
        raise SalusError(f"{folder}: is a file; name a folder with -o")
    if options.folder is not None and not options.folder.is_dir():
        raise SalusError(f"{options.folder}: no such folder of maps")
    omissions: list[Omission] = []
    names = _name_images(inputs, folder, recursive, omissions.append)
    named = {path_identity(entry) for entry in inputs}
    left_out = [omission for omission in omissions if path_identity(omission.path) not in named]
    for line in describe_omissions(left_out, verbose):
        on_warning(line)
    jobs = [
        Job(path, folder / f"{name}.png", folder / PREVIEWS / f"{name}_preview.jpg" if previews else None)
        for path, name in names.items()
    ]
    sources = {os.path.realpath(path) for path in names}
    for job in jobs:
        for output in filter(None, (job.map, job.preview)):
            if os.path.realpath(output) in sources:
                raise SalusError(f"{output} is an image to be read, and would be replaced; name another folder with -o")
    if options.folder is not None and os.path.realpath(options.folder) == os.path.realpath(folder):
        raise SalusError(f"{folder}: maps would replace the ones they are read from; name another folder with -o")
    if not overwrite:
        for job in jobs:
            _check_existing_map(job, options)
    return jobs


def _name_images(
    inputs: Sequence[Path], folder: Path, recursive: bool, on_omission: Callable[[Omission], object]
) -> dict[Path, str]:
    """List the images of the inputs, each path once, with the names of their maps.

    An image's map is named as the image, in the folder in which it lies below its input; where that name is taken, by
    the rule of `salus.output_names`. What is found in the folder of the maps is left out.
    """
    require_any_input(inputs)
    images: dict[str, tuple[Path, Path]] = {}
    order: list[str] = []
    out = os.path.realpath(folder)
    for entry in inputs:
        found = find_images(entry, recursive=recursive, on_omission=on_omission)
        maps = [path for path in found if path != entry and _lies_in(path, out) and not _lies_in(entry, out)]
        for path in maps:
            on_omission(Omission(path, "lies in the folder of the maps"))
        for path in sorted(set(found) - set(maps), key=lambda path: (path.suffix.lower() != ".png", found.index(path))):
            inside = path.parent.relative_to(entry) if entry.is_dir() else Path()
            images.setdefault(path_identity(path), (path, inside))
        order += [path_identity(path) for path in found]
    given = OutputNames()
    names = {key: given.add(path, inside=inside) for key, (path, inside) in images.items()}
    return {images[key][0]: names[key] for key in dict.fromkeys(order) if key in images}


def _lies_in(path: Path, folder: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)


def _check_existing_map(job: Job, options: SaliencyOptions) -> None:
    """Check that a map, where it exists, was made with these options and of this image.

    Raises:
        SalusError: it was not.
    """
    note = _read_note(job.map) if job.map.exists() else None
    if note is None:
        return
    if any(note.get(name) != value for name, value in options.note.items()):
        raise SalusError(f"{job.map} was made with other settings; give --overwrite, or another folder with -o")
    digest = _digest(job.image)
    if digest and note.get("image", digest) != digest:
        raise SalusError(f"{job.map} was made of another image; give --overwrite, or another folder with -o")


def _digest(path: Path) -> str:
    """Compute a checksum of an image's file; "" where it cannot be read, or is very large."""
    try:
        if path.stat().st_size > MAX_HASHED:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""  # said when it is read


def write_map(job: Job, options: SaliencyOptions) -> SaliencyMap:
    """Read one image, estimate its map, and write the map and its preview, each file whole or not at all.

    Raises:
        SalusError: the image cannot be read or has no map; see `estimate_saliency`.
        OSError: a file cannot be written.
    """
    scan = as_scan(job.image)
    saliency = estimate_saliency(
        scan,
        options.method,
        gate=options.gate,
        one_contour=options.one_contour,
        folder=options.folder,
        device=options.device,
    )
    if job.preview is not None:  # before the map, so that a map that exists says that the job is done
        job.preview.parent.mkdir(parents=True, exist_ok=True)
        write_picture(job.preview, Image.fromarray(draw_preview(scan, saliency)), "JPEG", quality=90)
    job.map.parent.mkdir(parents=True, exist_ok=True)
    note = PngImagePlugin.PngInfo()
    note.add_text(NOTE, json.dumps(options.note | {"image": _digest(job.image)}))
    write_picture(job.map, Image.fromarray(to_uint8(saliency.values)), "PNG", pnginfo=note)
    return saliency


def _read_note(path: Path) -> dict[str, Any] | None:
    """Read from a map's file how the map was made; None where it does not say."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            note = json.loads(image.info[NOTE])
            return note if isinstance(note, dict) else None
    except Exception:  # Pillow raises many kinds; a file that is no map of Salus is left alone
        return None
