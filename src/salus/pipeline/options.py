"""Options of a run over many images: what is written, and how."""

from __future__ import annotations

from dataclasses import dataclass

from salus.errors import SalusError
from salus.pipeline.outputs import PRODUCTS

CSV, JSON, JOURNAL, PREVIEW, REPORT = "lesions.csv", "lesions.json", "journal.jsonl", "preview.jpg", "report.json"

PICTURES = {"png": "mask", "overlay": "overlay", "probability": "probability", "saliency": "saliency"}
"""Outputs that are pictures, and their kinds in `salus.pipeline.jobs.PICTURE_FILES`."""

OUTPUTS = (*PICTURES, "csv", "json", *PRODUCTS)
DEFAULT_OUTPUTS = ("png", "overlay", "csv", "json")


@dataclass(frozen=True)
class RunOptions:
    """Options of a run over many images.

    Attributes:
        outputs: of `OUTPUTS`; the masks, "png", are written in any case, because other outputs are made of them.
        fractional: the DICOM segmentation holds probabilities.
        whole_image: overlays show what lies outside the ultrasound regions too.
        deidentify: DICOM objects are de-identified; see `salus.pipeline.deidentify`.
        preview: write contact sheets, which are made of the overlays.
        report: write the manifest.
        resume: continue an earlier run in the folder.
        overwrite: replace earlier outputs.
        workers: images that are worked on at a time; None suits the processor.
        part: (which, of how many), where the images are divided among several runs; see `salus.pipeline.merge`.

    Raises:
        SalusError: an unknown output, a preview without overlays, or no such part.
    """

    outputs: tuple[str, ...] = DEFAULT_OUTPUTS
    fractional: bool = False
    whole_image: bool = False
    deidentify: bool = False
    preview: bool = False
    report: bool = False
    resume: bool = False
    overwrite: bool = False
    workers: int | None = None
    part: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check that the options are known and go together."""
        unknown = [name for name in self.outputs if name not in OUTPUTS]
        if unknown:
            raise SalusError(
                f"unknown output {unknown[0]!r}; choose from {', '.join(OUTPUTS)} (the folder goes with -o)"
            )
        if self.part and not 1 <= self.part[0] <= self.part[1]:
            raise SalusError(f"part {self.part[0]} of {self.part[1]}: give --part 1 to {self.part[1]} of --num-parts")
        if self.preview and "overlay" not in self.outputs:
            raise SalusError("the preview is made of the overlays; leave out --no-overlay, or add overlay to --output")
        if self.whole_image and self.deidentify:
            raise SalusError("--whole-image shows what --deidentify hides; leave out one of them")

    @property
    def picture_kinds(self) -> tuple[str, ...]:
        """Kinds of picture to write, of `salus.pipeline.jobs.PICTURE_FILES`."""
        outputs = {"png", *self.outputs, *(["probability"] if self.fractional else [])}
        return tuple(kind for name, kind in PICTURES.items() if name in outputs)

    @property
    def output_settings(self) -> dict[str, bool]:
        """Options that change the content of outputs; a resumed run must have the same."""
        return {"fractional": self.fractional, "whole_image": self.whole_image, "deidentify": self.deidentify}

    @property
    def products(self) -> tuple[str, ...]:
        """Products to write, of `salus.pipeline.outputs.PRODUCTS`."""
        return tuple(name for name in PRODUCTS if name in self.outputs)

    def summary_name(self, name: str) -> str:
        """Name a file that covers all images of the run; that of a part says which part.

        Example:
            >>> RunOptions(part=(2, 8)).summary_name("lesions.csv"), RunOptions().summary_name("lesions.csv")
            ('lesions-2-of-8.csv', 'lesions.csv')
        """
        stem, _, suffix = name.partition(".")
        return f"{stem}-{self.part[0]}-of-{self.part[1]}.{suffix}" if self.part else name


DEFAULT_OPTIONS = RunOptions()
"""Masks, overlays and tables."""
