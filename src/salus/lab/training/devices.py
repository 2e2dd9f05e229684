"""Train one network on several GPUs of one machine: data parallel, by `keras.distribution` on JAX.

Within `DeviceGroup.scope` a network's variables are replicated on every device, and each device computes its shard of a
batch. XLA joins sums over the batch (loss, gradients), so a step equals that of one device but for
rounding, also where a batch cannot be divided evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from salus.errors import SalusError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class DeviceGroup:
    """The devices that train one network together; `ONE_DEVICE` is Keras's own choice of one.

    Attributes:
        number: of devices.
        distribution: of `keras.distribution`; None on one device.
    """

    number: int = 1
    distribution: keras.distribution.Distribution | None = None

    def scope(self) -> AbstractContextManager[None]:
        """Open the scope in which networks are made and trained together."""
        if self.distribution is None:
            return nullcontext()
        scope: AbstractContextManager[None] = self.distribution.scope()
        return scope

    def check_batch(self, batch: int) -> None:
        """Raise a SalusError where a batch cannot be divided evenly among the devices."""
        if batch % self.number:
            fit = -(-batch // self.number) * self.number
            raise SalusError(
                f"a batch of {batch} cannot be shared out evenly among {self.number} devices; use --batch {fit}, or "
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
        """Copy a trained model so that it can be used on one device; call it outside `scope`.

        Args:
            model: trained within `scope`.
            build: makes the same model with other weights.
        """
        if self.distribution is None:
            return model
        copy = build()
        copy.set_weights(model.get_weights())
        return copy


ONE_DEVICE = DeviceGroup()


def use_devices(number: int | None) -> DeviceGroup:
    """Make the group of so many devices of this machine; call `use_backend` first.

    Args:
        number: of devices; None takes Keras's own choice of one.

    Raises:
        SalusError: the backend is not JAX, or there are not so many devices.
    """
    if number is None:
        return ONE_DEVICE
    import keras

    if keras.backend.backend() != "jax":
        raise SalusError(
            f"--devices needs the backend jax, not {keras.backend.backend()}; add --backend jax "
            '(pip install "salus[jax]")'
        )

    class WholeBatches(keras.distribution.DataParallel):
        """Gives every device the whole batch, of which `DeviceGroup.shard_batches` takes its shard."""

        def get_data_layout(self, data_shape: tuple[int, ...]) -> keras.distribution.TensorLayout:
            return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)

    available = keras.distribution.list_devices()
    kind = available[0].split(":")[0]
    if not 1 <= number <= len(available):
        reason = f"--devices {number}: this machine has {len(available)} ({kind})"
        if kind == "cpu":
            reason += f"; to try things out, XLA_FLAGS=--xla_force_host_platform_device_count={number} parts it"
        raise SalusError(reason)
    return DeviceGroup(number, WholeBatches(devices=available[:number], auto_shard_dataset=False))
