"""Route that outlines a frame of an open image anew for what the reader points at in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from salus.errors import SalusError
from salus.prompts.json_file import read_prompt
from salus.prompts.prompt import MAX_PLACES, NO_PROMPT, Prompt
from salus.serve.result_json import Answer, make_answer
from salus.serve.routes_cases import FRAME, Key, Number
from salus.serve.routes_segment import Threshold
from salus.serve.state import SessionDep, StateDep, while_connected

routes = APIRouter(prefix="/v1", tags=["session"])

EXAMPLE = [{"points": [[213, 140]]}, {"not_points": [[300, 95]]}, {"box": [180, 100, 250, 190]}]

Prompts = Annotated[
    list[dict[str, Any]],
    Body(
        embed=True,
        min_length=1,
        max_length=MAX_PLACES,
        description="what the reader pointed at so far, in the order in which that was done: each a prompt as in "
        "/v1/segment, in pixels of the image",
        examples=[EXAMPLE],
    ),
]


@routes.post(FRAME + "/prompt")
async def outline_prompts(
    request: Request,
    state: StateDep,
    session: SessionDep,
    key: Key,
    number: Number,
    prompts: Prompts,
    threshold: Threshold = None,
) -> Answer:
    """Outline a frame for what the reader points at, with its mask and probability as base64 of PNG. Nothing is kept:
    to keep the outline, save its mask with the same prompts.
    """
    case = session.case(key)
    case.frame(number)
    prompt = join_prompts(prompts)
    answer = await while_connected(
        request,
        state.queue.submit(
            lambda: case.open().scan(number),
            lambda scan, segmentation: make_answer(segmentation, ("mask", "probability")),
            threshold,
            prompt,
        ),
    )
    return replace(answer, frame=number if case.is_cine else None)


def join_prompts(prompts: list[dict[str, Any]]) -> Prompt:
    """Join what a reader pointed at, one after another, into the prompt for the network.

    Raises:
        SalusError: one of them is no prompt, or they have too many places together.

    Example:
        >>> join_prompts([{"points": [[3, 4]]}, {"points": [[5, 6]], "box": [1, 2, 8, 9]}]).points
        ((3.0, 4.0), (5.0, 6.0))
    """
    joined = sum((read_prompt(prompt, f"prompt {i}") for i, prompt in enumerate(prompts, start=1)), NO_PROMPT)
    places = len(joined.points) + len(joined.not_points) + len(joined.boxes) + sum(map(len, joined.scribbles))
    if places > MAX_PLACES:
        raise SalusError(f"prompts of {places:,} places together; give {MAX_PLACES:,} at most")
    return joined
