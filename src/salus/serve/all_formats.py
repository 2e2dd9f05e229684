"""Write images of a session in every format of `salus segment --output`, named and placed as that command does.

OUT/masks, overlays, probability, saliency, dicom-seg, ...; lesions.csv, lesions.json and coco.json of all images; and
left-out.txt, a line for each file that could not be made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

from PIL import Image

from salus.atomic import write_json, write_picture, write_text
from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.output_names import fold_name
from salus.pipeline.jobs import output_path
from salus.pipeline.options import CSV, JSON, OUTPUTS, PICTURES
from salus.pipeline.outputs import COCO, EACH_FRAME, SUFFIXES, product_path, require_packages, write_product
from salus.segmentation.result import Segmentation
from salus.serve.open_case import OpenCase
from salus.serve.result_json import FrameAnswer, add_review, answer_record, flag_calibration
from salus.write.coco import image_file_names, write_coco
from salus.write.overlay import QUALITY, draw_overlay
from salus.write.tables import Record, records_json, write_csv

LEFT_OUT = "left-out.txt"


@dataclass(frozen=True)
class CaseResult:
    """A case with the answers of its frames.

    Attributes:
        case: the image or cine.
        answers: of each frame, with lesions numbered through a cine.
        file: the file's name in tables and formats that name it; another one than that of the other images beside it.
    """

    case: OpenCase
    answers: Sequence[FrameAnswer]
    file: str = ""

    def frame_name(self, number: int) -> str:
        """Name the outputs of a frame as `salus segment` does: NAME, of a cine NAME/NUMBER."""
        return f"{self.case.name}/{number:04}" if self.case.is_cine else self.case.name

    def record(self, number: int) -> Record:
        """Make the record of a frame."""
        answer = flag_calibration(self.answers[number - 1])
        record = answer_record(answer, self.frame_name(number), self.file or self.case.label)
        return replace(record, frame=number if self.case.is_cine else record.frame)

    def segmentation(self, number: int) -> Segmentation:
        """Read the current segmentation of a frame."""
        lesions: tuple[Lesion, ...] = self.answers[number - 1].lesions
        return self.case.frame(number).segmentation(self.file or self.case.label or self.case.name, lesions)


def check_outputs(outputs: Collection[str]) -> None:
    """Check the names of formats, and that what they need is installed.

    Raises:
        SalusError: a format is unknown, none is named, or a package is missing.
    """
    unknown = [name for name in outputs if name not in OUTPUTS]
    if unknown or not outputs:
        raise SalusError(f"format {unknown[0] if unknown else ''!r}: choose from {', '.join(OUTPUTS)}")
    require_packages(outputs)


def write_archive(
    path: Path, results: Sequence[CaseResult], outputs: Collection[str], left_out: Sequence[str] = ()
) -> None:
    """Write a ZIP file with all images in some formats.

    Args:
        path: of the ZIP file.
        results: of each case.
        outputs: of `salus.pipeline.options.OUTPUTS`.
        left_out: lines on cases that could not be segmented.

    Raises:
        OSError: it cannot be written.
    """
    results = _with_distinct_files(results)
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        lines = [*left_out]
        for result in results:
            _write_case(folder, result, outputs, lines.append)
        frames = [(result, number) for result in results for number in range(1, result.case.count + 1)]
        records = [result.record(number) for result, number in frames]
        if "csv" in outputs:
            write_csv(folder / CSV, records)
        if "json" in outputs:
            table = records_json(records)
            for image, (result, number) in zip(table["images"], frames, strict=True):
                add_review(image, result.answers[number - 1])
            write_json(folder / JSON, table)
        if COCO in outputs:
            segmentations = (result.segmentation(number) for result, number in frames)
            write_coco(product_path(folder, COCO, ""), zip(image_file_names(records), segmentations, strict=True))
        if lines:
            write_text(folder / LEFT_OUT, "\n".join(lines) + "\n")
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, f"salus/{file.relative_to(folder).as_posix()}")


def _with_distinct_files(results: Sequence[CaseResult]) -> list[CaseResult]:
    """Name the files of cases apart: where two have one name, as of two patients, by the names of the cases."""
    labels = {fold_name(result.case.label) for result in results if result.case.label}
    if len(labels) == sum(1 for result in results if result.case.label):
        return list(results)
    return [replace(result, file=result.case.name + PurePosixPath(result.case.label).suffix) for result in results]


def _write_case(
    folder: Path, result: CaseResult, outputs: Collection[str], on_omission: Callable[[str], object]
) -> None:
    """Write the files of one case; call `on_omission` with a line for each that cannot be made."""
    case, numbers = result.case, range(1, result.case.count + 1)
    for number in numbers:
        _write_pictures(folder, result, number, outputs)
    for product in (product for product in SUFFIXES if product in outputs):
        groups = [[number] for number in numbers] if product in EACH_FRAME else [list(numbers)]
        for group in groups:
            name = result.frame_name(group[0]) if product in EACH_FRAME else case.name
            path = product_path(folder, product, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            records = [result.record(number) for number in group]
            segmentations: Iterator[Segmentation] = map(result.segmentation, group)
            if product == "dicom-seg" and not records[0].lesions:
                on_omission(f"{product} of {name}: no lesion is outlined")
                continue
            try:
                write_product(product, path, case.source, records, segmentations, file_name=result.file or case.label)
            except SalusError as error:
                on_omission(f"{product} of {name}: {str(error).removeprefix(f'{case.source}: ')}")


def _write_pictures(folder: Path, result: CaseResult, number: int, outputs: Collection[str]) -> None:
    frame, name = result.case.frame(number), result.frame_name(number)
    for output, kind in PICTURES.items():
        if output not in outputs:
            continue
        path = output_path(folder, kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "overlay":
            picture = draw_overlay(frame.pixels(), frame.mask(), result.answers[number - 1].regions)
            write_picture(path, picture, "JPEG", quality=QUALITY, subsampling=0)
        else:
            with Image.open(frame.mask_path if kind == "mask" else frame.picture_path(kind)) as source:
                write_picture(path, source, "PNG", compress_level=1)
