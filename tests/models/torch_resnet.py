"""CLIP's modified ResNet in PyTorch, written for the tests, and the copy of its weights."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.pixels import IMAGENET


class Residual(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AvgPool2d(stride),
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != 4 * width:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride),
                nn.Conv2d(channels, 4 * width, 1, bias=False),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x):
        return functional.relu(self.main(x) + self.shortcut(x))


class TorchResNet(nn.Module):
    """Call shape: [B, 3, H, W] normalised -> (embedding, pooled, tokens)."""

    def __init__(self, *, image_size, depths, width, heads, embed_dim) -> None:
        super().__init__()
        half = width // 2
        self.stem = nn.Sequential(
            nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
        blocks, channels = [], width
        for stage, depth in enumerate(depths):
            inner = width * 2**stage
            for index in range(depth):
                blocks.append(Residual(channels, inner, 2 if stage > 0 and index == 0 else 1))
                channels = 4 * inner
        self.blocks = nn.Sequential(*blocks)
        positions = (image_size // 32) ** 2 + 1
        self.positions = nn.Parameter(torch.randn(positions, channels) / channels**0.5)
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.attention.out_proj.weight.data.copy_(torch.eye(channels))  # CLIP has one projection
        self.projection = nn.Linear(channels, embed_dim)
        nn.init.normal_(self.attention.in_proj_bias, std=0.1)

    def forward(self, x):
        tokens = self.blocks(self.stem(x)).flatten(2).transpose(1, 2)
        x = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1) + self.positions
        pooled = self.attention(x[:, :1], x, x, need_weights=False)[0][:, 0]
        return self.projection(pooled), pooled, tokens


def peer(sizes: dict, images: np.ndarray) -> TorchResNet:
    """A reference whose batch norms have seen `images` and whose scales are far from 0 and 1."""
    torch.manual_seed(0)
    model = TorchResNet(**sizes).train()
    for norm in batch_norms(model):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
        norm.momentum = 0.8
    with torch.no_grad():
        model(pixels(images))
    for norm in batch_norms(model):
        norm.momentum = 0.1  # PyTorch's default
    return model.eval()


def batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> float [B, 3, H, W], normalised."""
    mean, std = map(np.array, IMAGENET)
    scaled = (images / 255.0 - mean) / std
    return torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().copy()


def pairs(tower: ModifiedResNet, model: TorchResNet) -> list[tuple]:
    """(our convolution, our norm, theirs, theirs) in the order of `batch_norms`."""
    ours = [(tower.conv1, tower.bn1), (tower.conv2, tower.bn2), (tower.conv3, tower.bn3)]
    for block in tower.blocks:
        ours += [(block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3)]
        if block.downsample is not None:
            ours.append((block.downsample, block.downsample_bn))
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    theirs = zip(convolutions, batch_norms(model), strict=True)
    return [(*a, *b) for a, b in zip(ours, theirs, strict=True)]


def copy(tower: ModifiedResNet, model: TorchResNet) -> None:
    """Gives the built `tower` the weights and statistics of `model`."""
    for conv, norm, their_conv, their_norm in pairs(tower, model):
        conv.set_weights([array(their_conv.weight).transpose(2, 3, 1, 0)])
        norm.gamma.assign(array(their_norm.weight))
        norm.beta.assign(array(their_norm.bias))
        norm.moving_mean.assign(array(their_norm.running_mean))
        norm.moving_variance.assign(array(their_norm.running_var))
    pool = tower.attnpool
    pool.positional_embedding.assign(array(model.positions))
    weights = array(model.attention.in_proj_weight).reshape(3, tower.width, tower.width)
    biases = array(model.attention.in_proj_bias).reshape(3, tower.width)
    for dense, weight, bias in zip(
        (pool.q_proj, pool.k_proj, pool.v_proj), weights, biases, strict=True
    ):
        dense.set_weights([weight.T, bias])
    tower.proj.set_weights([array(model.projection.weight).T, array(model.projection.bias)])
