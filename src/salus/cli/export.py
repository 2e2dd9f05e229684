"""`salus export`: a network as a file of another engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "export",
        help="write a network as ONNX, OpenVINO, LiteRT or Keras file",
        description="Write a network as a file of another engine. The file is run and compared with the network; where "
        "it differs by more than 1e-5 (networks of salus segment: 1e-4; weights as float16: 0.05, int8: 0.2) it is not "
        "written.",
        epilog="example: salus export shipped --format litert --precision float16 -o salus.tflite",
    )
    parser.add_argument(
        "net",
        metavar="NET",
        help="shipped; the network.onnx of salus train; the folder of import-keras; RUN/NETWORK/fold-N of a benchmark",
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=("onnx", "openvino", "litert", "keras", "hf"),
        help="of the file; hf: a model folder in Hugging Face's layout, with its card",
    )
    parser.add_argument(
        "-o",
        "--out",
        "--output",
        dest="output",
        type=Path,
        metavar="FILE",
        help=".onnx; .xml, beside which a .bin is written; .tflite; .keras, .h5 or .weights.h5; of hf "
        "the folder (default: NET's name)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="of the weights in the file: float16 halves it (not keras), int8 quarters it (litert) (default: float32)",
    )
    parser.add_argument(
        "--factory",
        metavar="MODULE:FUNCTION",
        help="code of your own that NET's settings name and that may run to build its network (default: none runs)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Export a network; print the files and their largest difference from the network."""
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    from salus.lab.export.write import export_network

    if args.format == "hf":
        from salus.lab.export.model_folder import export_model_folder

        exported = export_model_folder(args.net, args.output, args.precision, args.factory)
    else:
        exported = export_network(args.net, args.format, args.output, args.precision, args.factory)
    sizes = ", ".join(f"{file} ({file.stat().st_size:,} bytes)" for file in exported.files)
    print(f"{sizes}: differs from the network by at most {exported.difference:.1e} (allowed: {exported.bound:g})")
