"""U-Net and SA-U-Net in PyTorch, for comparison; their weights are those of a Salus network."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def to_torch(array: np.ndarray) -> torch.Tensor:
    """Convert (n, h, w, c) to a tensor (n, c, h, w) in channels-last memory format."""
    return torch.tensor(array).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def open_torch_network(model, threads: int) -> Net:
    """Build the network with the weights of a Salus network, in channels-last memory format."""
    torch.set_num_threads(threads)
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    return Net(weights, len(model.inputs) > 1).to(memory_format=torch.channels_last)


class Net(nn.Module):
    """U-Net or the released SA-U-Net, with Keras's (kernel, bias) by layer name as parameters."""

    def __init__(self, weights: dict[str, tuple[np.ndarray, np.ndarray]], with_saliency: bool) -> None:
        super().__init__()
        self.with_saliency = with_saliency
        self.kernels, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for name, (kernel, bias) in weights.items():
            # Keras: (h, w, in, out), transposed (h, w, out, in); PyTorch: (out, in, h, w), transposed (in, out, h, w)
            self.kernels[name] = nn.Parameter(torch.tensor(kernel.transpose(3, 2, 0, 1)))
            self.biases[name] = nn.Parameter(torch.tensor(bias))

    def conv(self, x, name, stride=1, relu=True):
        """Apply a same-padded convolution."""
        kernel = self.kernels[name]
        x = F.conv2d(x, kernel, self.biases[name], stride=stride, padding=kernel.shape[-1] // 2)
        return F.relu(x) if relu else x

    def block(self, x, name):
        """Apply two 3x3 convolutions."""
        return self.conv(self.conv(x, f"{name}_a"), f"{name}_b")

    def attention(self, features, saliency, level):
        """Apply the released attention block, whose one channel is repeated 32 times."""
        name = f"att{level}"
        pooled = F.max_pool2d(saliency, 2**level)
        joined = self.conv(pooled, f"{name}_saliency") + self.conv(features, f"{name}_features", stride=2)
        channel = self.conv(self.conv(self.conv(joined, f"{name}_a"), f"{name}_b"), f"{name}_one")
        weights = torch.sigmoid(self.conv(channel.repeat(1, 32, 1, 1), f"{name}_repeat"))
        return weights * F.max_pool2d(features, 2)

    def forward(self, image, saliency=None):
        """Map images (n, 1, h, w) to probabilities."""
        maps, pooled = [self.block(image, "c1")], []
        for level in (1, 2, 3, 4):
            down = self.attention(maps[-1], saliency, level) if self.with_saliency else F.max_pool2d(maps[-1], 2)
            pooled.append(down)
            maps.append(self.block(down, f"c{level + 1}"))
        skips = [maps[0], *pooled[:3]] if self.with_saliency else maps[:4]
        x = maps[4]
        for level in (4, 3, 2, 1):
            up = F.conv_transpose2d(x, self.kernels[f"up{level}"], self.biases[f"up{level}"], stride=2)
            x = self.block(torch.cat([up, skips[level - 1]], 1), f"d{level}")
        return torch.sigmoid(self.conv(x, "probability", relu=False).float())
