"""`salus segment`: outline the tumours of images."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

OPTIONS = ("fractional", "whole_image", "deidentify", "preview", "report", "resume", "overwrite", "workers")
"""Those of `salus.pipeline.options.Wanted`."""


RUNTIMES = ("auto", "openvino", "onnxruntime")


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "segment",
        help="outline the tumours of images",
        description="Outline tumours and measure them. OUT gets masks/NAME.png (255 tumour, 0 elsewhere, of its size), "
        "overlays/NAME.jpg (the scan with the outline), and lesions.csv and lesions.json, which hold every "
        "lesion's size and confidence, the images in which no tumour was found, flags (an image that does not look "
        "like a breast ultrasound) and failures. Images of the same name from different folders keep their folders.",
        epilog="Exit code 0: done; 2: a mistake, told in one line; 3: done but for the files named; 130: interrupted, "
        "--resume goes on. Research software, not a medical device. "
        "examples: salus segment scan.png -o OUT; salus segment scans/ 'more/**/*.png' -o OUT --preview --report",
    )
    p.add_argument("inputs", nargs="+", metavar="INPUT", help="an image, a folder of images, or a glob")
    p.add_argument("-o", "--out", required=True, metavar="OUT", help="the folder for all that is written")
    p.add_argument(
        "--output", metavar="LIST", help="what to write, with commas: png, overlay, probability, saliency, csv, json, "
        "nifti, labelme, coco, dicom-seg, dicom-sr, dicom-sc (default: png,overlay,csv,json; png always is written)",
    )  # fmt: skip
    p.add_argument("--frames", metavar="LIST", help="of a cine: 7, 1-50, 1-50:5, several with commas (default: all)")
    p.add_argument("--fractional", action="store_true", help="dicom-seg holds probabilities in place of a mask")
    p.add_argument(
        "--deidentify", action="store_true", help="DICOM outputs by the standard's basic profile (PS3.15 Annex E)"
    )
    p.add_argument(
        "--whole-image", action="store_true", help="overlays show what lies outside the ultrasound regions of a DICOM "
        "image too, where scanners write the patient's name (default: black)",
    )  # fmt: skip
    p.add_argument("--probability", action="store_true", help="also probability/NAME.png (255 is 1)")
    p.add_argument("--saliency", action="store_true", help="also saliency/NAME.png: where the network looked")
    p.add_argument("--no-overlay", action="store_true", help="no overlays/; some 3 ms an image less")
    p.add_argument(
        "--preview", action="store_true", help="contact sheets of the overlays: preview.jpg, preview-2.jpg ..."
    )
    p.add_argument("--report", action="store_true", help="report.json: versions, checksums, settings, timing, failures")
    p.add_argument("--json", action="store_true", help="print lesions.json of these images, and nothing else")
    p.add_argument("--resume", action="store_true", help="skip what an earlier run into OUT finished")
    p.add_argument(
        "--overwrite", action="store_true", help="replace what is of the same name in OUT (default: refuse to)"
    )
    p.add_argument(
        "--network", metavar="FILE", help="the .onnx of salus train, or .xml of salus export (default: shipped)"
    )
    p.add_argument("--threshold", type=float, metavar="P", help="probability of tumour (default: the network's own)")
    p.add_argument(
        "--tta",
        action=argparse.BooleanOptionalAction,
        help="average with the mirrored image, at twice the time (default: as the network was calibrated)",
    )
    p.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="bfloat16: faster where the processor has it",
    )
    p.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="default: %(default)s")
    p.add_argument("--runtime", choices=RUNTIMES, default="auto", help="what runs the network (default: %(default)s)")
    p.add_argument("--engine", choices=("local", "ray", *RUNTIMES), default="local", help="where the work is done: "
        "here, or by a Ray cluster, which writes Parquet shards and takes URLs (s3://...) as well; a name of --runtime "
        "still is taken for that (default: %(default)s)")  # fmt: skip
    p.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: RAY_ADDRESS, or Ray is started "
        "on this machine alone)")  # fmt: skip
    p.add_argument("--shard-size", type=int, metavar="N", help="with ray: inputs of a shard (default: 1000)")
    p.add_argument("--num-parts", type=int, metavar="N", help="share the images out over N runs; see salus merge")
    p.add_argument("--part", type=int, metavar="I", help="which of them this run is, from 1")
    p.add_argument("--workers", type=int, metavar="N", help="images at a time (default: as the processor has cores)")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Segment; 3 where files failed."""
    from salus.errors import SalusError
    from salus.pipeline.jobs import part_of, plan
    from salus.pipeline.options import Wanted
    from salus.pipeline.run import run as segment_all
    from salus.pipeline.run import streams
    from salus.segmentation.segmenter import Segmenter
    from salus.write.tables import FAILED, FOUND, NONE, Record, document

    if asked.engine in RUNTIMES:  # as it was called before Ray came
        asked.runtime, asked.engine = asked.engine, "local"
    if asked.engine == "ray":
        return _archive(asked)
    if asked.address or asked.shard_size:
        raise SalusError("--address and --shard-size go with --engine ray")
    if any("://" in given for given in (*asked.inputs, asked.out)):
        raise SalusError("URLs are read and written with --engine ray alone; here give files and folders")
    asked.inputs, asked.out = [Path(given) for given in asked.inputs], Path(asked.out)
    if asked.workers is not None and asked.workers < 1:
        raise SalusError(f"--workers {asked.workers}: give 1 or more")
    if (asked.num_parts is None) != (asked.part is None):
        raise SalusError("--num-parts and --part go together: how many parts, and which this is")
    wanted = Wanted(
        part=(asked.part, asked.num_parts) if asked.part is not None else None,
        outputs=_outputs(asked),
        **{name: getattr(asked, name) for name in OPTIONS},
    )
    jobs = plan(asked.inputs, asked.out, asked.frames)
    if wanted.part:
        jobs = part_of(jobs, *wanted.part)
    segmenter = Segmenter(**_options(asked), streams=min(len(jobs), asked.workers or streams()))
    asked.when_interrupted = "interrupted; what is done stays, and the same command with --resume goes on"

    done, watched = 0, sys.stderr.isatty() and len(jobs) > 1

    def told(record: Record) -> None:
        nonlocal done
        done += 1
        if record.result == FAILED:
            print("\r" * watched + f"salus: {record}", file=sys.stderr, flush=True)
        if watched:
            print(f"\rimages {done}/{len(jobs)}", end="\n" * (done == len(jobs)), file=sys.stderr, flush=True)

    def warned(line: str) -> None:
        print(f"salus: {line}", file=sys.stderr, flush=True)

    if wanted.part and (wanted.preview or "coco" in wanted.outputs):
        warned("coco.json and contact sheets are of all parts: salus merge OUT --coco --preview makes them")
    outcome = segment_all(jobs, asked.out, segmenter, wanted, told, warned)
    if asked.json:
        print(json.dumps(document(outcome.records), indent=1))
        return 3 if outcome.failed or outcome.unmade else 0
    for record in outcome.records if len(jobs) <= 20 else ():
        if record.result != FAILED:
            print(record)
    count = {result: sum(r.result == result for r in outcome.records) for result in (FOUND, NONE, FAILED)}
    print(
        f"{asked.out}: {len(jobs)} {'image' if len(jobs) == 1 else 'images'}: {count[FOUND]} with a tumour, "
        f"{count[NONE]} without" + f", {outcome.failed} failed" * (outcome.failed > 0)
        + f"; {outcome.kept} of them kept from before" * (outcome.kept > 0) + f"; {outcome.seconds:.1f} s"
    )  # fmt: skip
    return 3 if outcome.failed or outcome.unmade else 0


