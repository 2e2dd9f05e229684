"""Who saved an outline, when, and from what: the record beside a saved mask."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from salus.atomic import write_text


@dataclass(frozen=True)
class OutlineRecord:
    """The record of a saved outline.

    Attributes:
        version: of the outline; another one as soon as a pixel of it differs.
        reader: who saved it, as typed; "" where no name was given.
        saved: when, ISO 8601 in UTC.
        threshold: of the probability, at which the reader's corrections began.
        origin: "approved" (the network's outline as it was), "corrected", or "drawn" (nothing of the network's in it).
        prompts: what the reader pointed at, as the page sent it.
        network: name of the network.
        replaced: version of the saved outline that it took the place of; "" where there was none.
    """

    version: str = ""
    reader: str = ""
    saved: str = ""
    threshold: float = 0.5
    origin: str = "corrected"
    prompts: tuple[Any, ...] = ()
    network: str = ""
    replaced: str = ""

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(asdict(self)))


def read_record(path: Path) -> OutlineRecord | None:
    """Read a record; None where there is none or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return OutlineRecord(**content | {"prompts": tuple(content["prompts"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
