"""The images of a folder, and the labels that clients save for them.

OUT/images/ID.nii.gz     images that clients sent
OUT/labels/ID.nii.gz     labels that clients saved; one that is saved again replaces the one before
OUT/datalist.json        images and labels as a MONAI datalist, which `salus train OUT` reads
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from salus.atomic import write_json, write_whole
from salus.errors import SalusError
from salus.read.find import find_images
from salus.read.formats import CLINICAL_SUFFIXES, IMAGE_SUFFIXES

FINAL = "final"
"""Tag of the labels that a person saved."""

LABEL_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".png", ".tif")
"""Suffixes of label files that are taken, a longer one before its end."""

NAME = re.compile(r"[^\W.][\w .()+,=@#-]{0,199}")
"""Names of images that clients send; they become file names."""


class UnknownImage(SalusError):
    """There is no such image, or no label of it."""


@dataclass(frozen=True)
class StoredImage:
    """An image that clients can ask for.

    Attributes:
        id: by which they do.
        path: its file.
    """

    id: str
    path: Path


class ImageStore:
    """The images of a folder and of OUT/images, and the labels in OUT. Safe to use from several threads.

    Args:
        folder: of images, with the folders in it.
        out: where labels and sent images go.

    Raises:
        SalusError: the folder is not there.
        OSError: OUT cannot be written.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        if not folder.is_dir():
            raise SalusError(f"{folder}: no such folder")
        self.folder, self.out = folder, out
        for name in ("images", "labels"):
            (out / name).mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._images: dict[str, StoredImage] = {}
        paths = [path for path in _list_images(folder) if not path.resolve().is_relative_to(out.resolve())]
        for path in [*paths, *_list_images(out / "images")]:
            self._add(path)

    def images(self) -> list[StoredImage]:
        """List the images."""
        with self._lock:
            return list(self._images.values())

    def image(self, image_id: str) -> StoredImage:
        """Return an image.

        Raises:
            UnknownImage: there is none.
        """
        with self._lock:
            found = self._images.get(image_id)
        if found is None:
            raise UnknownImage(f"{image_id}: no such image; load it in this program, or add its file to the folder")
        return found

    def add_image(self, image_id: str, file_name: str, content: Path) -> StoredImage:
        """Keep an image that a client sent; another one of the same name, sent before, is replaced and loses its label.

        Args:
            image_id: as the client names it.
            file_name: of its file, for the suffix.
            content: the file; it is copied.

        Raises:
            SalusError: the name makes no file name, or is that of an image in the folder.
            OSError: it cannot be stored.
        """
        _check_name(image_id)
        suffix = image_suffix(file_name)
        path = self.out / "images" / f"{image_id}{suffix}"
        with self._lock:
            known = self._images.get(image_id)
            if known is not None and known.path.parent != path.parent:
                raise SalusError(f"{image_id}: an image of this name is in the folder; give yours another name")
            same = known is not None and known.path.is_file() and filecmp.cmp(known.path, content, shallow=False)
            if known is not None and known.path != path:
                known.path.unlink(missing_ok=True)
            write_whole(path, lambda temporary: shutil.copyfile(content, temporary))
            self._images[image_id] = StoredImage(image_id, path)
            if not same:
                for label in self._label_files(image_id):
                    label.unlink(missing_ok=True)
                self._write_datalist()
            return self._images[image_id]

    def save_label(self, image_id: str, file_name: str, content: Path) -> Path:
        """Keep the label of an image.

        Args:
            image_id: of the image.
            file_name: of the label's file, for the suffix.
            content: the file; it is copied.

        Returns:
            The label's file.

        Raises:
            SalusError: there is no such image, or the label has another format.
            OSError: it cannot be stored.
        """
        image = self.image(image_id)
        suffix = next((s for s in LABEL_SUFFIXES if file_name.lower().endswith(s)), None)
        if suffix is None:
            raise SalusError(f"{file_name}: labels are taken as {', '.join(LABEL_SUFFIXES)}")
        path = self.out / "labels" / f"{_file_name(image.id)}{suffix}"
        with self._lock:
            earlier = [known for known in self._label_files(image_id) if known != path]
            write_whole(path, lambda temporary: shutil.copyfile(content, temporary))
            for known in earlier:
                known.unlink(missing_ok=True)
            self._write_datalist()
        return path

    def label(self, image_id: str) -> Path:
        """Return the label of an image.

        Raises:
            UnknownImage: there is none.
        """
        files = self._label_files(self.image(image_id).id)
        if not files:
            raise UnknownImage(f"{image_id}: has no label")
        return files[0]

    def next_image(self) -> StoredImage | None:
        """Return the first image without a label; None where all have one."""
        return next((image for image in self.images() if not self._label_files(image.id)), None)

    def status(self) -> dict[str, Any]:
        """Count images and labels, as MONAI Label's information does."""
        images = self.images()
        completed = sum(1 for image in images if self._label_files(image.id))
        return {"total": len(images), "completed": completed, "label_tags": {FINAL: completed}, "train": []}

    def listing(self) -> dict[str, Any]:
        """List images and their labels, as MONAI Label's datastore does."""
        objects = {}
        for image in self.images():
            files = self._label_files(image.id)
            labels = {FINAL: {"ext": _suffix(files[0]), "info": {}}} if files else {}
            objects[image.id] = {"image": {"ext": _suffix(image.path), "info": {}}, "labels": labels}
        return {"name": self.folder.resolve().name, "description": "", "objects": objects}

    def _add(self, path: Path) -> None:
        """Give an image its name without the suffix as ID, or with it where another one has that."""
        image_id = next((name for name in (image_name(path.name), path.name) if name not in self._images), str(path))
        self._images[image_id] = StoredImage(image_id, path)

    def _label_files(self, image_id: str) -> list[Path]:
        name = _file_name(image_id)
        paths = (self.out / "labels" / f"{name}{suffix}" for suffix in LABEL_SUFFIXES)
        return [path for path in paths if path.is_file()]

    def _write_datalist(self) -> None:
        training = [
            {"image": os.path.relpath(image.path, self.out), "label": os.path.relpath(files[0], self.out)}
            for image in self._images.values()
            if (files := self._label_files(image.id))
        ]
        write_json(
            self.out / "datalist.json", {"labels": {"0": "background", "1": "tumour"}, "training": training, "test": []}
        )


