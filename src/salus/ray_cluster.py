"""A Ray cluster, or Ray on this machine alone: reached, left, and what its machines have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from salus.errors import SalusError

if TYPE_CHECKING:
    from types import ModuleType

LOCAL, RAY = "local", "ray"
"""Where work is done: in this process, or by Ray's workers."""

RETRIES = 20
"""Times that work whose worker died is begun again; each time it goes on where it had come to."""


@contextmanager
def ray_cluster(address: str | None = None) -> Iterator[ModuleType]:
    """Ray, connected; left again at the end, unless it was connected before.

    Args:
        address: of a cluster, HOST:PORT; None takes that of RAY_ADDRESS, or one that runs on this machine, or starts
            Ray here, with all its cores, until the end.

    Raises:
        SalusError: Ray is not installed, or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's future default, else it warns of it
    try:
        import ray
    except ImportError:
        raise SalusError('Ray is not installed; run: pip install "salus[ray]"') from None
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f"at {address}" if address else "here"
            reason = " ".join(str(error).split())[:120]
            raise SalusError(f"no Ray cluster {where} ({reason}); see ray status, or leave out --address") from None
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def least(resource: str) -> int:
    """How much of a resource, "CPU" or "GPU", the machine has that has least of those that work; 0 without one."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return int(min((node.get(resource, 0) for node in nodes if node.get("CPU", 0) >= 1), default=0))


def raise_plainly(error: Exception, what: str) -> NoReturn:
    """Raise what went wrong in a task as the user should read it.

    Args:
        error: of Ray; one that the task itself raised is told as it is.
        what: was done, for work that was begun `RETRIES` times in vain.

    Raises:
        SalusError: a mistake, or workers that die.
    """
    import ray

    cause: Any = getattr(error, "cause", None)
    if isinstance(cause, SalusError):
        raise SalusError(str(cause)) from None
    if isinstance(error, ray.exceptions.RayTaskError):
        raise error
    reason = " ".join(str(error).split())[:160]
    raise SalusError(f"{what}: its workers died again and again ({reason}); see their memory, then resume") from None
