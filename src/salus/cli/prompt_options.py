"""Options of `salus segment` for prompts: what a person points at in the images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salus.pipeline.jobs import Job

PROMPT_OPTIONS = ("point", "not_point", "box", "prompts")


def add_prompts(parser: argparse.ArgumentParser) -> None:
    """Add --point, --not-point, --box and --prompts."""
    group = parser.add_argument_group(
        "prompts", "what a person points at, for a network that takes it, as the shipped one does; coordinates "
        "are pixels of the image, from its upper left corner"
    )  # fmt: skip
    group.add_argument("--point", action="append", metavar="X,Y", help="a place in the lesion; may be repeated")
    group.add_argument("--not-point", action="append", metavar="X,Y", help="a place outside it; may be repeated")
    group.add_argument("--box", action="append", metavar="X0,Y0,X1,Y1", help="a box around it; may be repeated")
    group.add_argument(
        "--prompts", metavar="FILE", help="of many images: CSV (image,x,y,label with 1 inside and 0 outside, or "
        "image,x0,y0,x1,y1), JSON, LabelMe, a heat map in grey, or a folder of LabelMe files or heat maps",
    )  # fmt: skip


def apply_prompts(args: argparse.Namespace, jobs: list[Job]) -> tuple[list[Job], list[str]]:
    """Add the prompts of the options to the jobs.

    Returns:
        The jobs, and the images of prompts that are not among them.

    Raises:
        SalusError: an option or the file is not understood, or it is not clear which image a prompt is for.
    """
    if not any(getattr(args, name) for name in PROMPT_OPTIONS):
        return jobs, []
    from salus.pipeline.prompts import assign_prompts
    from salus.prompts.files import read_prompts
    from salus.prompts.prompt import ImagePrompt, make_prompt

    prompts = read_prompts(args.prompts) if args.prompts else []
    given = make_prompt(
        [_numbers("point", text, 2) for text in args.point or ()],
        [_numbers("not-point", text, 2) for text in args.not_point or ()],
        [_numbers("box", text, 4) for text in args.box or ()],
    )
    return assign_prompts(jobs, [*prompts, *([ImagePrompt(None, given)] if given else [])])


def _numbers(option: str, text: str, count: int) -> tuple[float, ...]:
    """Parse numbers with commas.

    Raises:
        SalusError: they are no finite numbers, or not as many.
    """
    from math import isfinite

    from salus.errors import SalusError

    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not all(map(isfinite, numbers)):
        form = "X,Y as in 213,140" if count == 2 else "X0,Y0,X1,Y1 as in 180,100,250,190"
        raise SalusError(f"--{option} {text}: give {form}, in pixels from the image's upper left corner")
    return numbers
