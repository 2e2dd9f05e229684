"""Routes that segment images without keeping anything: one image, or many with their progress."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import StreamingResponse

from salus.errors import SalusError
from salus.prompts.heat_map import read_heat_map
from salus.prompts.json_file import read_prompt
from salus.prompts.prompt import NO_PROMPT, Prompt
from salus.read.formats import HEAD
from salus.read.frames import Frames
from salus.serve.queue import SegmentationTimeout
from salus.serve.result_json import Answer, make_answer
from salus.serve.sessions import detect_suffix, open_within_limits
from salus.serve.state import ServerState, StateDep, while_connected

routes = APIRouter(prefix="/v1", tags=["segment"])

MAX_WAITING = 4
"""Images of one request that wait in the queue at a time, so that a long request leaves room for others."""

Threshold = Annotated[float | None, Query(gt=0, lt=1, description="in place of the network's own")]
Maps = Annotated[list[Literal["mask", "probability", "saliency"]], Query(description="to put in, as base64 of PNG")]


@routes.post("/segment")
async def segment(
    request: Request,
    state: StateDep,
    file: Annotated[UploadFile, File(description="PNG, JPEG, TIFF, BMP, DICOM, NIfTI or NRRD")],
    threshold: Threshold = None,
    frame: Annotated[int, Query(ge=1, description="of a file with several, from 1")] = 1,
    maps: Maps = [],  # noqa: B006  (FastAPI copies it)
    prompt: Annotated[
        str,
        Form(
            description="what a person points at, in pixels of the image, as JSON: points and not_points "
            "[[x, y], ...], box [x0, y0, x1, y1], scribble [[x, y], ...]; for a network that takes prompts"
        ),
    ] = "",
    prompt_map: Annotated[
        UploadFile | None, File(description="a heat map in grey, of the image's size, high where the lesion is")
    ] = None,
) -> Answer:
    """Outline the tumours of one image; the same numbers as `salus.segment`."""
    pointed = _read_prompt(prompt)
    storage = _store_uploads(state, [file] if prompt_map is None else [file, prompt_map])
    path, *map_path = await asyncio.to_thread(storage.__enter__)
    try:
        frames = await asyncio.to_thread(_open, state, path)
        if map_path:
            pointed += await asyncio.to_thread(_read_map, state, map_path[0])
        return await while_connected(request, _segment_frame(state, frames, frame, threshold, tuple(maps), pointed))
    finally:
        storage.__exit__(None, None, None)


@routes.post("/segment/batch", response_class=StreamingResponse)
async def segment_batch(
    state: StateDep,
    files: Annotated[list[UploadFile], File(description="images and cines, every frame is segmented")],
    threshold: Threshold = None,
    maps: Maps = [],  # noqa: B006  (FastAPI copies it)
) -> StreamingResponse:
    """Outline the tumours of many images. A line of JSON for each as soon as it is done, in order:
    `{"file": 1, "frame": 1, "frames": 1, "answer": {...}}` or `{"file": 1, "error": "..."}`; then
    `{"done": 9, "failed": 1}`.
    """
    storage = _store_uploads(state, files)
    paths = await asyncio.to_thread(storage.__enter__)

    async def lines() -> AsyncIterator[str]:
        done = failed = 0
        try:
            async for line in _segment_files(state, paths, threshold, tuple(maps)):
                done, failed = done + ("answer" in line), failed + ("error" in line)
                yield json.dumps(line) + "\n"
            yield json.dumps({"done": done, "failed": failed}) + "\n"
        finally:
            storage.__exit__(None, None, None)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _segment_files(
    state: ServerState, paths: list[Path], threshold: float | None, maps: tuple[str, ...]
) -> AsyncIterator[dict[str, Any]]:
    """Segment every frame of every file; yield the line of each, in order; a few wait in the queue at a time."""

    async def segment_one(file: int, frames: Frames | Exception, number: int) -> dict[str, Any]:
        position = {"file": file, "frame": number}
        try:
            if isinstance(frames, Exception):
                raise frames
            answer = await _segment_frame(state, frames, number, threshold, maps)
        except (SalusError, SegmentationTimeout) as error:
            return position | {"error": state.public_message(error)}
        return position | {"frames": frames.count, "answer": asdict(answer)}

    waiting: list[asyncio.Task[dict[str, Any]]] = []
    with cancel_on_exit(waiting):
        for index, path in enumerate(paths, start=1):
            frames: Frames | Exception
            try:
                frames = await asyncio.to_thread(_open, state, path)
            except SalusError as error:
                frames = error
            for number in range(1, (1 if isinstance(frames, Exception) else frames.count) + 1):
                waiting.append(asyncio.create_task(segment_one(index, frames, number)))
                if len(waiting) >= MAX_WAITING:
                    yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)


@contextmanager
def cancel_on_exit(tasks: Sequence[asyncio.Task[Any]]) -> Iterator[None]:
    """Cancel the tasks that are in a list at the end."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


def _read_prompt(text: str) -> Prompt:
    """Read the field `prompt` of a request; nothing is no prompt."""
    if not text.strip():
        return NO_PROMPT
    try:
        return read_prompt(json.loads(text), "the prompt")
    except (ValueError, RecursionError):
        raise SalusError('the prompt is not JSON; give it as {"points": [[213, 140]]}') from None


def _read_map(state: ServerState, path: Path) -> Prompt:
    """Read an uploaded heat map within the limits of images."""
    return Prompt(map=read_heat_map(_open(state, path).source))


async def _segment_frame(
    state: ServerState,
    frames: Frames,
    number: int,
    threshold: float | None,
    maps: tuple[str, ...],
    prompt: Prompt = NO_PROMPT,
) -> Answer:
    if number > frames.count:
        raise SalusError(f"no frame {number}; there are {frames.count}")
    answer = await state.queue.submit(
        lambda: frames.scan(number),
        lambda scan, segmentation: make_answer(segmentation, maps),
        threshold,
        prompt,
    )
    return replace(answer, frame=number if frames.count > 1 else None)


def _open(state: ServerState, path: Path) -> Frames:
    """Open a stored upload, renamed by the suffix of its format."""
    with path.open("rb") as file:
        suffix = detect_suffix(file.read(HEAD))
    return open_within_limits(path.rename(path.with_name(path.name + suffix)), state.settings)


@contextmanager
def _store_uploads(state: ServerState, uploads: list[UploadFile]) -> Iterator[list[Path]]:
    """Store uploads as files under the server's own names, and remove them at the end."""
    with tempfile.TemporaryDirectory(dir=state.sessions.root, ignore_cleanup_errors=True) as folder:
        paths = []
        for index, upload in enumerate(uploads):
            paths.append(Path(folder) / f"{index:05}")
            with paths[-1].open("wb") as file:
                shutil.copyfileobj(upload.file, file)
        yield paths
