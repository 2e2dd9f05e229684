"""Choose Keras's backend, and set up its threads, precision and determinism.

No other file of the laboratory knows a backend: all else is written in `keras` and `keras.ops`. Call `use_backend`
before Keras is imported.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus import __version__
from salus.errors import SalusError
from salus.precision import measure_once, time_in_turn
from salus.processor import BFLOAT16_FLAGS, processor_cores, processor_flags, processor_name

if TYPE_CHECKING:
    import keras

BACKENDS = ("tensorflow", "jax", "torch")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
MAX_BATCH_PROCESSES = 8
"""Largest number of processes that make batches for a GPU."""

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
"""Environment variable that turns on TensorFlow's faster convolutions, off by default without AVX512-VNNI."""


def use_backend(name: str | None = None) -> str:
    """Choose and load Keras's backend: `name`, else KERAS_BACKEND, else JAX where it has a GPU, else TensorFlow.

    Returns:
        The backend's name.

    Raises:
        SalusError: the backend is unknown or not installed, or Keras already runs on another one.
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
            extra = chosen if package != "keras" and chosen in ("jax", "torch") else "train"
            raise SalusError(f'{package} is not installed; run: pip install "salus[{extra}]"')
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(ONEDNN, "1")
    with silence_framework_logs():
        importlib.import_module("keras")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # its warnings of retracing say nothing to a user
    return chosen


def set_up(seed: int, precision: str = "auto", threads: int | None = None) -> str:
    """Seed everything, make operations deterministic, set threads and precision.

    Args:
        seed: of Python, NumPy and the backend.
        precision: one of `PRECISIONS`; "auto" is mixed_bfloat16 on a GPU, and where it was measured to be faster.
        threads: of TensorFlow or PyTorch; None leaves the number to it.

    Returns:
        The precision in force, "float32" or "mixed_bfloat16".
    """
    if precision not in PRECISIONS:
        raise SalusError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    import keras

    set_threads(threads)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS refuses to be deterministic
        torch.use_deterministic_algorithms(True, warn_only=True)
    if precision == "auto":
        precision = "mixed_bfloat16" if has_bfloat16() else "float32"
    keras.mixed_precision.set_global_policy(precision)
    keras.utils.set_random_seed(seed)
    return precision


def seed_each_step() -> Callable[[int], None]:
    """Return a function to call before each training step with its number, from 1; call this after `set_up`.

    On PyTorch, Keras's dropout draws from the one generator of the process. Seeded by step, a resumed training drops
    what an uninterrupted one does. On the other backends each layer counts its draws; see `checkpoint.advance_dropout`.
    """
    import keras

    if keras.backend.backend() != "torch":
        return lambda step: None
    import torch

    seed = torch.initial_seed()
    return lambda step: torch.manual_seed((1_000_003 * seed + step) % 2**63)


def set_threads(threads: int | None) -> None:
    """Set the threads of TensorFlow, before it starts, or of PyTorch; None leaves the number to it."""
    import keras

    if threads and keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    if not threads or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    with suppress(RuntimeError):  # TensorFlow has started already; its threads stay as they are
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def make_dataset(batches: keras.utils.PyDataset) -> Any:
    """Make what `keras.Model.fit` takes batches from, in their order at the start of the epoch.

    On TensorFlow, Keras would make a dataset that tunes itself in a thread. That thread is told to end just before it
    can see that it should (`CancellationManager::StartCancel`); where it wakes at that moment it sleeps on, and the end
    of the epoch waits for it, up to a minute. The dataset made here does not tune itself.

    Args:
        batches: each (inputs, truth), arrays or tuples of arrays that differ in their first dimension alone.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    signature = tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), batches[0])
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, range(len(batches))), output_signature=signature
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(options)


def use_jit() -> bool:
    """Tell whether to compile with `jit_compile`: on JAX, which needs it; on TensorFlow's CPU it doubles the time."""
    import keras

    return keras.backend.backend() == "jax"


def batch_processes() -> int:
    """Choose the number of processes that make batches: some where a GPU computes, 0 where the processor does."""
    return max(1, min(MAX_BATCH_PROCESSES, processor_cores() - 1)) if _gpu_name() else 0


