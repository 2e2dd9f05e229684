"""Train all networks of a `salus train` run side by side on one NVIDIA GPU: minutes in place of days.

    salus train DATA... -o RUN --judge 5 --final     then Ctrl-C, once it says "fold 1"
    python tools/segment_gpu.py RUN                  needs PyTorch with CUDA, and Keras
    salus train --resume RUN                         judges, calibrates, exports; anywhere

`salus train` trains the judged folds and the final network one after the other; here all train at once, in CUDA streams
of their own, from the same first weights and on the same batches. Keras builds the network; PyTorch computes it,
channels first, and replays the recorded step. Loss, schedule, AdamW, clipping and running mean are those of
`salus.lab.training.loop`; the arithmetic (TF32, order of sums) and dropout's random values differ. All weights are
written at the end, to RUN/NAME/weights.weights.h5; an interrupted training starts anew.
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

from salus.atomic import write_whole
from salus.errors import SalusError
from salus.lab.segmentation.loader import sample_batches
from salus.lab.segmentation.recipe import SegmentationRecipe
from salus.lab.segmentation.train import early_recipe, resize_pairs, set_resized_weights
from salus.lab.training.loop import FINAL_WEIGHTS, count_steps, learning_rates

BETAS, EPSILON = (0.9, 0.999), 1e-7
"""Settings of Keras's AdamW."""


class Parameters:
    """A network's weights in one vector, with a view of each in PyTorch's layout."""

    def __init__(self, model: keras.Model, device: str) -> None:
        arrays = [to_torch(keras.ops.convert_to_numpy(weight)) for weight in model.trainable_weights]
        if len(arrays) != len(model.weights):
            raise ValueError("weights that are not trained (batch norm) are not carried over")
        self.shapes = [array.shape for array in arrays]
        ends = np.cumsum([array.size for array in arrays])
        self.slices = [slice(end - array.size, end) for end, array in zip(ends.tolist(), arrays, strict=True)]
        self.vector = torch.from_numpy(np.concatenate([array.ravel() for array in arrays])).to(device)
        self.gradient = torch.zeros_like(self.vector)
        self.by_id = {}
        for weight, shape, at in zip(model.trainable_weights, self.shapes, self.slices, strict=True):
            view = self.vector[at].view(shape).requires_grad_()
            view.grad = self.gradient[at].view(shape)
            self.by_id[id(weight)] = view  # by identity: both encoders have the same names

    def to_keras(self, vector: torch.Tensor) -> list[np.ndarray]:
        """Convert a vector of weights to what `keras.Model.set_weights` takes."""
        values = vector.detach().cpu().numpy()
        return [to_keras(values[at].reshape(shape)) for at, shape in zip(self.slices, self.shapes, strict=True)]


def to_torch(array: np.ndarray) -> np.ndarray:
    """Transpose (h, w, in, out) to (out, in, h, w), (h, w, channels) to (channels, h, w), (in, out) to (out, in)."""
    axes: tuple[int, ...] = {4: (3, 2, 0, 1), 3: (2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,))
    return np.ascontiguousarray(array.transpose(axes))


def to_keras(array: np.ndarray) -> np.ndarray:
    """Undo `to_torch`."""
    axes: tuple[int, ...] = {4: (2, 3, 1, 0), 3: (1, 2, 0), 2: (1, 0)}.get(array.ndim, (0,))
    return np.ascontiguousarray(array.transpose(axes))


def run_network(
    model: keras.Model, images: torch.Tensor, weights: dict[int, torch.Tensor], training: bool = True
) -> Any:
    """Compute a functional Keras network by PyTorch.

    Args:
        model: of the layers that `run_layer` knows.
        images: (n, c, h, w).
        weights: each weight by the `id` of Keras's own, in PyTorch's layout.
        training: whether dropout is active.

    Returns:
        The outputs, channels first, in the model's structure: one tensor, or a dict.
    """
    tensors = {id(model.inputs[0]): images}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not isinstance(node.operation, layers.InputLayer):
                inputs = [tensors[id(tensor)] for tensor in node.input_tensors]
                tensors[id(node.outputs[0])] = run_layer(node.operation, inputs, weights, training)
    outputs = model._outputs_struct
    if isinstance(outputs, dict):
        return {name: tensors[id(output)] for name, output in outputs.items()}
    return tensors[id(model.outputs[0])]


