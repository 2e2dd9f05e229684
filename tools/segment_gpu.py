"""Train all networks of a `salus train` run side by side on one NVIDIA GPU: minutes in place of days.

    salus train DATA... -o RUN --judge 5 --final     then Ctrl-C, once it says "fold 1"
    python tools/segment_gpu.py RUN                  needs PyTorch with CUDA, and Keras
    salus train --resume RUN                         judges, calibrates, exports; anywhere

What `salus train` would train one after the other (the judged folds and the final network) is trained here at once, in
streams of their own, from the same first weights and on the same batches. Keras builds the network, PyTorch carries it
out, channels first, and repeats the recorded step. Loss, schedule, AdamW, clipping and the running mean are those of
`salus.lab.segmentation.train`; the arithmetic (TF32, order of sums) and what dropout draws differ. The weights of all are
written at the end, to RUN/NAME/weights.weights.h5; a training that was interrupted starts again.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import torch
import torch.nn.functional as F
from keras import layers

from salus.errors import SalusError
from salus.lab.segmentation.loader import drawn_batches
from salus.lab.segmentation.recipe import SegmentRecipe
from salus.lab.segmentation.train import FINISHED, count_steps, early_recipe, learning_rates, shrink, take_over
from salus.lab.training.run_folder import write_by_rename

BETAS, EPSILON = (0.9, 0.999), 1e-7
"""Of Keras's AdamW."""


class Parameters:
    """A network's weights, in one row, with a view for each in PyTorch's layout."""

    def __init__(self, model: keras.Model, device: str) -> None:
        arrays = [to_torch(keras.ops.convert_to_numpy(weight)) for weight in model.trainable_weights]
        if len(arrays) != len(model.weights):
            raise ValueError("weights that are not trained (batch norm) are not carried over")
        self.shapes = [array.shape for array in arrays]
        ends = np.cumsum([array.size for array in arrays])
        self.slices = [slice(end - array.size, end) for end, array in zip(ends.tolist(), arrays, strict=True)]
        self.row = torch.from_numpy(np.concatenate([array.ravel() for array in arrays])).to(device)
        self.gradient = torch.zeros_like(self.row)
        self.of = {}
        for weight, shape, at in zip(model.trainable_weights, self.shapes, self.slices, strict=True):
            one = self.row[at].view(shape).requires_grad_()
            one.grad = self.gradient[at].view(shape)
            self.of[id(weight)] = one  # by identity: both encoders have the same names

    def to_keras(self, row: torch.Tensor) -> list[np.ndarray]:
        """The weights as `keras.Model.set_weights` takes them."""
        values = row.detach().cpu().numpy()
        return [to_keras(values[at].reshape(shape)) for at, shape in zip(self.slices, self.shapes, strict=True)]


def to_torch(array: np.ndarray) -> np.ndarray:
    """A kernel (h, w, in, out) to (out, in, h, w), (h, w, channels) to (channels, h, w), (in, out) to (out, in)."""
    axes: tuple[int, ...] = {4: (3, 2, 0, 1), 3: (2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,))
    return np.ascontiguousarray(array.transpose(axes))


def to_keras(array: np.ndarray) -> np.ndarray:
    """What `to_torch` was given."""
    axes: tuple[int, ...] = {4: (2, 3, 1, 0), 3: (1, 2, 0), 2: (1, 0)}.get(array.ndim, (0,))
    return np.ascontiguousarray(array.transpose(axes))


def run(model: keras.Model, given: torch.Tensor, of: dict[int, torch.Tensor], training: bool = True) -> Any:
    """A functional Keras network, carried out by PyTorch.

    Args:
        model: of the layers that `carry_out` knows.
        given: (n, c, h, w).
        of: each weight by the identity of Keras's own, in PyTorch's layout.
        training: whether dropout drops.

    Returns:
        Its outputs, channels first, as the model has them: one, or a dict.
    """
    known = {id(model.inputs[0]): given}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not isinstance(node.operation, layers.InputLayer):
                found = carry_out(node.operation, [known[id(one)] for one in node.input_tensors], of, training)
                known[id(node.outputs[0])] = found
    outputs = model._outputs_struct
    return {k: known[id(v)] for k, v in outputs.items()} if isinstance(outputs, dict) else known[id(model.outputs[0])]


