"""Segment images without keeping anything: one at a time, or many with their progress."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Query, Request, UploadFile
from fastapi.responses import StreamingResponse

from salus.errors import SalusError
from salus.read.frames import Frames
from salus.serve.queue import TooSlow
from salus.serve.result_json import Answer, answer_of
from salus.serve.sessions import checked_frames, suffix_of
from salus.serve.state import Serving, Shared, while_connected

routes = APIRouter(prefix="/v1", tags=["segment"])

AHEAD = 4
"""Images of one request that wait in the queue at a time, so that a long one leaves room for others."""

Threshold = Annotated[float | None, Query(gt=0, lt=1, description="in place of the network's own")]
Maps = Annotated[list[Literal["mask", "probability", "saliency"]], Query(description="to put in, as base64 of PNG")]


@routes.post("/segment")
async def segment(
    request: Request,
    serving: Shared,
    file: Annotated[UploadFile, File(description="PNG, JPEG, TIFF, BMP, DICOM, NIfTI or NRRD")],
    threshold: Threshold = None,
    frame: Annotated[int, Query(ge=1, description="of a file with several, from 1")] = 1,
    maps: Maps = [],  # noqa: B006  (FastAPI copies it)
) -> Answer:
    """Outline the tumours of one image; the same numbers as `salus.segment`."""
    stored = _stored(serving, [file])
    (path,) = await asyncio.to_thread(stored.__enter__)
    try:
        frames = await asyncio.to_thread(_open, serving, path)
        return await while_connected(request, _ask(serving, frames, frame, threshold, tuple(maps)))
    finally:
        stored.__exit__(None, None, None)


@routes.post("/segment/batch", response_class=StreamingResponse)
async def segment_batch(
    serving: Shared,
    files: Annotated[list[UploadFile], File(description="images and cines, every frame is segmented")],
    threshold: Threshold = None,
    maps: Maps = [],  # noqa: B006  (FastAPI copies it)
) -> StreamingResponse:
    """Outline the tumours of many images. A line of JSON for each as soon as it is done, in order:
    `{"file": 1, "frame": 1, "frames": 1, "answer": {...}}` or `{"file": 1, "error": "..."}`; then
    `{"done": 9, "failed": 1}`.
    """
    stored = _stored(serving, files)
    paths = await asyncio.to_thread(stored.__enter__)

    async def lines() -> AsyncIterator[str]:
        done = failed = 0
        try:
            async for line in _batch(serving, paths, threshold, tuple(maps)):
                done, failed = done + ("answer" in line), failed + ("error" in line)
                yield json.dumps(line) + "\n"
            yield json.dumps({"done": done, "failed": failed}) + "\n"
        finally:
            stored.__exit__(None, None, None)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _batch(
    serving: Serving, paths: list[Path], threshold: float | None, maps: tuple[str, ...]
) -> AsyncIterator[dict[str, Any]]:
    """What is told of every frame of every file, in order; a few wait in the queue at a time."""
    waiting: list[asyncio.Task[dict[str, Any]]] = []

    async def one(file: int, frames: Frames | Exception, number: int) -> dict[str, Any]:
        head = {"file": file, "frame": number}
        try:
            if isinstance(frames, Exception):
                raise frames
            answer = await _ask(serving, frames, number, threshold, maps)
        except (SalusError, TooSlow) as error:
            return head | {"error": serving.plain(error)}
        return head | {"frames": frames.count, "answer": asdict(answer)}

    try:
        for index, path in enumerate(paths, start=1):
            frames: Frames | Exception
            try:
                frames = await asyncio.to_thread(_open, serving, path)
            except SalusError as error:
                frames = error
            for number in range(1, (1 if isinstance(frames, Exception) else frames.count) + 1):
                waiting.append(asyncio.create_task(one(index, frames, number)))
                if len(waiting) >= AHEAD:
                    yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()


async def _ask(serving: Serving, frames: Frames, number: int, threshold: float | None, maps: tuple[str, ...]) -> Answer:
    if number > frames.count:
        raise SalusError(f"no frame {number}; there are {frames.count}")
    used = threshold or serving.segmenter.threshold
    answer = await serving.queue.ask(
        lambda: frames.scan(number), lambda scan, found: answer_of(found, used, maps), threshold
    )
    return replace(answer, frame=number if frames.count > 1 else None)


def _open(serving: Serving, path: Path) -> Frames:
    with path.open("rb") as file:
        suffix = suffix_of(file.read(400))
    return checked_frames(path.rename(path.with_name(path.name + suffix)), serving.settings)


@contextmanager
def _stored(serving: Serving, files: list[UploadFile]) -> Iterator[list[Path]]:
    """Uploads as files of the server's own names, gone at the end."""
    folder = Path(tempfile.mkdtemp(dir=serving.sessions.root))
    try:
        paths = []
        for index, upload in enumerate(files):
            paths.append(folder / f"{index:05}")
            with paths[-1].open("wb") as file:
                shutil.copyfileobj(upload.file, file)
        yield paths
    finally:
        shutil.rmtree(folder, ignore_errors=True)