def run_layer(layer: Any, inputs: list[torch.Tensor], weights: dict[int, torch.Tensor], training: bool) -> torch.Tensor:
    """Compute one layer; see `run_network`."""
    x = inputs[0]
    match type(layer).__name__:
        case "Functional":
            return run_network(layer, x, weights, training)
        case "Conv2D" | "DepthwiseConv2D":
            kernel = weights[id(layer.kernel)]
            groups = 1
            if type(layer).__name__ == "DepthwiseConv2D":  # (1, c, h, w) to (c, 1, h, w)
                kernel, groups = kernel.transpose(0, 1), x.shape[1]
            size, stride = layer.kernel_size, layer.strides[0]
            pad = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in zip(x.shape[2:], size, strict=True)]
            if pad[0] % 2 or pad[1] % 2:
                x = F.pad(x, (pad[1] // 2, pad[1] - pad[1] // 2, pad[0] // 2, pad[0] - pad[0] // 2))
                pad = [0, 0]
            bias = weights[id(layer.bias)] if layer.use_bias else None
            x = F.conv2d(x, kernel, bias, stride, (pad[0] // 2, pad[1] // 2), groups=groups)
            return activate(x, layer.activation)
        case "Dense":
            return activate(F.linear(x, weights[id(layer.kernel)], weights[id(layer.bias)]), layer.activation)
        case "Activation":
            return activate(x, layer.activation)
        case "ReLU":
            return F.relu(x) if layer.max_value is None else F.hardtanh(x, 0.0, float(layer.max_value))
        case "Rescaling":
            return x * layer.scale + layer.offset
        case "Add":
            return inputs[0] + inputs[1]
        case "Multiply":
            return inputs[0] * inputs[1]
        case "Concatenate":
            return torch.cat(inputs, 1)
        case "Place":
            return x + weights[id(layer.values)]
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
    """Apply a layer's activation."""
    return {"linear": lambda x: x, "relu": F.relu, "sigmoid": torch.sigmoid}[activation.__name__](x)


def outline_loss(y: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """Compute `salus.lab.training.losses.saliency_loss`, channels first."""
    safe = p.clamp(1e-6, 1 - 1e-6)
    entropy = -(y * safe.log() + (1 - y) * (1 - safe).log()).mean()
    both, areas = (y * p).sum((1, 2, 3)), y.sum((1, 2, 3)) + p.sum((1, 2, 3))
    return entropy + 0.5 * (1 - (2 * both + 1) / (areas + 1)).mean()


def total_loss(outputs: dict[str, torch.Tensor], masks: torch.Tensor, weights: dict[str, float]) -> torch.Tensor:
    """Compute the weighted sum of a batch's losses; masks (n, 1, s, s) of 0 and 1."""
    presence, p = masks.amax((1, 2, 3))[:, None], outputs["presence"].clamp(1e-7, 1 - 1e-7)
    entropy = -(presence * p.log() + (1 - presence) * (1 - p).log()).mean()
    outline = outline_loss(masks, outputs["probability"])
    saliency = outline_loss(F.avg_pool2d(masks, 4), outputs["saliency"])
    return weights["probability"] * outline + weights["saliency"] * saliency + weights["presence"] * entropy


class Training:
    """One network's training: a step on fixed buffers, which a GPU replays as one graph."""

    def __init__(self, model: keras.Model, recipe: SegmentationRecipe, steps: int, device: str) -> None:
        self.model, self.recipe, self.steps = model, recipe, steps
        self.weights = Parameters(model, device)
        self.mean = torch.zeros_like(self.weights.vector)
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
        """Run one step as Keras does: forward, backward, clip each weight's gradient, decay, AdamW, running mean."""
        w = self.weights
        w.gradient.zero_()
        masks = self.masks[:, None].float()
        outputs = run_network(self.model, self.images[:, None].float() / 255, w.by_id)
        loss = total_loss(outputs, masks, self.recipe.weights)
        loss.backward()
        with torch.no_grad():
            rate, alpha, keep = self.schedule.index_select(0, self.done)[0]
            norms = torch.stack(torch._foreach_norm([view.grad for view in w.by_id.values()]))
            w.gradient.mul_((1 / norms.clamp(min=1.0)).index_select(0, self.place))
            w.vector.mul_(1 - rate * self.recipe.decay)
            self.first.lerp_(w.gradient, 1 - BETAS[0])
            self.second.mul_(BETAS[1]).addcmul_(w.gradient, w.gradient, value=1 - BETAS[1])
            w.vector.sub_(alpha * self.first / (self.second.sqrt() + EPSILON))
            self.mean.copy_(torch.lerp(w.vector, self.mean, keep))
            self.losses.index_copy_(0, self.done, loss.detach()[None])
            self.done.add_(1)

    def capture(self) -> None:
        """Record the step as a graph; leave the network as it was."""
        saved = [tensor.clone() for tensor in self._state()]
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
            for tensor, before in zip(self._state(), saved, strict=True):
                tensor.copy_(before)
        torch.cuda.synchronize()

    def _state(self) -> tuple[torch.Tensor, ...]:
        return self.weights.vector, self.mean, self.first, self.second, self.done, self.losses

    def train(self, images: np.ndarray, masks: np.ndarray, processes: int) -> None:
        """Run all steps, on batches made by `processes` processes."""
        batches = sample_batches(images, masks, self.recipe, 0, self.steps, processes)
        if self.graph is None:
            for x, y, *_ in batches:
                self.images.copy_(torch.from_numpy(x))
                self.masks.copy_(torch.from_numpy(y))
                self.step()
            return
        stream, copied = torch.cuda.Stream(), torch.cuda.Event()
        pinned = [torch.empty_like(buffer, device="cpu", pin_memory=True) for buffer in (self.images, self.masks)]
        with torch.cuda.stream(stream):
            for x, y, *_ in batches:
                copied.synchronize()
                for host, array, buffer in zip(pinned, (x, y), (self.images, self.masks), strict=True):
                    host.copy_(torch.from_numpy(array))
                    buffer.copy_(host, non_blocking=True)
                copied.record(stream)
                self.graph.replay()
        stream.synchronize()

    def result(self) -> list[np.ndarray]:
        """Return the running mean of the weights, in Keras's layout.

        Raises:
            SalusError: a loss was no number.
        """
        if not bool(torch.isfinite(self.losses).all()):
            raise SalusError("the loss is no number; lower the learning rate")
        return self.weights.to_keras(self.mean)


def schedule(recipe: SegmentationRecipe, steps: int) -> list[list[float]]:
    """List for every step the learning rate, Adam's bias-corrected one, and the momentum of the running mean."""
    rate = learning_rates(recipe.learning_rate, steps)
    with keras.device("cpu"):
        rates = [float(rate(step)) for step in range(steps)]
    beta_1, beta_2 = BETAS
    return [
        [r, r * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t), recipe.average if t > 1 else 0.0]
        for t, r in enumerate(rates, 1)
    ]


def side_by_side(
    images: np.ndarray,
    masks: np.ndarray,
    parts: dict[str, np.ndarray],
    recipe: SegmentationRecipe,
    start_from: dict[str, list[np.ndarray]] | None,
    processes: int,
) -> dict[str, list[np.ndarray]]:
    """Train a network on each part of the images, all at once; return the weights of each.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        parts: indices of each network's training images.
        recipe: the settings; its `early_steps` are ignored.
        start_from: the first weights of each network; None starts as the recipe says.
        processes: number of processes that make batches for each network.
    """
    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.segment_net import segment_net

    device = "cuda" if torch.cuda.is_available() else "cpu"
    trainings = {}
    for name, part in parts.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(recipe.seed)
        encoder = IMAGENET if recipe.pretrained and start_from is None else None
        model = segment_net(recipe.size, encoder, recipe.dropout, recipe.attention, recipe.folded)
        if start_from is not None:
            set_resized_weights(model, start_from[name])
        trainings[name] = Training(model, recipe, count_steps(recipe, len(part)), device)
        if device == "cuda":
            trainings[name].capture()
    start = time.monotonic()
    with ThreadPoolExecutor(len(trainings)) as threads:
        waiting = {
            threads.submit(training.train, images[parts[name]], masks[parts[name]], processes)
            for name, training in trainings.items()
        }
        while waiting:
            done, waiting = wait(waiting, timeout=10)
            spent = time.monotonic() - start
            print(f"{spent:6.0f} s at {recipe.size}: {'  '.join(map(_progress, trainings.values()))}", flush=True)
            for future in done:
                future.result()  # raises what went wrong there, if anything did
    return {name: training.result() for name, training in trainings.items()}


def _progress(training: Training) -> str:
    done = int(training.done)
    return f"{done}/{training.steps} {float(training.losses[max(0, done - 100) : max(1, done)].mean()):.3f}"


def train_all(
    images: np.ndarray,
    masks: np.ndarray,
    parts: dict[str, np.ndarray],
    recipe: SegmentationRecipe,
    run: Path,
    processes: int,
) -> None:
    """Train each part at the smaller and at the full size; write RUN/NAME/weights.weights.h5. See `side_by_side`."""
    from salus.lab.networks.segment_net import segment_net

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    weights = None
    if recipe.early_steps:
        early = early_recipe(recipe)
        weights = side_by_side(*resize_pairs(images, masks, early.size), parts, early, None, processes)
    weights = side_by_side(images, masks, parts, recipe, weights, processes)
    with keras.device("cpu"):
        for name, values in weights.items():
            keras.utils.clear_session()
            model = segment_net(recipe.size, None, recipe.dropout, recipe.attention, recipe.folded)
            model.set_weights(values)
            (run / name).mkdir(parents=True, exist_ok=True)
            write_whole(run / name / FINAL_WEIGHTS, model.save_weights)


def main() -> None:
    """Train the networks that a run lacks."""
    from salus.lab.segmentation.config import load_config
    from salus.lab.segmentation.run import read_run_data

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--processes", type=int, default=2, help="that make batches for each network")
    args = parser.parse_args()
    config, _ = load_config(args.run)
    if config.start_from or config.final_steps is not None or not config.recipe.folded:
        raise SystemExit("only for trainings from ImageNet's weights, without batch norm")
    data = read_run_data(args.run)
    parts = {f"fold-{fold}": data.training_indices(fold) for fold in range(1, config.judged + 1)}
    if config.final:
        parts["final"] = np.arange(len(data.names))
    parts = {name: part for name, part in parts.items() if not (args.run / name / FINAL_WEIGHTS).exists()}
    if parts:
        train_all(data.images, data.masks, parts, config.recipe, args.run, args.processes)


if __name__ == "__main__":
    main()