def can_export_onnx() -> bool:
    """Tell whether Keras writes ONNX files on its backend; on PyTorch it would need further packages."""
    import keras

    return keras.backend.backend() != "torch"


def run_on_tensorflow(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function of a module in a new process, where Keras runs on TensorFlow, and wait for its end."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=use_backend, initargs=("tensorflow",)) as process:
        process.submit(function, *arguments).result()


def build_optimizer(model: keras.Model) -> None:
    """Create the variables of a compiled model's optimiser.

    TensorFlow would create them within the first step, one graph operation each, and then trace that step again: half
    a minute for a network of some hundred variables.
    """
    model.optimizer.build(model.trainable_variables)


def litert_converter_options(precision: str) -> dict[str, Any]:
    """Make the options that Keras's LiteRT exporter passes to TensorFlow's converter.

    Args:
        precision: of the weights: "float32", "float16", or "int8" with a scale for each filter.
    """
    import tensorflow as tf

    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}  # what every interpreter has
    if precision == "float16":
        target["supported_types"] = [tf.float16]
    return {"target_spec": target} | ({} if precision == "float32" else {"optimizations": [tf.lite.Optimize.DEFAULT]})


def has_bfloat16() -> bool:
    """Tell whether bfloat16 is the faster precision here: on a GPU, else where a measurement says so.

    The measurement, a convolution and a matrix product, is made once and kept; see `salus.precision`.
    """
    if _gpu_name():
        return True
    import keras

    backend = keras.backend.backend()
    versions = {name: version for name, version in package_versions().items() if name in ("salus", "keras", backend)}
    return measure_once(backend, versions, _time_precisions).fastest == "bfloat16"


def _time_precisions() -> dict[str, float]:
    """Time the same layers in float32 and bfloat16; milliseconds."""
    from keras import ops, random

    shapes = {"image": (1, 64, 64, 64), "kernel": (3, 3, 64, 64), "rows": (1024, 512), "matrix": (512, 512)}
    tensors = {name: random.normal(shape, seed=0) for name, shape in shapes.items()}

    def compute(image: Any, kernel: Any, rows: Any, matrix: Any) -> None:
        for result in (ops.conv(image, kernel, padding="same"), ops.matmul(rows, matrix)):
            ops.convert_to_numpy(ops.cast(result[0, 0], "float32"))  # waits for what is computed in the background

    cast = {name: [ops.cast(tensor, name) for tensor in tensors.values()] for name in ("float32", "bfloat16")}
    return time_in_turn({name: partial(compute, *arrays) for name, arrays in cast.items()})


def package_versions() -> dict[str, str]:
    """Look up the versions of Salus and of the installed packages that its results depend on; starts no backend."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"salus": __version__}
    for package in ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "scipy", "pillow"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def describe_environment() -> dict[str, str]:
    """Describe what a result depends on beside settings and data: versions, machine, processor.

    On JAX and PyTorch this asks for the GPU, which starts them.
    """
    described = {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()}
    described["processor"] = processor_name()
    described["cores"] = str(processor_cores())
    if gpu := _gpu_name():
        described["gpu"] = gpu
    described["bfloat16"] = " ".join(f for f in processor_flags() if f in BFLOAT16_FLAGS) or "none"
    if ONEDNN in os.environ:
        described["oneDNN"] = "on" if os.environ[ONEDNN].lower() in ("1", "true") else "off"
    return described | package_versions()


@contextmanager
def silence_framework_logs() -> Iterator[None]:
    """Drop what native libraries write to stderr while they load or convert: TensorFlow ignores its log level then."""
    stderr = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def _gpu_name() -> str:
    """Return the GPU that Keras uses through JAX or PyTorch, e.g. "NVIDIA H200"; empty where it uses none."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""
    if keras.backend.backend() != "jax":
        return ""
    import jax

    return ", ".join(sorted({device.device_kind for device in jax.devices() if device.platform != "cpu"}))


def _jax_with_gpu() -> bool:
    """Tell whether JAX is installed with a GPU plugin and there is a GPU, without importing it."""
    plugins = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin")
    has_plugin = any(importlib.util.find_spec(plugin) is not None for plugin in plugins)
    return has_plugin and (Path("/dev/nvidia0").exists() or Path("/dev/kfd").exists())
