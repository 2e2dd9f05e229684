"""The worklist: images of a folder to be reviewed one after another, with their outlines in an output folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from salus.errors import SalusError
from salus.pipeline.jobs import plan_jobs
from salus.serve.data_set import DataSetFolder


@dataclass(frozen=True)
class WorkItem:
    """An image of the folder.

    Attributes:
        number: from 1, in the order of names.
        name: of its file, without its folder.
        done: whether an outline of it was saved.
    """

    number: int
    name: str
    done: bool


class Worklist:
    """A folder's images, and the data set that their review builds.

    Args:
        folder: with images.
        output: where saved outlines go: images/, masks/, manifest.csv.

    Raises:
        SalusError: there is no such folder, or no image in it.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        if not folder.is_dir():
            raise SalusError(f"{folder}: is no folder; name one with images")
        self.output = DataSetFolder(output)
        self.files = {job.file_name.replace("/", "_"): job.image for job in plan_jobs([folder], output, "1")}

    def items(self) -> list[WorkItem]:
        """List all images, with what is done now."""
        done = self.output.cases()
        return [
            WorkItem(number, path.name, name in done) for number, (name, path) in enumerate(self.files.items(), start=1)
        ]

    def find(self, number: int) -> tuple[str, Path] | None:
        """Find an item's name and file by its number; None where there is no such item."""
        files = list(self.files.items())
        return files[number - 1] if 1 <= number <= len(files) else None
