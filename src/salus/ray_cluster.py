"""Connect to a Ray cluster, or run Ray on this machine, and report the errors of its tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from salus.errors import SalusError

if TYPE_CHECKING:
    from types import ModuleType

LOCAL, RAY = "local", "ray"
"""Where work is done: in this process, or by Ray's workers."""

RETRIES = 20
"""How often a task whose worker died is started again; each time it resumes where the last one stopped."""


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[ModuleType]:
    """Connect to Ray and yield its module; disconnect at the end, unless Ray was connected before.

    Args:
        address: HOST:PORT of a cluster. None takes the one that RAY_ADDRESS names, or one that runs on this machine, or
            starts Ray here, with all cores, until the end.

    Raises:
        SalusError: Ray is not installed, does not start, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's future default; it warns where unset
    try:
        import ray
    except ImportError:
        raise SalusError('Ray is not installed; run: pip install "salus[ray]"') from None
    connects = not ray.is_initialized()
    if connects:
        try:
            ray.init(address=address, logging_level="ERROR")
        except Exception as error:  # a bare one where a node does not start in time
            place = f"at {address}" if address else "here"
            advice = f"see ray status, or leave out --{'address' if address else 'engine ray'}"
            reason = " ".join(str(error).split())[:120]
            raise SalusError(f"no Ray cluster {place} ({reason}); {advice}") from None
    try:
        yield ray
    finally:
        if connects:
            ray.shutdown()


def min_per_node(resource: str) -> int:
    """Return how much of a resource ("CPU" or "GPU") every node with a core has at least; 0 without such a node."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return int(min((node.get(resource, 0) for node in nodes if node.get("CPU", 0) >= 1), default=0))


def raise_task_error(error: Exception, task: str) -> NoReturn:
    """Raise what went wrong in a Ray task as an error that the user can read.

    Args:
        error: Ray's. A mistake of the user (SalusError, OSError) is raised as the task raised it.
        task: name of the task in the message, where its worker died `RETRIES` times.

    Raises:
        SalusError: the user's mistake, or the worker died.
        OSError: a file cannot be read or written.
    """
    import ray

    cause = getattr(error, "cause", None)
    if isinstance(cause, SalusError | OSError):
        raise cause from None
    if isinstance(error, ray.exceptions.RayTaskError):
        raise error
    reason = " ".join(str(error).split())[:160]
    raise SalusError(f"{task}: its workers died again and again ({reason}); see their memory, then resume") from None
