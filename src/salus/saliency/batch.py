"""Maps of many files: what is to be done is settled first, then each image gets NAME.png, as the published set has."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.preprocess import to_bytes
from salus.read.find import images_in
from salus.read.inputs import as_scan
from salus.saliency.estimate import estimate_saliency
from salus.saliency.map import SaliencyMap
from salus.saliency.preview import preview

PREVIEWS = "previews"
"""The folder of previews within the folder of maps, so that the latter holds maps alone."""

NOTE = "salus saliency"
"""The key of the text in a map's PNG file that says how it was made."""


@dataclass(frozen=True)
class Settings:
    """How maps are made; the arguments of `estimate_saliency`."""

    method: str = "learned"
    gate: bool = False
    one_contour: str | None = None
    folder: Path | None = None

    @property
    def note(self) -> str:
        """What a map's file says of it."""
        return json.dumps({"method": self.method, "gate": self.gate, "one_contour": self.one_contour})


@dataclass(frozen=True)
class Job:
    """One image and what is to be written for it; `preview` is None where none is wanted."""

    image: Path
    map: Path
    preview: Path | None

    @property
    def done(self) -> bool:
        """Whether all of it exists."""
        return self.map.exists() and (self.preview is None or self.preview.exists())


def plan(
    inputs: Sequence[Path], folder: Path, settings: Settings, *, previews: bool = False, overwrite: bool = False
) -> list[Job]:
    """What is to be written for images and for folders of images, in the order given.

    Args:
        inputs: image files and folders. Of a folder the images directly in it are taken; where masks lie beside their
            images (NAME.png, NAME_mask.png), the masks are left out. A file that is missing or no image is found out
            when its turn comes.
        folder: where maps go.
        settings: how maps are made.
        previews: with a picture for each, in `PREVIEWS`.
        overwrite: what exists is made again.

    Raises:
        SalusError: two images of the same name, a folder without images, an output that would replace an input, no
            folder where one is named, or a map is there that was made with other settings.
    """
    if folder.exists() and not folder.is_dir():
        raise SalusError(f"{folder}: is a file; name a folder with -o")
    if settings.folder is not None and not settings.folder.is_dir():
        raise SalusError(f"{settings.folder}: no such folder of maps")
    named: dict[str, Path] = {}
    for path in (image for given in inputs for image in (images_in(given) if given.is_dir() else [given])):
        first = named.setdefault(path.stem, path)
        if os.path.realpath(first) != os.path.realpath(path):
            raise SalusError(f"{first} and {path} have the same name, so one map would replace the other; do one apart")
    jobs = [
        Job(path, folder / f"{stem}.png", folder / PREVIEWS / f"{stem}_preview.jpg" if previews else None)
        for stem, path in named.items()
    ]
    sources = {os.path.realpath(path): path for path in named.values()}
    for job in jobs:
        for output in filter(None, (job.map, job.preview)):
            if os.path.realpath(output) in sources:
                raise SalusError(f"{output} is an image to be read, and would be replaced; name another folder with -o")
    if settings.folder is not None and os.path.realpath(settings.folder) == os.path.realpath(folder):
        raise SalusError(f"{folder}: maps would replace the ones they are read from; name another folder with -o")
    if not overwrite:
        for job in jobs:
            if job.map.exists() and _note(job.map) not in (None, settings.note):
                raise SalusError(f"{job.map} was made with other settings; give --overwrite, or another folder with -o")
    return jobs


def make(job: Job, settings: Settings) -> SaliencyMap:
    """Read, estimate and write one image's map and preview, each by rename.

    Raises:
        SalusError: the image cannot be read or has no saliency; see `estimate_saliency`.
        OSError: nothing can be written.
    """
    scan = as_scan(job.image)
    made = estimate_saliency(
        scan, settings.method, gate=settings.gate, one_contour=settings.one_contour, folder=settings.folder
    )
    note = PngImagePlugin.PngInfo()
    note.add_text(NOTE, settings.note)
    picture = job.preview
    if picture is not None:  # first, so that a map that exists says that all is done
        image = Image.fromarray(preview(scan, made))
        picture.parent.mkdir(exist_ok=True)
        write_whole(picture, lambda path: image.save(path, "JPEG", quality=90))
    values = Image.fromarray(to_bytes(made.values))
    write_whole(job.map, lambda path: values.save(path, "PNG", pnginfo=note))
    return made


def _note(path: Path) -> str | None:
    """What a map's file says of how it was made; None where it does not."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            note = image.info.get(NOTE)
            return note if isinstance(note, str) else None
    except Exception:  # Pillow raises many kinds; a file that is no map of ours is left alone
        return None
