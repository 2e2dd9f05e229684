"""Train on several devices and hosts: data parallel, by `keras.distribution` on JAX.

Every process runs the same program on the same data and makes the same batches. Within `ProcessGroup.scope` a network's
variables are replicated on every device, and each device computes its shard of a batch. XLA joins sums over the batch
(loss, gradients, batch norm), so a step equals that of one device but for rounding, also where the last batch of an
epoch cannot be divided evenly. Only the main process (rank 0) keeps what is written: the others work in temporary
folders.
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
from salus.lab.training.channel import Channel, Hosts, end_process
from salus.lab.training.progress import Log

if TYPE_CHECKING:
    import keras


@dataclass(eq=False)
class ProcessGroup:
    """The processes and devices that train together; `SINGLE_PROCESS` is one process on one device.

    Attributes:
        channel: to the other processes; None where there are none.
        distribution: of `keras.distribution`; None on one device.
        devices: number of devices of all processes.
    """

    channel: Channel | None = None
    distribution: keras.distribution.Distribution | None = None
    devices: int = 1
    _copies: list[Path] = field(default_factory=list)

    @property
    def is_main(self) -> bool:
        """Whether this process keeps what is written."""
        return self.channel is None or self.channel.hosts.rank == 0

    def log(self, log: Log) -> Log:
        """Return `log` in the main process, a silent one in the others."""
        return log if self.is_main else lambda line: None

    def scope(self) -> AbstractContextManager[None]:
        """Open the scope in which networks are made and trained together; every process must do the same inside."""
        if self.distribution is None:
            return nullcontext()
        scope: AbstractContextManager[None] = self.distribution.scope()
        return scope

    def check_batch(self, batch: int) -> None:
        """Raise a SalusError where a batch cannot be divided evenly among the devices."""
        if batch % self.devices:
            fit = -(-batch // self.devices) * self.devices
            raise SalusError(
                f"a batch of {batch} cannot be shared out evenly among {self.devices} devices; use --batch {fit}, or "
                "fewer devices"
            )

    def shard_batches(self, model: keras.Model) -> None:
        """Let each device compute its shard of every batch of a model that was made within `scope`."""
        if self.distribution is None:
            return
        import keras

        mesh = self.distribution.device_mesh

        def shard(x: Any) -> Any:
            layout = keras.distribution.TensorLayout(["batch"] + [None] * (len(x.shape) - 1), mesh)
            return keras.distribution.distribute_tensor(x, layout)

        def run_sharded(step: Callable[[Any, Any], Any], state: Any, data: Any) -> Any:
            return step(state, keras.tree.map_structure(shard, data, none_is_leaf=False))

        for name in ("train_step", "test_step"):
            setattr(model, name, partial(run_sharded, getattr(model, name)))

    def local_copy(self, model: keras.Model, build: Callable[[], keras.Model]) -> keras.Model:
        """Copy a trained model so that this process can use it without the others; call it outside `scope`.

        Args:
            model: trained within `scope`.
            build: makes the same model with other weights.
        """
        if self.distribution is None:
            return model
        copy = build()
        copy.set_weights(model.get_weights())
        return copy

    def broadcast(self, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Compute arrays in the main process and return them in all; the others wait, however long it takes."""
        if self.channel is None:
            return compute()
        if self.is_main:
            arrays = compute()
            packed = io.BytesIO()
            np.savez(packed, allow_pickle=False, **arrays)
            self.channel.broadcast(packed.getvalue())
            return arrays
        with np.load(io.BytesIO(self.channel.receive()), allow_pickle=False) as content:
            return {name: content[name] for name in content.files}

    def broadcast_flag(self, evaluate: Callable[[], bool]) -> bool:
        """Evaluate a condition in the main process and return the result in all."""
        return bool(self.broadcast(lambda: {"flag": np.array(evaluate())})["flag"])

    def replicate_folder(self, folder: Path) -> Path:
        """Return the folder to work in: `folder` itself in the main process, a temporary copy in the others.

        A copy holds the files right inside the folder, not its subfolders.
        """
        if self.channel is None:
            return folder

        def read_files() -> dict[str, np.ndarray]:
            files = [p for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
            return {p.name: np.frombuffer(p.read_bytes(), np.uint8) for p in files if not p.name.startswith(".")}

        contents = self.broadcast(read_files)
        if self.is_main:
            return folder
        copy = Path(tempfile.mkdtemp(prefix="salus-"))
        self._copies.append(copy)
        for name, content in contents.items():
            (copy / name).write_bytes(content.tobytes())
        return copy

    def check_equal(self, name: str, value: str) -> None:
        """Raise a SalusError where this process has another value than the main process."""
        main_value = str(self.broadcast(lambda: {"value": np.array(value)})["value"])
        if main_value != value:
            raise SalusError(f"{name} differ from those of host 0; start every host with the same options and data")

    def remove_copies(self) -> None:
        """Remove the copies that `replicate_folder` made."""
        for folder in self._copies:
            shutil.rmtree(folder, ignore_errors=True)


SINGLE_PROCESS = ProcessGroup()


@contextmanager
def open_process_group(
    devices: int | None, hosts: str | None, host: int | None, resume_command: str
) -> Iterator[ProcessGroup]:
    """Connect the processes and devices of --devices, --hosts and --host; call `use_backend` first.

    Args:
        devices: of this process; None takes all of them with --hosts, else trains as without a group.
        hosts: NAME:PORT of each process, separated by commas, the main process first.
        host: the rank of this process, from 0.
        resume_command: the command that resumes the run after a process died.

    Raises:
        SalusError: the backend is not JAX, there are not so many devices, or the hosts do not connect.
    """
    if hosts is None and host is not None:
        raise SalusError("--host: say who the hosts are: --hosts NAME:PORT,NAME:PORT,...")
    if hosts is None and devices is None:
        yield SINGLE_PROCESS
        return
    import keras

    if keras.backend.backend() != "jax":
        raise SalusError(
            f"--devices and --hosts need the backend jax, not {keras.backend.backend()}; add --backend jax "
            '(pip install "salus[jax]")'
        )
    world = Hosts.parse(hosts, host) if hosts is not None else None
    channel = None
    if world is not None and len(world.addresses) > 1:
        channel = _open_channel(world, devices, resume_command)
    group = ProcessGroup(channel)
    try:
        if channel is not None:
            _initialize_jax(group, channel)
        group.distribution, group.devices = _distribute(devices, 1 if channel is None else len(channel.hosts.addresses))
        yield group
    except BaseException as error:
        if channel is not None:
            _abort(channel, error)
        raise
    else:
        if channel is not None:
            channel.close()
    finally:
        group.remove_copies()


def _open_channel(hosts: Hosts, devices: int | None, resume_command: str) -> Channel:
    """Connect to the other processes, which must have the same package_versions and options."""
    from salus.lab.training.backend import package_versions

    own = {k: v for k, v in package_versions().items() if k in ("salus", "keras", "jax")}
    settings = {"number of hosts": str(len(hosts.addresses)), "--devices": str(devices)} | own
    return Channel.connect(hosts, settings, partial(end_process, resume_command=resume_command))


def _initialize_jax(group: ProcessGroup, channel: Channel) -> None:
    """Let JAX connect the processes, at a port that is free on the first host."""
    import keras

    hosts = channel.hosts
    address = str(group.broadcast(lambda: {"address": np.array(f"{hosts.addresses[0][0]}:{_free_port()}")})["address"])
    keras.utils.set_random_seed(0)  # else Keras draws a seed together, which costs a compilation
    keras.distribution.initialize(address, len(hosts.addresses), hosts.rank)


def _free_port() -> int:
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _distribute(devices: int | None, hosts: int) -> tuple[Any, int]:
    """Make the distribution over `devices` of each of `hosts` processes; return it and the number of all devices."""
    import keras

    class WholeBatches(keras.distribution.DataParallel):
        """Gives every device the whole batch, of which `ProcessGroup.shard_batches` takes its shard."""

        def get_data_layout(self, data_shape: tuple[int, ...]) -> keras.distribution.TensorLayout:
            return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)

    available = keras.distribution.list_devices()
    per_host = len(available) // hosts
    kind = available[0].split(":")[0]
    used = per_host if devices is None else devices
    if not 1 <= used <= per_host:
        reason = f"--devices {used}: this machine has {per_host} ({kind})"
        if kind == "cpu":
            reason += f"; to try things out, XLA_FLAGS=--xla_force_host_platform_device_count={used} parts it"
        raise SalusError(reason)
    chosen = [available[host * per_host + i] for host in range(hosts) for i in range(used)]
    return WholeBatches(devices=chosen, auto_shard_dataset=False), len(chosen)


def _abort(channel: Channel, error: BaseException) -> None:
    """Tell the others why, and skip JAX's shutdown at exit, which would wait for them for minutes."""
    if not isinstance(error, SalusError | KeyboardInterrupt):
        time.sleep(3)  # perhaps JAX noticed first that another process died: let the channel say so
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{error}".strip().partition("\n")[0]
    channel.fail(reason or type(error).__name__)
    code = 130 if isinstance(error, KeyboardInterrupt) else 2 if isinstance(error, SalusError | OSError) else 1
    atexit.register(_exit, code)


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
