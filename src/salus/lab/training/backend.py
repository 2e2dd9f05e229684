"""The one place that knows Keras's backends: picks one, and sets up its threads, precision and determinism.

Everything else of the laboratory is written in `keras` and `keras.ops`. Call `use_backend` before Keras is imported.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus import __version__
from salus.errors import SalusError
from salus.processor import BFLOAT16, processor_cores, processor_flags, processor_name

if TYPE_CHECKING:
    import keras

BACKENDS = ("tensorflow", "jax", "torch")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
MAKERS = 8
"""Processes at most that make batches for a GPU."""

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
"""Turns TensorFlow's faster convolutions on, which it leaves off on processors without AVX512-VNNI."""


def use_backend(name: str | None = None) -> str:
    """Choose Keras's backend: `name`, else KERAS_BACKEND, else JAX where it sees a GPU, else TensorFlow.

    Returns:
        The backend's name.

    Raises:
        SalusError: unknown, not installed, or Keras already runs on another one.
    """
    chosen = name or os.environ.get("KERAS_BACKEND") or ("jax" if _jax_with_gpu() else "tensorflow")
    if chosen not in BACKENDS:
        raise SalusError(f"unknown backend {chosen!r}; choose one of {', '.join(BACKENDS)}")
    if "keras" in sys.modules:
        import keras

        if keras.backend.backend() != chosen:
            raise SalusError(f"Keras already runs on {keras.backend.backend()}; start a new process for {chosen}")
        return chosen
    for package in ("keras", chosen):
        if importlib.util.find_spec(package) is None:
            extra = "jax" if chosen == "jax" else "train"
            raise SalusError(f'{package} is not installed; run: pip install "salus[{extra}]"')
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(ONEDNN, "1")
    with no_chatter():
        importlib.import_module("keras")
    return chosen


def set_up(seed: int, precision: str = "auto", threads: int | None = None) -> str:
    """Seed everything, make operations deterministic, set threads and precision.

    Args:
        seed: of Python, NumPy and the backend.
        precision: one of `PRECISIONS`; "auto" is mixed_bfloat16 where the processor or GPU has it.
        threads: that TensorFlow uses; None leaves it to the backend.

    Returns:
        The precision that is now in force, "float32" or "mixed_bfloat16".
    """
    if precision not in PRECISIONS:
        raise SalusError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if threads:
            try:
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(threads)
            except RuntimeError:  # TensorFlow has started already; its threads stay as they are
                pass
        tf.config.experimental.enable_op_determinism()
    if precision == "auto":
        precision = "mixed_bfloat16" if has_bfloat16() else "float32"
    keras.mixed_precision.set_global_policy(precision)
    keras.utils.set_random_seed(seed)
    return precision


def feed(batches: keras.utils.PyDataset) -> Any:
    """What `keras.Model.fit` takes batches from, in the order they have when an epoch begins.

    On TensorFlow Keras would make a dataset that tunes itself, in a thread that is told to end just before it can see
    that it should (`CancellationManager::StartCancel`): where it wakes at once it sleeps on, and the epoch ends when it
    wakes by itself, up to a minute later. This one does not tune itself.

    Args:
        batches: each (inputs, truth), arrays or tuples of arrays that differ in their first dimension alone.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    signature = tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), batches[0])
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    made = tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, range(len(batches))), output_signature=signature
    )
    return made.apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(untuned)


def compiles() -> bool:
    """Whether `jit_compile` pays: on JAX, which needs it; on TensorFlow's CPU it doubles the time."""
    import keras

    return keras.backend.backend() == "jax"


def batch_makers() -> int:
    """Processes that make batches while the backend computes on a GPU; 0 where it computes on the processor itself."""
    import keras

    on_gpu = keras.backend.backend() == "jax" and _jax_with_gpu()
    return max(1, min(MAKERS, processor_cores() - 1)) if on_gpu else 0


def build_optimizer(model: keras.Model) -> None:
    """Make a compiled model's optimiser variables now.

    TensorFlow would make them within the first step, one graph operation each, and then trace that step again: half a
    minute for a network of some hundred variables.
    """
    model.optimizer.build(model.trainable_variables)


def litert_options(precision: str) -> dict[str, Any]:
    """What Keras's LiteRT exporter hands to TensorFlow's converter.

    Args:
        precision: of the weights: "float32", "float16", or "int8", a scale for each filter.
    """
    import tensorflow as tf

    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}  # what every interpreter has
    if precision == "float16":
        target["supported_types"] = [tf.float16]
    return {"target_spec": target} | ({} if precision == "float32" else {"optimizations": [tf.lite.Optimize.DEFAULT]})


def has_bfloat16() -> bool:
    """Whether bfloat16 arithmetic is fast here: a GPU, or a processor with AMX or AVX512-BF16."""
    return _jax_with_gpu() or not set(BFLOAT16).isdisjoint(processor_flags())


def versions() -> dict[str, str]:
    """Of Salus and of the packages that its results depend on, those that are installed; starts no backend."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"salus": __version__}
    for package in ("keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scipy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, str]:
    """What a result depends on beside settings and data: versions, machine, processor.

    On JAX it asks for the GPU, which starts JAX: processes that train together are to be connected before.
    """
    found = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
    found["processor"] = processor_name()
    found["cores"] = str(processor_cores())
    if gpu := _jax_gpu():
        found["gpu"] = gpu
    found["bfloat16"] = " ".join(f for f in processor_flags() if f in BFLOAT16) or "none"
    if ONEDNN in os.environ:
        found["oneDNN"] = "on" if os.environ[ONEDNN].lower() in ("1", "true") else "off"
    return found | versions()


@contextmanager
def no_chatter() -> Iterator[None]:
    """Drop what libraries write to stderr while they load or convert (TensorFlow ignores its own log level then)."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _jax_gpu() -> str:
    """What JAX computes on where Keras runs on it, e.g. "NVIDIA H200"; empty where that is the processor."""
    import keras

    if keras.backend.backend() != "jax":
        return ""
    import jax

    return ", ".join(sorted({device.device_kind for device in jax.devices() if device.platform != "cpu"}))


def _jax_with_gpu() -> bool:
    """Whether JAX is installed with a GPU plugin and a GPU is there, without importing it."""
    plugins = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin")
    has_plugin = any(importlib.util.find_spec(plugin) is not None for plugin in plugins)
    return has_plugin and (Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists())
