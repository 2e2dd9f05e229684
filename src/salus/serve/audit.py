"""The audit log: a line of JSON for each outline that was saved or taken back, never changed afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def now() -> str:
    """Give the time in UTC, to a millisecond, as ISO 8601.

    Example:
        >>> len(now())
        24
    """
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append_line(path: Path, **content: Any) -> None:
    """Append a line to an audit log, on the disk when this returns; several processes may do so at a time.

    A new log has the permissions that this user gives to files, since several users may share a reviewed folder; a
    session's log lies in a folder that this user alone may open.

    Args:
        path: the log, in a folder that exists.
        content: of the line.

    Raises:
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> log = Path(tempfile.mkdtemp()) / "audit.jsonl"
        >>> append_line(log, action="saved", reader="Jane Doe")
        >>> log.read_text().splitlines()
        ['{"action": "saved", "reader": "Jane Doe"}']
    """
    line = (json.dumps(content) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        file.write(line)
        os.fsync(file.fileno())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the changes of single images from an audit log, the oldest first; none where there is no log.

    Damaged lines are passed over: what a log names stands in the data set as well.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and isinstance(content.get("case"), str):
            yield content
