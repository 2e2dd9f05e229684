"""The MCP server: its tools as a language model reads them, with what each takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import anyio.from_thread
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from salus import __version__
from salus.data.layouts import LAYOUTS
from salus.errors import SalusError
from salus.mcp_server.tools import Answer, Tools
from salus.pipeline.options import DEFAULT_OUTPUTS, OUTPUTS

INSTRUCTIONS = """Salus outlines breast tumours in ultrasound images (PNG, JPEG, TIFF, BMP, DICOM, NIfTI, NRRD).
It is research software, not a medical device: never present its output as a finding or a diagnosis.
Lengths are in mm where `unit` is "mm", else in pixels. Read `flags`, `confidence` and failures, and pass them on.
Paths are absolute, or as seen from one of these folders: {readable}
{writing}"""

Image = Annotated[str, Field(description="image file")]
Frame = Annotated[int, Field(ge=1, description="which frame of a file with several, from 1")]
Recursive = Annotated[bool, Field(description="search the folders in a folder, too")]
Point = Annotated[list[float], Field(min_length=2, max_length=2)]
MaskValues = Annotated[
    str, Field(description="what is lesion in mask files: auto, above-zero, half, half-max, or values such as 1,3")
]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)


def make_server(tools: Tools) -> MCPServer[Any]:
    """Make the server; its `run` serves standard input and output until the client closes them.

    Args:
        tools: what a model can call.
    """
    folders = tools.folders
    writing = f"Results are written inside {folders.writable} alone." if folders.writable else "Nothing is written."
    readable = ", ".join(map(str, folders.all))
    server: MCPServer[Any] = MCPServer(
        "salus",
        title="Salus",
        version=__version__,
        instructions=INSTRUCTIONS.format(readable=readable, writing=writing),
        log_level="WARNING",
    )

    @server.tool(annotations=READS)
    async def list_images(
        folder: Annotated[str, Field(description="folder of images")] = ".", recursive: Recursive = False
    ) -> Answer:
        """List the images in a folder: their paths, how many there are, and what is left out."""
        return await _call(partial(tools.list_images, folder, recursive))

    @server.tool(annotations=READS)
    async def segment_image(
        image: Image,
        frame: Frame = 1,
        points: Annotated[list[Point], Field(description="places [x, y] inside the lesion, in pixels")] = [],  # noqa: B006  (pydantic copies it)
        not_points: Annotated[list[Point], Field(description="places [x, y] outside the lesion")] = [],  # noqa: B006  (likewise)
        box: Annotated[
            list[float] | None, Field(min_length=4, max_length=4, description="[x0, y0, x1, y1] around the lesion")
        ] = None,
    ) -> Answer:
        """Outline the tumours of one image and return their sizes, places and confidence; nothing is written.
        Point at the lesion with points or a box where the outline is not the one that is meant.
        """
        return await _call(partial(tools.segment_image, image, frame, points, not_points, box))

    @server.tool(annotations=READS)
    async def measure(
        image: Image, mask: Annotated[str, Field(description="mask file, of the image's size")], frame: Frame = 1
    ) -> Answer:
        """Measure the lesions of a mask that was drawn on an image, in mm where the image is calibrated."""
        return await _call(partial(tools.measure, image, mask, frame))

    @server.tool(annotations=READS)
    async def evaluate(
        predictions: Annotated[str, Field(description="folder of masks or probability maps, named as the images")],
        truth: Annotated[str, Field(description="folder of the data set with true masks")],
        context: Context[Any, Any],
        layout: Annotated[str | None, Field(description=f"of the data set, one of {', '.join(LAYOUTS)}")] = None,
        mask_values: MaskValues = "auto",
        truth_values: MaskValues = "auto",
    ) -> Answer:
        """Score masks against a data set's truth: Dice, Jaccard, distances and more, with 95 % intervals."""
        call = partial(tools.evaluate, predictions, truth, layout, mask_values, truth_values)
        return await _call(partial(call, on_progress=_reporter(context)))

    if folders.writable is None:
        return server

    @server.tool(annotations=WRITES)
    async def segment_files(
        inputs: Annotated[list[str], Field(min_length=1, description="image files and folders of images")],
        output_folder: Annotated[str, Field(description="folder for what is written, inside the folder of results")],
        context: Context[Any, Any],
        outputs: Annotated[
            list[str], Field(description=f"what is written, of {', '.join(OUTPUTS)}; png (the masks) always is")
        ] = list(DEFAULT_OUTPUTS),  # noqa: B006  (likewise)
        frames: Annotated[str | None, Field(description="of cines: 7, 1-50, 1-50:5; all where it is left out")] = None,
        recursive: Recursive = False,
        deidentify: Annotated[bool, Field(description="DICOM outputs by the standard's basic profile")] = False,
        resume: Annotated[bool, Field(description="skip what an earlier run into the folder finished")] = False,
        overwrite: Annotated[bool, Field(description="remove what an earlier run wrote to the folder")] = False,
    ) -> Answer:
        """Outline the tumours of many images and write masks, overlays and tables into a folder."""
        call = partial(tools.segment_files, inputs, output_folder, outputs, frames, recursive, deidentify)
        return await _call(partial(call, resume, overwrite, on_progress=_reporter(context)))

    return server


async def _call(work: Callable[[], Answer]) -> Answer:
    """Do work in a thread; a user's mistake becomes the tool's error, which the model reads."""
    try:
        return await anyio.to_thread.run_sync(work)
    except SalusError as error:
        raise ToolError(str(error)) from None
    except OSError as error:
        raise ToolError(f"{error.filename or 'a file'}: {error.strerror or error}") from None


def _reporter(context: Context[Any, Any]) -> Callable[[int, int], None]:
    """Return what tells the client how many images are done; it is called in the thread that works."""

    def report(done: int, total: int) -> None:
        anyio.from_thread.run(context.report_progress, done, total)

    return report