def image_suffix(file_name: str) -> str:
    """Return the suffix of an image's file name.

    Raises:
        SalusError: it is none of an image.

    Example:
        >>> image_suffix("scan.1.nii.gz")
        '.nii.gz'
    """
    suffix = _suffix(Path(file_name))
    if not suffix:
        raise SalusError(f"{file_name}: is no image that is read; send DICOM, NIfTI, NRRD, PNG or JPEG")
    return suffix


def image_name(file_name: str) -> str:
    """Return an image file's name without its suffix: "patient.001" of "patient.001.nii.gz"."""
    path = Path(file_name)
    return path.name[: len(path.name) - len(_suffix(path))]


def checksum(path: Path) -> str:
    """Return a file's SHA-256 as the clients name it."""
    with path.open("rb") as file:
        return "SHA256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _list_images(folder: Path) -> list[Path]:
    try:
        return find_images(folder, recursive=True)
    except SalusError:  # none in it, which is no mistake here
        return []


def _suffix(path: Path) -> str:
    name = path.name.lower()
    suffixes = sorted((*CLINICAL_SUFFIXES, *IMAGE_SUFFIXES), key=len, reverse=True)
    return next((suffix for suffix in suffixes if name.endswith(suffix) and len(name) > len(suffix)), "")


def _check_name(image_id: str) -> None:
    if not NAME.fullmatch(image_id):
        raise SalusError(f"{image_id!r}: makes no file name; name the image with letters, digits, spaces, - and _")


def _file_name(image_id: str) -> str:
    """Name the label of an image; an ID that holds folders gets its checksum."""
    plain = image_id if NAME.fullmatch(image_id) else re.sub(r"[^\w-]", "_", image_id)[-60:]
    return plain if plain == image_id else f"{plain}-{hashlib.sha256(image_id.encode()).hexdigest()[:8]}"
