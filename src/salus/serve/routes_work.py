"""The worklist of `salus serve --folder`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path

from salus.serve.routes_cases import CaseAnswer, told
from salus.serve.sessions import NotThere
from salus.serve.state import Begun, Serving, Shared
from salus.serve.worklist import WorkItem, Worklist

routes = APIRouter(prefix="/v1", tags=["worklist"])


@dataclass(frozen=True)
class WorklistAnswer:
    """The folder's images, and how many of them are done."""

    items: list[WorkItem]
    done: int


@routes.get("/worklist")
async def worklist(serving: Shared) -> WorklistAnswer:
    """The images of the folder that the server was started with; done are those with a saved outline."""
    items = await asyncio.to_thread(_of(serving).items)
    return WorklistAnswer(items, sum(item.done for item in items))


@routes.post("/worklist/{item}", status_code=201)
async def open_item(serving: Shared, session: Begun, item: Annotated[int, Path(ge=1)]) -> CaseAnswer:
    """Open an image of the worklist in the session."""
    found = _of(serving).find(item)
    if found is None:
        raise NotThere(f"no image {item} in the worklist")
    name, path = found
    return told(await asyncio.to_thread(serving.sessions.look, session, path, item, name))


def _of(serving: Serving) -> Worklist:
    if serving.worklist is None:
        raise NotThere("there is no worklist; start the server with: salus serve --folder DIR")
    return serving.worklist
