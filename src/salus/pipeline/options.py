"""What a run over many images is to write, and how."""

from __future__ import annotations

from dataclasses import dataclass

from salus.errors import SalusError
from salus.pipeline.outputs import PRODUCTS

CSV, JSON, JOURNAL, PREVIEW, REPORT = "lesions.csv", "lesions.json", "journal.jsonl", "preview.jpg", "report.json"

PICTURES = {"png": "mask", "overlay": "overlay", "probability": "probability", "saliency": "saliency"}
"""Outputs that are pictures, and their kinds in `PLACES`."""

OUTPUTS = (*PICTURES, "csv", "json", *PRODUCTS)
USUAL = ("png", "overlay", "csv", "json")


@dataclass(frozen=True)
class Wanted:
    """What is to be written, and how.

    Attributes:
        outputs: of `OUTPUTS`; "png", the masks, always is among them, for what comes later is made of it.
        fractional: the DICOM segmentation holds probabilities.
        whole_image: overlays show what lies outside the ultrasound regions too.
        deidentify: DICOM objects are de-identified; see `salus.pipeline.deidentify`.
        preview: contact sheets; they are made of the overlays.
        report: the manifest.
        resume: go on with what an earlier run left in the folder.
        overwrite: replace what is there.
        workers: images that are worked on at a time; None suits the processor.
        part: (which, of how many), where the images are shared out over several runs; see `salus.pipeline.merge`.

    Raises:
        SalusError: an unknown output, a preview without overlays, or no such part.
    """

    outputs: tuple[str, ...] = USUAL
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
        """Refuse what is unknown, and a preview of nothing."""
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
    def kinds(self) -> tuple[str, ...]:
        """The kinds of picture, of `PLACES`."""
        wanted = {"png", *self.outputs, *(["probability"] if self.fractional else [])}
        return tuple(kind for name, kind in PICTURES.items() if name in wanted)

    @property
    def settings(self) -> dict[str, bool]:
        """What outputs that are there already depend on; a resumed run must ask for the same."""
        return {"fractional": self.fractional, "whole_image": self.whole_image, "deidentify": self.deidentify}

    @property
    def products(self) -> tuple[str, ...]:
        """Of `PRODUCTS`."""
        return tuple(name for name in PRODUCTS if name in self.outputs)

    def named(self, name: str) -> str:
        """The name of a file that tells of all images; that of a part says which.

        Example:
            >>> Wanted(part=(2, 8)).named("lesions.csv"), Wanted().named("lesions.csv")
            ('lesions-2-of-8.csv', 'lesions.csv')
        """
        stem, _, suffix = name.partition(".")
        return f"{stem}-{self.part[0]}-of-{self.part[1]}.{suffix}" if self.part else name


AS_USUAL = Wanted()
"""Masks, overlays and tables."""
