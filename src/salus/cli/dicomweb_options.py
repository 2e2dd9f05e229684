"""Options of `salus segment` for DICOMweb: a study from a service, and results to one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from salus.dicomweb.service import Service
    from salus.write.tables import Record

RECEIVED = "received"
"""Folder in OUT of the objects that were fetched."""

OUTPUTS = "png,overlay,csv,json,dicom-seg,dicom-sr,dicom-sc"
"""What is written where results go to a service and --output does not say."""

SENT = ("dicom-seg", "dicom-sr", "dicom-sc")
"""Products that are sent."""

DEPENDENT = (
    "study", "series", "token_env", "user", "password_env", "to_token_env", "to_user", "to_password_env", "ca",
    "certificate", "key",
)  # fmt: skip
"""Options that need --from or --to."""

NO_INPUT = "name an INPUT: an image, a folder of images, or a glob; or a study with --from and --study"

Say = Callable[[str], object]


def add_dicomweb(parser: argparse.ArgumentParser) -> None:
    """Add --from, --to and what goes with them."""
    group = parser.add_argument_group("DICOMweb, in place of INPUT and for the results (docs/how-to/dicomweb.md)")
    group.add_argument("--from", dest="source", metavar="URL", help="service that has the images; with --study")
    group.add_argument("--study", metavar="UID", help="whose ultrasound images are segmented")
    group.add_argument("--series", metavar="UID", help="only this one of the study")
    group.add_argument("--to", dest="destination", metavar="URL", help="service that gets the DICOM outputs")
    group.add_argument("--token-env", default="", metavar="VAR", help="environment variable with a bearer token")
    group.add_argument("--user", default="", metavar="NAME", help="or a user, with")
    group.add_argument("--password-env", default="", metavar="VAR", help="the environment variable of the password")
    for name in ("token-env", "user", "password-env"):
        group.add_argument(
            f"--to-{name}", default="", metavar="NAME" if name == "user" else "VAR",
            help=f"--{name} of --to, where that is another host than --from",
        )  # fmt: skip
    group.add_argument("--ca", default="", metavar="FILE", help="certificate authorities to trust, PEM")
    group.add_argument("--certificate", default="", metavar="FILE", help="this client's certificate, PEM")
    group.add_argument("--key", default="", metavar="FILE", help="its private key, PEM")
    group.add_argument(
        "--tries", type=int, default=5, metavar="N", help="of a request, with growing pauses (default: 5)"
    )


def check_dicomweb(args: argparse.Namespace) -> None:
    """Check that the options go together, before any work; add the outputs that --to needs.

    Raises:
        SalusError: they do not, or a package is missing.
    """
    from salus.errors import SalusError

    if not (args.source or args.destination):
        if option := next((name for name in DEPENDENT if getattr(args, name)), None):
            raise SalusError(
                f"--{option.replace('_', '-')} goes with --from or --to, the address of a DICOMweb service"
            )
        if not args.inputs:
            raise SalusError(NO_INPUT)
        return
    from salus.dicomweb.service import require_packages
    from salus.dicomweb.study import check_uid

    if bool(args.source) != bool(args.study):
        raise SalusError("--from and --study go together: the service, and the study's UID")
    if args.series and not args.source:
        raise SalusError("--series goes with --from and --study")
    if args.engine == "ray":
        raise SalusError("--from and --to: not with --engine ray, which writes Parquet shards of masks")
    if args.source and args.inputs:
        raise SalusError(f"{args.inputs[0]}: images come from --from, or are named; give one of both")
    if not (args.source or args.inputs):
        raise SalusError(NO_INPUT)
    for uid in filter(None, (args.study, args.series)):
        check_uid(uid)
    if args.tries < 1:
        raise SalusError(f"--tries {args.tries}: give 1 or more")
    if args.num_parts or args.part:
        raise SalusError("--num-parts is not with DICOMweb; give each run studies of its own")
    require_packages()
    if args.source:
        source_service(args).check()
    if args.destination:
        destination_service(args).check()
        args.output = args.output or OUTPUTS
        if not set(SENT) & {name.strip() for name in args.output.split(",")}:
            raise SalusError(f"--to sends DICOM objects; add one of {', '.join(SENT)} to --output")


def source_service(args: argparse.Namespace) -> Service:
    """Return the service of --from."""
    from salus.dicomweb.service import Service

    return Service(args.source, args.token_env, args.user, args.password_env, args.ca, args.certificate, args.key)


def destination_service(args: argparse.Namespace) -> Service:
    """Return the service of --to. It is told --token-env and the like only where it is the host of --from, or alone."""
    from salus.dicomweb.service import Service

    who = (args.to_token_env, args.to_user, args.to_password_env)
    if not any(who) and (not args.source or _origin(args.source) == _origin(args.destination)):
        who = (args.token_env, args.user, args.password_env)
    return Service(args.destination, *who, args.ca, args.certificate, args.key)


def fetch_study(
    args: argparse.Namespace, say: Say, on_progress: Callable[[int, int], object]
) -> tuple[list[str], bool]:
    """Fetch the study's ultrasound images into OUT/received.

    Args:
        args: of the command.
        say: prints a line.
        on_progress: called with the number of images that are there, and of all.

    Returns:
        The files, and whether all could be had; without --from the inputs.

    Raises:
        SalusError: the service does not answer, does not know the study, or has no ultrasound image in it.
    """
    if not args.source:
        return args.inputs, True
    from salus.dicomweb.answers import Unreachable
    from salus.dicomweb.service import open_service
    from salus.dicomweb.study import ULTRASOUND, fetch_instances, find_instances
    from salus.errors import SalusError

    def on_pause(reason: str, seconds: float) -> None:
        say(f"{args.source}: {reason}; tried again in {seconds:.1f} s")

    what = f"series {args.series}" if args.series else f"study {args.study}"
    try:
        with open_service(source_service(args)) as client:
            instances = find_instances(client, args.study, args.series, args.tries, on_pause)
            images = [item for item in instances if item.sop_class in ULTRASOUND or not item.sop_class]
            if not instances:
                raise SalusError(f"{args.source}: has no {what}")
            if not images:
                raise SalusError(f"{args.source}: no ultrasound image is in the {what}")
            if others := len(instances) - len(images):
                count = f"{others} of {len(instances)} objects of the {what}"
                say(f"{args.source}: {count} are no ultrasound images; left out")
            files, failures = fetch_instances(
                client, images, Path(args.out) / RECEIVED, args.tries, on_pause, on_progress
            )
    except Unreachable as error:
        raise SalusError(f"{args.source}: {error}{_advice(error)}") from None
    for line in failures:
        say(line)
    if not files:
        raise SalusError(f"{args.source}: no image of the {what} could be had")
    return list(map(str, files)), not failures


def send_results(args: argparse.Namespace, records: Sequence[Record], say: Say) -> bool:
    """Send the DICOM outputs of images; results that are there already count as sent.

    Args:
        args: of the command.
        records: of the images.
        say: prints a line.

    Returns:
        Whether all are there; True without --to.
    """
    if not args.destination:
        return True
    from salus.dicomweb.answers import Refused, Unreachable
    from salus.dicomweb.retry import with_retries
    from salus.dicomweb.service import open_service
    from salus.dicomweb.store import store_file
    from salus.pipeline.cine import group_by_file
    from salus.pipeline.outputs import EACH_FRAME, product_path
    from salus.write.tables import FAILED

    def on_pause(reason: str, seconds: float) -> None:
        say(f"{args.destination}: {reason}; tried again in {seconds:.1f} s")

    products = [product for product in SENT if product in {name.strip() for name in args.output.split(",")}]
    files: list[Path] = []
    for file_name, group in group_by_file([record for record in records if record.result != FAILED]).items():
        for product in products:
            names = [record.name for record in group] if product in EACH_FRAME else [file_name]
            files += [path for name in names if (path := product_path(Path(args.out), product, name)).is_file()]
    sent = refused = 0
    with open_service(destination_service(args)) as client:
        for number, file in enumerate(files):
            try:
                with_retries(partial(store_file, client, file), args.tries, on_pause)
            except Refused as error:
                say(f"{file}: {args.destination} does not take it: {error}")
                refused += 1
            except Unreachable as error:
                say(
                    f"{args.destination}: {error}{_advice(error)}; {len(files) - number} results were not sent; the "
                    "same command with --resume sends them"
                )
                return False
            else:
                sent += 1
    if refused or not args.quiet:
        say(f"{args.destination}: {sent} results are there" + f", {refused} were refused" * (refused > 0))
    return not refused


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()


def _advice(error: Exception) -> str:
    """Say what to do about an answer that will not change."""
    text = str(error)
    if "401" in text or "403" in text:
        return "; see --token-env, or --user and --password-env"
    if "404" in text:
        return "; see the address, which ends in /dicom-web at many services"
    return "; see --ca" if "SSL" in text else ""
