"""What a language model can call: list, segment and measure images, and evaluate masks.

Answers hold numbers and paths, never pixels: what an image shows stays on this computer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any

import numpy as np

from salus.data.layouts import read_data_set
from salus.errors import SalusError
from salus.evaluation.scoring import evaluate
from salus.evaluation.summary import summarise_scores
from salus.mcp_server.folders import Folders
from salus.pipeline.inputs import list_input_images
from salus.pipeline.jobs import plan_jobs
from salus.pipeline.options import RunOptions
from salus.pipeline.run import run_jobs
from salus.processor import default_workers
from salus.prompts.prompt import make_prompt
from salus.read.frames import open_frames
from salus.read.limits import check_frame_number
from salus.read.mask_file import read_any_mask
from salus.read.mask_values import AUTO
from salus.scan import Scan, mask_outside_regions
from salus.segmentation.region_results import measure_mask
from salus.segmentation.segmenter import Segmenter
from salus.write.tables import FAILED, records_json

MAX_LISTED = 200
"""Largest number of images, records or lines in one answer; the rest is counted."""

Answer = dict[str, Any]
Progress = Callable[[int, int], object]


class Tools:
    """The tools, over the folders that the user named. Safe to use from several threads.

    Args:
        folders: what may be read and written.
        network: see `Segmenter`; loaded at the first use. So are the next two.
        device: "cpu", "gpu", "cuda" or "cuda:1".
        precision: "float32", "bfloat16" or "auto".
    """

    def __init__(
        self, folders: Folders, network: str | None = None, device: str = "cpu", precision: str = "float32"
    ) -> None:
        self.folders = folders
        self._options: dict[str, Any] = {"network": network, "device": device, "precision": precision}
        self._loaded: Segmenter | None = None
        self._lock = Lock()

    def list_images(self, folder: str = ".", recursive: bool = False) -> Answer:
        """List the images in a folder.

        Args:
            folder: see `Folders.readable_path`.
            recursive: folders in the folder are searched too.

        Returns:
            `images`, of them `MAX_LISTED` at most; `count` of all; `left_out`, a line for what is no image.

        Raises:
            SalusError: the folder is outside of what may be read, or holds no image.
        """
        path = self.folders.readable_path(folder)
        left_out: list[str] = []
        (images,) = list_input_images([path], None, left_out.append, recursive=recursive)
        self.folders.require_inside(images)
        return {"images": list(map(str, images[:MAX_LISTED])), "count": len(images), "left_out": left_out}

    def segment_image(
        self,
        image: str,
        frame: int = 1,
        points: Sequence[Sequence[float]] = (),
        not_points: Sequence[Sequence[float]] = (),
        box: Sequence[float] | None = None,
    ) -> Answer:
        """Outline the tumours of one image and measure them; nothing is written.

        Args:
            image: the file.
            frame: of a file with several, from 1.
            points: places (x, y) inside the lesion, in pixels.
            not_points: places (x, y) outside it.
            box: (x0, y0, x1, y1) around it.

        Returns:
            As `Segmentation.to_dict`, with `frames`, the number in the file.

        Raises:
            SalusError: the file may not or cannot be read, or what is pointed at lies outside the image.
        """
        scan, count = self._read(image, frame)
        prompt = make_prompt([tuple(p) for p in points], [tuple(p) for p in not_points], tuple(box) if box else None)
        return self._segmenter()(scan, prompt).to_dict() | {"frames": count}

    def segment_files(
        self,
        inputs: Sequence[str],
        output_folder: str,
        outputs: Sequence[str] = ("png", "overlay", "csv", "json"),
        frames: str | None = None,
        recursive: bool = False,
        deidentify: bool = False,
        resume: bool = False,
        overwrite: bool = False,
        on_progress: Progress = lambda done, total: None,
    ) -> Answer:
        """Outline the tumours of files and folders, and write masks, overlays and tables, as `salus segment` does.

        Args:
            inputs: files and folders.
            output_folder: see `Folders.writable_path`.
            outputs: see `RunOptions`; so are the next four.
            frames: of cines; see `plan_jobs`.
            recursive: folders in the folders are searched too.
            deidentify: DICOM outputs by the standard's basic profile.
            resume: skip what an earlier run into the folder finished.
            overwrite: remove what an earlier run wrote there.
            on_progress: called with the number of images that are done, and of all.

        Returns:
            `folder`; `counts` of results; `records` as lesions.json has them, `MAX_LISTED` at most; `warnings`.

        Raises:
            SalusError: an input may not be read, the folder may not be written, or see `run_jobs`.
        """
        folder = self.folders.writable_path(output_folder)
        paths = [self.folders.readable_path(path) for path in inputs]
        warnings: list[str] = []
        jobs = plan_jobs(paths, folder, frames, resume=resume, recursive=recursive, on_warning=warnings.append)
        self.folders.require_inside(dict.fromkeys(job.image for job in jobs))
        options = RunOptions(outputs=tuple(outputs), deidentify=deidentify, resume=resume, overwrite=overwrite)
        result = run_jobs(jobs, folder, self._segmenter(), options, on_warning=warnings.append, on_progress=on_progress)
        records = sorted(result.records, key=lambda record: record.result != FAILED)  # failures are told first
        return {
            "folder": str(folder),
            "counts": Counter(record.result for record in result.records),
            "kept": result.kept,
            "records": records_json(records[:MAX_LISTED])["images"],
            "warnings": _listed(warnings),
        }

    def measure(self, image: str, mask: str, frame: int = 1) -> Answer:
        """Measure the lesions of a mask that was drawn on an image, in mm where the image is calibrated.

        Args:
            image: the file.
            mask: the file of the mask, of the image's size: a picture, or NIfTI or NRRD of one image.
            frame: of an image file with several, from 1.

        Returns:
            `lesions`, as `Segmentation.to_dict` has them, each with its `unit`; `unit` of all, "mm" or "px", None where
            there are none or they differ; `spacing`, None also where the image's regions have their own.

        Raises:
            SalusError: a file may not or cannot be read, or the sizes differ.
        """
        scan, _ = self._read(image, frame)
        path = self.folders.readable_path(mask)
        drawn = read_any_mask(path).mask
        if drawn.shape != scan.shape:
            raise SalusError(
                f"{path}: has {drawn.shape[1]} x {drawn.shape[0]} pixels, its image {scan.shape[1]} x {scan.shape[0]}; "
                "give the mask of this image"
            )
        outside = drawn & ~mask_outside_regions(drawn, scan.regions)
        measured = measure_mask(scan.parts, drawn, drawn.astype(np.float32), scan.pixels)
        units = {lesion.unit for lesion in measured}
        lesions = [asdict(lesion) for lesion in measured]
        for lesion in lesions:
            del lesion["confidence"]  # of a network's probabilities; here there are none
        remarks = [f"{outside.sum()} pixels outside the ultrasound regions are not measured"] if outside.any() else []
        return {
            "image": scan.source,
            "lesions": lesions,
            "unit": units.pop() if len(units) == 1 else None,
            "spacing": scan.spacing,
            "remarks": remarks + list(scan.notes),
        }

    def evaluate(
        self,
        predictions: str,
        truth: str,
        layout: str | None = None,
        mask_values: str = AUTO,
        truth_values: str = AUTO,
        on_progress: Progress = lambda done, total: None,
    ) -> Answer:
        """Score a folder of masks against a data set's truth.

        Args:
            predictions: folder of masks or probability maps, named as the images.
            truth: the data set's folder.
            layout: how it is laid out; None detects it.
            mask_values: how the values of predictions are read; see `salus.read.mask_values`.
            truth_values: the same of the truth.
            on_progress: called with the number of cases that are done, and of all.

        Returns:
            The summary of `salus evaluate --json`, with `warnings` and `failures`.

        Raises:
            SalusError: a folder may not or cannot be read; the truth refers to files that may not be read; or cases
                have no prediction.
        """
        folders = [self.folders.readable_path(folder) for folder in (predictions, truth)]
        for folder in folders:
            self.folders.require_tree_inside(folder)
        for case in read_data_set(folders[1], layout).cases:  # a manifest may name files anywhere
            self.folders.require_inside([case.image, *(case.masks or ()), *([case.saliency] if case.saliency else [])])
        remarks: list[str] = []
        warnings: list[str] = []
        rows, failures = evaluate(
            folders[0], folders[1], layout=layout, mask_values=mask_values, truth_values=truth_values,
            remarks=remarks, warnings=warnings, on_progress=on_progress,
        )  # fmt: skip
        return {**summarise_scores(rows), "read": remarks, "warnings": _listed(warnings), "failures": _listed(failures)}

    def _segmenter(self) -> Segmenter:
        """Return the network, loaded once."""
        with self._lock:
            if self._loaded is None:
                self._loaded = Segmenter(**self._options, streams=default_workers())
            return self._loaded

    def _read(self, image: str, frame: int) -> tuple[Scan, int]:
        """Read a frame of a file; return it and the number of frames."""
        frames = open_frames(self.folders.readable_path(image))
        check_frame_number(frames.source, frame, frames.count)
        return frames.scan(frame), frames.count


def _listed(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MAX_LISTED
    return [*lines[:MAX_LISTED], *([f"and {more} more"] if more > 0 else [])]
