"""Train on many devices and hosts: data parallel, by `keras.distribution` on JAX.

Every process runs the same program on the same data and makes the same batches. Within `Crew.scope` a network's
variables lie on every device, and each device computes its part of a batch; XLA joins sums over the batch (loss,
gradients, batch norm), so a step is that of one device but for rounding, also where the last batch of an epoch cannot
be shared out evenly. Only the first process, which leads, keeps what is written: the others work in a folder of their
own that is thrown away.
"""

from __future__ import annotations

import atexit
import io
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.errors import SalusError
from salus.lab.training.channel import Hosts, Line, end_process
from salus.lab.training.progress import Log

if TYPE_CHECKING:
    import keras


@dataclass(eq=False)
class Crew:
    """The processes and devices that train together; `ALONE` is one process on one device.

    Attributes:
        line: to the other processes; None where there are none.
        distribution: of `keras.distribution`; None on one device.
        devices: of all processes.
    """

    line: Line | None = None
    distribution: keras.distribution.Distribution | None = None
    devices: int = 1
    _scratch: list[Path] = field(default_factory=list)

    @property
    def leads(self) -> bool:
        """Whether this process keeps what is written."""
        return self.line is None or self.line.hosts.mine == 0

    def log(self, log: Log) -> Log:
        """`log` in the process that leads, nothing in the others."""
        return log if self.leads else lambda line: None

    def scope(self) -> AbstractContextManager[None]:
        """Where networks are made and trained together; every process must do the same inside."""
        if self.distribution is None:
            return nullcontext()
        scope: AbstractContextManager[None] = self.distribution.scope()
        return scope

    def check_batch(self, batch: int) -> None:
        """Raise a SalusError where devices would idle."""
        if batch % self.devices:
            fit = -(-batch // self.devices) * self.devices
            raise SalusError(
                f"a batch of {batch} cannot be shared out evenly among {self.devices} devices; use --batch {fit}, or "
                "fewer devices"
            )

    def share_out(self, model: keras.Model) -> None:
        """Let each device compute its part of every batch of `model`, which was made within `scope`."""
        if self.distribution is None:
            return
        import keras

        mesh = self.distribution.device_mesh

        def spread(x: Any) -> Any:
            layout = keras.distribution.TensorLayout(["batch"] + [None] * (len(x.shape) - 1), mesh)
            return keras.distribution.distribute_tensor(x, layout)

        def shared(step: Callable[[Any, Any], Any], state: Any, data: Any) -> Any:
            return step(state, keras.tree.map_structure(spread, data, none_is_leaf=False))

        for name in ("train_step", "test_step"):
            setattr(model, name, partial(shared, getattr(model, name)))

    def local(self, model: keras.Model, build: Callable[[], keras.Model]) -> keras.Model:
        """A trained model that this process can use without the others; call it outside `scope`.

        Args:
            model: that was trained within `scope`.
            build: makes it anew.
        """
        if self.distribution is None:
            return model
        fresh = build()
        fresh.set_weights(model.get_weights())
        return fresh

    def share(self, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What `make` returns in the process that leads; the others wait for it, however long it takes."""
        if self.line is None:
            return make()
        if self.leads:
            made = make()
            packed = io.BytesIO()
            np.savez(packed, allow_pickle=False, **made)
            self.line.hand_out(packed.getvalue())
            return made
        with np.load(io.BytesIO(self.line.receive()), allow_pickle=False) as content:
            return {name: content[name] for name in content.files}

    def decide(self, ask: Callable[[], bool]) -> bool:
        """What the process that leads answers."""
        return bool(self.share(lambda: {"answer": np.array(ask())})["answer"])

    def mirror(self, folder: Path) -> Path:
        """The folder to work in: `folder` itself where this process leads, else a copy of the leader's that is kept
        until the end; a copy holds the files right inside it, not its folders.
        """
        if self.line is None:
            return folder

        def files() -> dict[str, np.ndarray]:
            inside = [p for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
            return {p.name: np.frombuffer(p.read_bytes(), np.uint8) for p in inside if not p.name.startswith(".")}

        found = self.share(files)
        if self.leads:
            return folder
        copy = Path(tempfile.mkdtemp(prefix="salus-"))
        self._scratch.append(copy)
        for name, content in found.items():
            (copy / name).write_bytes(content.tobytes())
        return copy

    def agree(self, what: str, value: str) -> None:
        """Raise a SalusError where this process has another value than the one that leads."""
        theirs = str(self.share(lambda: {"value": np.array(value)})["value"])
        if theirs != value:
            raise SalusError(f"{what} differ from those of host 0; start every host with the same options and data")

    def tidy(self) -> None:
        """Remove the copies that `mirror` made."""
        for folder in self._scratch:
            shutil.rmtree(folder, ignore_errors=True)


ALONE = Crew()


@contextmanager
def assembled(devices: int | None, hosts: str | None, host: int | None, again: str) -> Iterator[Crew]:
    """The crew that --devices, --hosts and --host ask for; call `use_backend` first.

    Args:
        devices: of this process; None takes all of them where there are hosts, else trains as without a crew.
        hosts: NAME:PORT of each process, parted by commas, the leading one first.
        host: which of them this is, from 0.
        again: the command to go on with after one of them has died.

    Raises:
        SalusError: the backend is not JAX, there are not so many devices, or the hosts do not come together.
    """
    if hosts is None and host is not None:
        raise SalusError("--host: say who the hosts are: --hosts NAME:PORT,NAME:PORT,...")
    if hosts is None and devices is None:
        yield ALONE
        return
    import keras

    if keras.backend.backend() != "jax":
        raise SalusError(
            f"--devices and --hosts need the backend jax, not {keras.backend.backend()}; add --backend jax "
            '(pip install "salus[jax]")'
        )
    placed = Hosts.parse(hosts, host) if hosts is not None else None
    line = None if placed is None or len(placed.names) == 1 else _meet(placed, devices, again)
    crew = Crew(line)
    try:
        if line is not None:
            _join(crew, line)
        crew.distribution, crew.devices = _distribute(devices, 1 if line is None else len(line.hosts.names))
        yield crew
    except BaseException as error:
        if line is not None:
            _give_up(line, error)
        raise
    else:
        if line is not None:
            line.close()
    finally:
        crew.tidy()


def _meet(hosts: Hosts, devices: int | None, again: str) -> Line:
    """Wait for the other processes; they must be alike."""
    from salus.lab.training.backend import versions

    own = {k: v for k, v in versions().items() if k in ("salus", "keras", "jax")}
    told = {"number of hosts": str(len(hosts.names)), "--devices": str(devices)} | own
    return Line.meet(hosts, told, partial(end_process, again=again))


def _join(crew: Crew, line: Line) -> None:
    """Let JAX connect the processes, at a port that is free on the first host."""
    import keras

    hosts = line.hosts
    place = str(crew.share(lambda: {"at": np.array(f"{hosts.names[0][0]}:{_free_port()}")})["at"])
    keras.utils.set_random_seed(0)  # else Keras draws a seed together, which costs a compilation
    keras.distribution.initialize(place, len(hosts.names), hosts.mine)


def _free_port() -> int:
    with socket.create_server(("", 0)) as door:
        port: int = door.getsockname()[1]
        return port


def _distribute(devices: int | None, hosts: int) -> tuple[Any, int]:
    """The distribution over `devices` of each of `hosts` processes, and how many devices that are."""
    import keras

    class Whole(keras.distribution.DataParallel):
        """Each process gives every device the whole batch, of which `Crew.share_out` cuts its part."""

        def get_data_layout(self, data_shape: tuple[int, ...]) -> keras.distribution.TensorLayout:
            return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)

    found = keras.distribution.list_devices()
    each = len(found) // hosts
    kind = found[0].split(":")[0]
    wanted = each if devices is None else devices
    if not 1 <= wanted <= each:
        reason = f"--devices {wanted}: this machine has {each} ({kind})"
        if kind == "cpu":
            reason += f"; to try things out, XLA_FLAGS=--xla_force_host_platform_device_count={wanted} parts it"
        raise SalusError(reason)
    chosen = [found[h * each + i] for h in range(hosts) for i in range(wanted)]
    return Whole(devices=chosen, auto_shard_dataset=False), len(chosen)


def _give_up(line: Line, error: BaseException) -> None:
    """Tell the others why, and leave without JAX's farewell, which would wait for them for minutes."""
    if not isinstance(error, SalusError | KeyboardInterrupt):
        time.sleep(3)  # JAX noticed first that another died: let the line say so
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{error}".strip().partition("\n")[0]
    line.fail(reason or type(error).__name__)
    code = 130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, SalusError | OSError) else 1
    atexit.register(_leave, code)


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