def _options(asked: argparse.Namespace) -> dict[str, Any]:
    """Those of the segmenter."""
    names = ("network", "threshold", "tta", "precision", "device")
    return {**{name: getattr(asked, name) for name in names}, "engine": asked.runtime}


def _archive(asked: argparse.Namespace) -> int:
    """Segment with Ray; 3 where files failed."""
    from salus.errors import SalusError
    from salus.pipeline.archive.run import SHARD_SIZE, Order, segment_archive
    from salus.write.tables import FAILED, FOUND, NONE

    never = (
        "probability",
        "saliency",
        "preview",
        "report",
        "json",
        "output",
        "fractional",
        "num_parts",
        "workers",
        "whole_image",
        "deidentify",
    )
    given = [name for name in never if getattr(asked, name)]
    if given:
        raise SalusError(f"--{given[0].replace('_', '-')}: not with --engine ray, which writes Parquet shards of masks")
    options = _options(asked)
    if options["network"] not in (None, "shipped"):
        options["network"] = str(Path(options["network"]).absolute())
    out = asked.out if "://" in asked.out else str(Path(asked.out).absolute())
    size = SHARD_SIZE if asked.shard_size is None else asked.shard_size
    asked.when_interrupted = "interrupted; finished shards stay, and the same command with --resume goes on"
    outcome = segment_archive(
        asked.inputs,
        Order(out, options, asked.frames, size),
        asked.address,
        resume=asked.resume,
        overwrite=asked.overwrite,
        told=lambda done, shards: print(f"shards {done}/{shards}", file=sys.stderr, flush=True),
    )
    count = outcome.results
    print(
        f"{asked.out}: {outcome.inputs} inputs in {outcome.shards} shards: {count[FOUND]} with a tumour, "
        f"{count[NONE]} without" + f", {count[FAILED]} failed" * (count[FAILED] > 0)
        + f"; {outcome.kept} shards kept from before" * (outcome.kept > 0)
    )  # fmt: skip
    return 3 if count[FAILED] else 0


def _outputs(asked: argparse.Namespace) -> tuple[str, ...]:
    """The list of --output, more by --probability and --saliency, less by --no-overlay."""
    from salus.pipeline.options import USUAL

    names = list(USUAL) if asked.output is None else [name.strip() for name in asked.output.split(",")]
    names += [name for name in ("probability", "saliency") if getattr(asked, name)]
    return tuple(name for name in dict.fromkeys(names) if not (name == "overlay" and asked.no_overlay))