def carry_out(layer: Any, given: list[torch.Tensor], of: dict[int, torch.Tensor], training: bool) -> torch.Tensor:
    """One layer; see `run`."""
    x = given[0]
    match type(layer).__name__:
        case "Functional":
            return run(layer, x, of, training)
        case "Conv2D" | "DepthwiseConv2D":
            kernel = of[id(layer.kernel)]
            groups = 1
            if type(layer).__name__ == "DepthwiseConv2D":  # (1, c, h, w) to (c, 1, h, w)
                kernel, groups = kernel.transpose(0, 1), x.shape[1]
            sides, step = layer.kernel_size, layer.strides[0]
            over = [max((-(-n // step) - 1) * step + k - n, 0) for n, k in zip(x.shape[2:], sides, strict=True)]
            if over[0] % 2 or over[1] % 2:
                x = F.pad(x, (over[1] // 2, over[1] - over[1] // 2, over[0] // 2, over[0] - over[0] // 2))
                over = [0, 0]
            bias = of[id(layer.bias)] if layer.use_bias else None
            x = F.conv2d(x, kernel, bias, step, (over[0] // 2, over[1] // 2), groups=groups)
            return activate(x, layer.activation)
        case "Dense":
            return activate(F.linear(x, of[id(layer.kernel)], of[id(layer.bias)]), layer.activation)
        case "Activation":
            return activate(x, layer.activation)
        case "ReLU":
            return F.relu(x) if layer.max_value is None else F.hardtanh(x, 0.0, float(layer.max_value))
        case "Rescaling":
            return x * layer.scale + layer.offset
        case "Add":
            return given[0] + given[1]
        case "Multiply":
            return given[0] * given[1]
        case "Concatenate":
            return torch.cat(given, 1)
        case "Place":
            return x + of[id(layer.values)]
        case "Detach":
            return x.detach()
        case "Dropout":
            return F.dropout(x, layer.rate, training)
        case "UpSampling2D":
            corners = False if layer.interpolation == "bilinear" else None
            return F.interpolate(x, scale_factor=float(layer.size[0]), mode=layer.interpolation, align_corners=corners)
        case "MaxPooling2D":
            return F.max_pool2d(x, layer.pool_size)
        case "AveragePooling2D":
            return F.avg_pool2d(x, layer.pool_size)
        case "GlobalAveragePooling2D":
            return x.mean((2, 3), keepdim=bool(layer.keepdims))
        case other:
            raise NotImplementedError(f"{layer.name}: no {other} here")


def activate(x: torch.Tensor, activation: Any) -> torch.Tensor:
    """What a layer's activation does."""
    return {"linear": lambda x: x, "relu": F.relu, "sigmoid": torch.sigmoid}[activation.__name__](x)


def outline_loss(y: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """`salus.lab.training.losses.saliency_loss`, channels first."""
    safe = p.clamp(1e-6, 1 - 1e-6)
    entropy = -(y * safe.log() + (1 - y) * (1 - safe).log()).mean()
    both, areas = (y * p).sum((1, 2, 3)), y.sum((1, 2, 3)) + p.sum((1, 2, 3))
    return entropy + 0.5 * (1 - (2 * both + 1) / (areas + 1)).mean()


def whole_loss(found: dict[str, torch.Tensor], masks: torch.Tensor, weights: dict[str, float]) -> torch.Tensor:
    """Of a batch, masks (n, 1, s, s) of 0 and 1."""
    there, p = masks.amax((1, 2, 3))[:, None], found["presence"].clamp(1e-7, 1 - 1e-7)
    entropy = -(there * p.log() + (1 - there) * (1 - p).log()).mean()
    outline = outline_loss(masks, found["probability"])
    saliency = outline_loss(F.avg_pool2d(masks, 4), found["saliency"])
    return weights["probability"] * outline + weights["saliency"] * saliency + weights["presence"] * entropy


class Training:
    """One network's training: a step on fixed buffers, which a GPU repeats as one graph."""

    def __init__(self, model: keras.Model, recipe: SegmentRecipe, steps: int, device: str) -> None:
        self.model, self.recipe, self.steps = model, recipe, steps
        self.weights = Parameters(model, device)
        self.mean = torch.zeros_like(self.weights.row)
        self.first, self.second = torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        places = [torch.full((at.stop - at.start,), n) for n, at in enumerate(self.weights.slices)]
        self.place = torch.cat(places).to(device)
        self.schedule = torch.tensor(schedule(recipe, steps), dtype=torch.float32, device=device)
        self.done = torch.zeros(1, dtype=torch.int64, device=device)
        self.losses = torch.zeros(steps, device=device)
        shape = (recipe.batch, recipe.size, recipe.size)
        self.images = torch.zeros(shape, dtype=torch.uint8, device=device)
        self.masks = torch.zeros(shape, dtype=torch.bool, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None

    def step(self) -> None:
        """Forward, backward and AdamW, as Keras does it: clipped a weight at a time, decay first, mean last."""
        w = self.weights
        w.gradient.zero_()
        masks = self.masks[:, None].float()
        found = run(self.model, self.images[:, None].float() / 255, w.of)
        loss = whole_loss(found, masks, self.recipe.weights)
        loss.backward()
        with torch.no_grad():
            rate, alpha, keep = self.schedule.index_select(0, self.done)[0]
            norms = torch.stack(torch._foreach_norm([one.grad for one in w.of.values()]))
            w.gradient.mul_((1 / norms.clamp(min=1.0)).index_select(0, self.place))
            w.row.mul_(1 - rate * self.recipe.decay)
            self.first.lerp_(w.gradient, 1 - BETAS[0])
            self.second.mul_(BETAS[1]).addcmul_(w.gradient, w.gradient, value=1 - BETAS[1])
            w.row.sub_(alpha * self.first / (self.second.sqrt() + EPSILON))
            self.mean.copy_(torch.lerp(w.row, self.mean, keep))
            self.losses.index_copy_(0, self.done, loss.detach()[None])
            self.done.add_(1)

    def capture(self) -> None:
        """Record the step; the network is as before."""
        kept = [one.clone() for one in self._state()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()
        with torch.no_grad():
            for own, old in zip(self._state(), kept, strict=True):
                own.copy_(old)
        torch.cuda.synchronize()

    def _state(self) -> tuple[torch.Tensor, ...]:
        return self.weights.row, self.mean, self.first, self.second, self.done, self.losses

    def carry_through(self, images: np.ndarray, masks: np.ndarray, processes: int) -> None:
        """All steps, on batches that `processes` make."""
        drawn = drawn_batches(images, masks, self.recipe, 0, self.steps, processes)
        if self.graph is None:
            for x, y in drawn:
                self.images.copy_(torch.from_numpy(x))
                self.masks.copy_(torch.from_numpy(y))
                self.step()
            return
        stream, copied = torch.cuda.Stream(), torch.cuda.Event()
        held = [torch.empty_like(one, device="cpu", pin_memory=True) for one in (self.images, self.masks)]
        with torch.cuda.stream(stream):
            for x, y in drawn:
                copied.synchronize()
                for pinned, array, own in zip(held, (x, y), (self.images, self.masks), strict=True):
                    pinned.copy_(torch.from_numpy(array))
                    own.copy_(pinned, non_blocking=True)
                copied.record(stream)
                self.graph.replay()
        stream.synchronize()

    def result(self) -> list[np.ndarray]:
        """The running mean of the weights, as Keras has them.

        Raises:
            SalusError: the loss was no number.
        """
        if not bool(torch.isfinite(self.losses).all()):
            raise SalusError("the loss is no number; lower the learning rate")
        return self.weights.to_keras(self.mean)


def schedule(recipe: SegmentRecipe, steps: int) -> list[list[float]]:
    """For every step the learning rate, Adam's corrected one, and how much of the running mean stays."""
    rate = learning_rates(recipe, steps)
    with keras.device("cpu"):
        rates = [float(rate(step)) for step in range(steps)]
    one, two = BETAS
    return [
        [r, r * (1 - two**t) ** 0.5 / (1 - one**t), recipe.average if t > 1 else 0.0] for t, r in enumerate(rates, 1)
    ]


def side_by_side(
    images: np.ndarray,
    masks: np.ndarray,
    parts: dict[str, np.ndarray],
    recipe: SegmentRecipe,
    begin: dict[str, list[np.ndarray]] | None,
    processes: int,
) -> dict[str, list[np.ndarray]]:
    """Train a network on each part of the images; the weights of each.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        parts: places of each network's training images.
        recipe: of one size: its `early_steps` are not looked at.
        begin: the weights of each network to begin with; None begins as the recipe says.
        processes: that make batches for each network.
    """
    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.segment_net import segment_net

    device = "cuda" if torch.cuda.is_available() else "cpu"
    trainings = {}
    for name, part in parts.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(recipe.seed)
        encoder = IMAGENET if recipe.pretrained and begin is None else None
        model = segment_net(recipe.size, encoder, recipe.dropout, recipe.attention, recipe.folded)
        if begin is not None:
            take_over(model, begin[name])
        trainings[name] = Training(model, recipe, count_steps(recipe, len(part)), device)
        if device == "cuda":
            trainings[name].capture()
    began = time.monotonic()
    with ThreadPoolExecutor(len(trainings)) as threads:
        waiting = {
            threads.submit(one.carry_through, images[parts[name]], masks[parts[name]], processes)
            for name, one in trainings.items()
        }
        while waiting:
            done, waiting = wait(waiting, timeout=10)
            spent = time.monotonic() - began
            print(f"{spent:6.0f} s at {recipe.size}: {'  '.join(map(_progress, trainings.values()))}", flush=True)
            for one in done:
                one.result()  # tells what went wrong there, if anything did
    return {name: one.result() for name, one in trainings.items()}


def _progress(training: Training) -> str:
    done = int(training.done)
    return f"{done}/{training.steps} {float(training.losses[max(0, done - 100) : max(1, done)].mean()):.3f}"


def train_all(
    images: np.ndarray,
    masks: np.ndarray,
    parts: dict[str, np.ndarray],
    recipe: SegmentRecipe,
    run: Path,
    processes: int,
) -> None:
    """Both trainings of each part, small and then whole; RUN/NAME/weights.weights.h5. See `side_by_side`."""
    from salus.lab.networks.segment_net import segment_net

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    weights = None
    if recipe.early_steps:
        small = early_recipe(recipe)
        weights = side_by_side(*shrink(images, masks, small.size), parts, small, None, processes)
    weights = side_by_side(images, masks, parts, recipe, weights, processes)
    with keras.device("cpu"):
        for name, values in weights.items():
            keras.utils.clear_session()
            model = segment_net(recipe.size, None, recipe.dropout, recipe.attention, recipe.folded)
            model.set_weights(values)
            (run / name).mkdir(parents=True, exist_ok=True)
            write_by_rename(run / name / FINISHED, model.save_weights)


def main() -> None:
    """Train what a run lacks."""
    from salus.lab.segmentation.config import load
    from salus.lab.segmentation.run import read_wanted_pool

    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path)
    p.add_argument("--processes", type=int, default=2, help="that make batches for each network")
    asked = p.parse_args()
    wanted, _ = load(asked.run)
    if wanted.start_from or wanted.final_steps is not None or not wanted.recipe.folded:
        raise SystemExit("only for trainings from ImageNet's weights, without batch norm")
    pool = read_wanted_pool(asked.run)
    parts = {f"fold-{fold}": pool.training(fold) for fold in range(1, wanted.judged + 1)}
    if wanted.final:
        parts["final"] = np.arange(len(pool.names))
    parts = {name: part for name, part in parts.items() if not (asked.run / name / FINISHED).exists()}
    if parts:
        train_all(pool.images, pool.masks, parts, wanted.recipe, asked.run, asked.processes)


if __name__ == "__main__":
    main()
