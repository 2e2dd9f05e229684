"""Keep in a run's folder with which versions and on which machines it was computed, resumptions included."""

from __future__ import annotations

from pathlib import Path

from salus.atomic import write_json
from salus.lab.training.backend import describe_environment
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import ENVIRONMENT, read_json

THEN = ", then "
"""Between the values in environment.json of what changed: the report shows both."""


def record_changes(folder: Path, log: Log) -> None:
    """Compare versions and machine with those of a run until now; log what differs, and add it to environment.json.

    Args:
        folder: of the run.
        log: called with a line for each difference.
    """
    recorded, now = read_json(folder / ENVIRONMENT), describe_environment()
    changes = {}
    for name in dict.fromkeys((*recorded, *now)):
        before, after = str(recorded.get(name, "none")), now.get(name, "none")
        if before.rpartition(THEN)[2] != after:
            changes[name] = f"{before}{THEN}{after}"
            log(f"mind: {name} is not that of the run until now: {changes[name]}")
    if changes:
        write_json(folder / ENVIRONMENT, recorded | changes)
