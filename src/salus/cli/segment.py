"""The command `salus segment`: outline the tumours of images."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from salus.cli import shared_options
from salus.cli.dicomweb_options import add_dicomweb, check_dicomweb, fetch_study, send_results
from salus.cli.output import one_line, warn
from salus.cli.progress import Progress
from salus.cli.prompt_options import PROMPT_OPTIONS, add_prompts, apply_prompts

RUN_OPTIONS = ("fractional", "whole_image", "deidentify", "preview", "report", "resume", "overwrite", "workers")
"""Options of the command that are passed on to `salus.pipeline.options.RunOptions` as they are."""

LOCAL_OPTIONS = (
    "probability", "saliency", "preview", "report", "json", "output", "fractional", "num_parts", "workers",
    "whole_image", "deidentify", "recursive", "verbose", *PROMPT_OPTIONS,
)  # fmt: skip
"""Options of the command that --engine ray refuses."""

RUNTIMES = ("auto", "openvino", "onnxruntime")

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
"""Suffixes of files that hold one image each."""


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
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
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="an image, a folder of images, or a glob")
    shared_options.add_search(parser)
    parser.add_argument("-o", "--out", required=True, metavar="OUT", help="the folder for all that is written")
    parser.add_argument(
        "--output", metavar="LIST", help="what to write, with commas: png, overlay, probability, saliency, csv, json, "
        "nifti, labelme, geojson, coco, dicom-seg, dicom-sr, dicom-sc (default: png,overlay,csv,json; png always is "
        "written)",
    )  # fmt: skip
    parser.add_argument(
        "--frames", metavar="LIST", help="of a cine: 7, 1-50, 1-50:5, several with commas (default: all)"
    )
    parser.add_argument("--fractional", action="store_true", help="dicom-seg holds probabilities in place of a mask")
    parser.add_argument(
        "--deidentify", action="store_true", help="DICOM outputs by the standard's basic profile (PS3.15 Annex E)"
    )
    parser.add_argument(
        "--whole-image", action="store_true", help="overlays show what lies outside the ultrasound regions of a DICOM "
        "image too, where scanners write the patient's name (default: black)",
    )  # fmt: skip
    parser.add_argument("--probability", action="store_true", help="also probability/NAME.png (255 is 1)")
    parser.add_argument("--saliency", action="store_true", help="also saliency/NAME.png: where a tumour is, coarsely")
    parser.add_argument("--no-overlay", action="store_true", help="no overlays/; some 3 ms an image less")
    parser.add_argument(
        "--preview", action="store_true", help="contact sheets of the overlays: preview.jpg, preview-2.jpg ..."
    )
    parser.add_argument(
        "--report", action="store_true", help="report.json: versions, checksums, settings, timing, failures"
    )
    parser.add_argument("--json", action="store_true", help="print lesions.json of these images, and nothing else")
    parser.add_argument("-q", "--quiet", action="store_true", help="print what failed and warnings alone")
    parser.add_argument("--resume", action="store_true", help="skip what an earlier run into OUT finished")
    parser.add_argument(
        "--overwrite", action="store_true", help="remove what an earlier run wrote to OUT (default: refuse to)"
    )
    shared_options.add_network(parser)
    shared_options.add_precision(parser)
    shared_options.add_device(parser)
    parser.add_argument(
        "--runtime", choices=RUNTIMES, default="auto", help="what runs the network (default: %(default)s)"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        type=_check_engine,
        default="local",
        help="where the work is done: here, or by a Ray cluster, which writes Parquet shards and takes URLs "
        "(s3://...) as well (default: %(default)s)",
    )
    shared_options.add_ray_address(parser)
    parser.add_argument("--shard-size", type=int, metavar="N", help="with ray: inputs of a shard (default: 1000)")
    parser.add_argument("--num-parts", type=int, metavar="N", help="share the images out over N runs; see salus merge")
    parser.add_argument("--part", type=int, metavar="I", help="which of them this run is, from 1")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="images at a time (default: as the processor has cores)"
    )
    add_prompts(parser)
    add_dicomweb(parser)
    parser.set_defaults(run=run)


def _check_engine(name: str) -> str:
    if name in RUNTIMES:  # which --engine took before there was --runtime
        raise argparse.ArgumentTypeError(f"{name} is what runs the network; give --runtime {name}")
    return name


def run(args: argparse.Namespace) -> int:
    """Run the command; return 3 where files failed, 0 else."""
    check_dicomweb(args)
    return _run_on_ray(args) if args.engine == "ray" else _run_here(args)


def _run_here(args: argparse.Namespace) -> int:
    _start_loading(args)
    from salus.errors import SalusError
    from salus.pipeline.failures import FailureLines
    from salus.pipeline.jobs import plan_jobs, select_part
    from salus.pipeline.options import RunOptions
    from salus.pipeline.run import run_jobs
    from salus.processor import default_workers
    from salus.segmentation.segmenter import Segmenter
    from salus.write.tables import FAILED, Record, records_json

    if args.address or args.shard_size:
        raise SalusError("--address and --shard-size go with --engine ray")
    if any("://" in location for location in (*args.inputs, args.out)):
        raise SalusError("URLs are read and written with --engine ray alone; here give files and folders")
    if args.workers is not None and args.workers < 1:
        raise SalusError(f"--workers {args.workers}: give 1 or more")
    if (args.num_parts is None) != (args.part is None):
        raise SalusError("--num-parts and --part go together: how many parts, and which this is")
    options = RunOptions(
        part=None if args.part is None else (args.part, args.num_parts),
        outputs=_outputs(args),
        **{name: getattr(args, name) for name in RUN_OPTIONS},
    )
    folder = Path(args.out)
    progress = Progress("images", quiet=args.quiet)

    def on_warning(line: str) -> None:
        progress.message(f"salus: {one_line(line)}")

    failures = FailureLines()

    def on_record(record: Record) -> None:
        if record.result == FAILED and (line := failures.add(record)):
            on_warning(line)

    inputs, all_fetched = fetch_study(args, on_warning, Progress("images fetched", quiet=args.quiet))
    jobs = plan_jobs(
        list(map(Path, inputs)), folder, args.frames, resume=args.resume,
        recursive=args.recursive, verbose=args.verbose, on_warning=on_warning,
    )  # fmt: skip
    jobs, unmatched = apply_prompts(args, jobs)
    if options.part:
        jobs = select_part(jobs, *options.part)
    streams = max(1, min(len(jobs), args.workers or default_workers()))
    segmenter = Segmenter(**_segmenter_options(args), streams=streams)
    args.when_interrupted = "interrupted; what is done stays, and the same command with --resume goes on"

    if unmatched:
        others = f" and {len(unmatched) - 1} more" if len(unmatched) > 1 else ""
        on_warning(f"{args.prompts}: prompts for {unmatched[0]}{others} are left out; it is no image of this run")
    if options.part and (options.preview or "coco" in options.outputs):
        on_warning("coco.json and contact sheets are of all parts: salus merge OUT --coco --preview makes them")
    result = run_jobs(jobs, folder, segmenter, options, on_record, on_warning, progress)
    for line in failures.others():
        on_warning(line)
    all_sent = send_results(args, result.records, on_warning)
    exit_code = 3 if result.failed or result.failed_products or not (all_fetched and all_sent) else 0
    if args.json:
        print(json.dumps(records_json(result.records), indent=1))
        return exit_code
    if not args.quiet:
        for record in result.records if len(jobs) <= 20 else ():
            if record.result != FAILED:
                print(one_line(str(record)))
        counts = Counter(record.result for record in result.records)
        print(f"{folder}: {_summary(len(jobs), counts, result.kept)}; {result.seconds:.1f} s")
    return exit_code


def _summary(images: int, counts: Counter[str], kept: int) -> str:
    """Tell in a line how many images have which result; one record may stand for many frames that failed."""
    from salus.segmentation.result import FOUND, NONE

    failed = images - counts[FOUND] - counts[NONE]
    return (
        f"{images} {'image' if images == 1 else 'images'}: {counts[FOUND]} with a tumour, {counts[NONE]} without"
        + f", {failed} failed" * (failed > 0)
        + f"; {kept} of them kept from before" * (kept > 0)
    )


def _run_on_ray(args: argparse.Namespace) -> int:
    from salus.errors import SalusError
    from salus.pipeline.archive.run import SHARD_SIZE, ArchiveOptions, segment_archive
    from salus.segmentation.result import FOUND, NONE
    from salus.write.tables import FAILED

    if refused := next((name for name in LOCAL_OPTIONS if getattr(args, name)), None):
        raise SalusError(f"--{refused.replace('_', '-')}: not with --engine ray, which writes Parquet shards of masks")
    segmenter_options = _segmenter_options(args)
    if args.network not in (None, "shipped"):
        segmenter_options["network"] = str(Path(args.network).absolute())
    out = args.out if "://" in args.out else str(Path(args.out).absolute())
    shard_size = SHARD_SIZE if args.shard_size is None else args.shard_size
    args.when_interrupted = "interrupted; finished shards stay, and the same command with --resume goes on"
    result = segment_archive(
        args.inputs,
        ArchiveOptions(out, segmenter_options, args.frames, shard_size),
        args.address,
        resume=args.resume,
        overwrite=args.overwrite,
        on_warning=warn,
        on_shard=Progress("shards", quiet=args.quiet),
    )
    counts = result.results
    if not args.quiet:
        print(
            f"{args.out}: {result.inputs} inputs in {result.shards} shards: {counts[FOUND]} with a tumour, "
            f"{counts[NONE]} without" + f", {counts[FAILED]} failed" * (counts[FAILED] > 0)
            + f"; {result.kept} shards kept from before" * (result.kept > 0)
        )  # fmt: skip
    return 3 if counts[FAILED] else 0


def _segmenter_options(args: argparse.Namespace) -> dict[str, Any]:
    names = ("network", "threshold", "restraint", "tta", "device")
    return {**{name: getattr(args, name) for name in names}, "engine": args.runtime, "precision": _precision(args)}


def _precision(args: argparse.Namespace) -> str:
    """Return the precision: with "auto", one run keeps to one, also on many machines and when it is resumed."""
    if args.precision != "auto":
        return str(args.precision)
    if args.engine == "ray" or args.part is not None:
        return "float32"
    journal = Path(args.out) / "journal.jsonl"
    if not (args.resume and journal.is_file()):
        return "auto"
    from salus.pipeline.journal import read_journal

    return str(read_journal(journal)[0].get("precision", "float32"))


def _start_loading(args: argparse.Namespace) -> None:
    """Start to load the network while the rest is imported, where it is plain to see how many images there are."""
    from salus.processor import default_workers

    files = set(map(Path, args.inputs))
    if args.resume or not all(file.suffix.lower() in IMAGE_SUFFIXES and file.is_file() for file in files):
        return
    from salus.segmentation.loading import start_loading

    options = {
        name: value for name, value in _segmenter_options(args).items() if name not in ("threshold", "restraint")
    }
    streams = max(1, min(len(files), args.workers or default_workers()))
    start_loading(**options, threads=None, streams=streams)


def _outputs(args: argparse.Namespace) -> tuple[str, ...]:
    """List the outputs: those of --output, plus --probability and --saliency, less --no-overlay."""
    from salus.pipeline.options import DEFAULT_OUTPUTS

    names = list(DEFAULT_OUTPUTS) if args.output is None else [name.strip() for name in args.output.split(",")]
    names += [name for name in ("probability", "saliency") if getattr(args, name)]
    return tuple(name for name in dict.fromkeys(names) if not (name == "overlay" and args.no_overlay))
