"""`salus monai-label`: a server for the MONAI Label clients of 3D Slicer and others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli import shared_options
from salus.cli.server_options import add_server, read_token

PACKAGES = ("fastapi", "uvicorn", "python_multipart", "nibabel", "nrrd", "pydicom")

NETWORK_OPTIONS = ("network", "threshold", "restraint", "tta", "device", "precision")


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "monai-label",
        help="serve the MONAI Label clients of 3D Slicer and other viewers",
        description="A server that speaks MONAI Label's protocol: its clients list the images of FOLDER, have them and "
        "images of their own segmented, with points where the network takes them, and save corrected labels to OUT, "
        "which salus train reads. It runs until interrupted.",
        epilog="Research software, not a medical device. example: salus monai-label scans/ -o labels/",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="images, with the folders in it")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", help="for labels (default: FOLDER/monai-label)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="default: %(default)s, as MONAI Label's")
    parser.add_argument("--max-mb", type=int, default=512, metavar="N", help="of one request (default: %(default)s)")
    shared_options.add_network(parser)
    shared_options.add_device(parser)
    shared_options.add_precision(parser)
    remote = parser.add_argument_group("for other computers and pages")
    add_server(remote, "that clients give as their password; demanded for other computers")
    remote.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="a page that may ask, such as http://localhost:3000",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve until interrupted."""
    from salus.errors import SalusError, require_extra
    from salus.serve.settings import is_loopback

    require_extra(PACKAGES, "monai-label", "salus monai-label")
    token = read_token(args)
    if not is_loopback(args.host) and (token is None or len(token) < 16):
        raise SalusError("other computers can reach this server; give a --token of 16 letters or more")
    import uvicorn

    from salus.monai_label.app import OWN_NAMES, create_app
    from salus.monai_label.store import ImageStore
    from salus.segmentation.segmenter import Segmenter

    store = ImageStore(args.folder, args.out or args.folder / "monai-label")
    names = [*OWN_NAMES, *args.name, *([args.host] if args.host not in ("0.0.0.0", "::") else [])]
    segmenter = Segmenter(**{name: getattr(args, name) for name in NETWORK_OPTIONS})
    app = create_app(segmenter, store, token=token, names=names, origins=args.origin, max_bytes=args.max_mb << 20)
    print(f"Salus for MONAI Label: http://{args.host}:{args.port}; {len(store.images())} images", flush=True)
    print(f"labels go to {store.out}. Research software, not a medical device. Ctrl-C ends it.", flush=True)
    uvicorn.run(app, host=args.host, port=args.port, log_level="error", access_log=False, server_header=False)
