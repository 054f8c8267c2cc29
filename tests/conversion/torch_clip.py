"""CLIP in PyTorch with the names of OpenAI's checkpoints, written for the tests."""

from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

VOCABULARY = 49408


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, gelu: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        layers = [
            ("c_fc", nn.Linear(width, 4 * width)),
            ("gelu", nn.GELU() if gelu else QuickGELU()),
            ("c_proj", nn.Linear(4 * width, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x, mask: torch.Tensor | None = None):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Blocks(nn.Module):
    def __init__(self, width: int, heads: int, depth: int, gelu: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([Block(width, heads, gelu) for _ in range(depth)])

    def forward(self, x, mask: torch.Tensor | None = None):
        for block in self.resblocks:
            x = block(x, mask)
        return x


class VisionTransformer(nn.Module):
    """Normalised [B, 3, H, W] -> embedding [B, E], pooled [B, D], patches [B, P, D]."""

    def __init__(self, *, size, patch, width, depth, embed, gelu=False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width))
        self.positional_embedding = nn.Parameter(torch.randn((size // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Blocks(width, width // 64, depth, gelu)
        self.proj = nn.Parameter(width**-0.5 * torch.randn(width, embed))

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        first = self.class_embedding + torch.zeros_like(x[:, :1])
        x = torch.cat([first, x], dim=1) + self.positional_embedding
        x = self.transformer(self.ln_pre(x))
        pooled = self.ln_post(x[:, 0])
        return pooled @ self.proj, pooled, x[:, 1:]


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.avgpool = nn.AvgPool2d(stride)
        self.downsample = None
        if stride > 1 or channels != 4 * width:
            parts = [
                ("-1", nn.AvgPool2d(stride)),
                ("0", nn.Conv2d(channels, 4 * width, 1, bias=False)),
                ("1", nn.BatchNorm2d(4 * width)),
            ]
            self.downsample = nn.Sequential(OrderedDict(parts))

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(self.avgpool(y)))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class AttentionPool(nn.Module):
    def __init__(self, positions: int, width: int, heads: int, out: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(positions, width))
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, out)
        self.heads = heads

    def forward(self, tokens):
        x = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        x = x + self.positional_embedding

        def split(y):
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        query, key, value = split(self.q_proj(x[:, :1])), split(self.k_proj(x)), self.v_proj(x)
        pooled = functional.scaled_dot_product_attention(query, key, split(value))
        return self.c_proj(pooled.transpose(1, 2).flatten(2)[:, 0])


class ModifiedResNet(nn.Module):
    """Normalised [B, 3, H, W] -> embedding [B, E], what `fc` or else nothing reads, tokens."""

    def __init__(self, *, size, depths, width, embed, fc=False) -> None:
        super().__init__()
        half, last = width // 2, 32 * width
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(half, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(half), nn.BatchNorm2d(half)
        self.bn3 = nn.BatchNorm2d(width)
        channels = width
        for stage, depth in enumerate(depths):
            inner, blocks = width * 2**stage, []
            for index in range(depth):
                blocks.append(Bottleneck(channels, inner, 2 if stage and not index else 1))
                channels = 4 * inner
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.attnpool = AttentionPool(
            (size // 32) ** 2 + 1, last, last // 64, last if fc else embed
        )
        self.fc = nn.Linear(last, embed) if fc else None

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = functional.avg_pool2d(functional.relu(self.bn3(self.conv3(x))), 2)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        tokens = x.flatten(2).transpose(1, 2)
        pooled = self.attnpool(tokens)
        return (pooled if self.fc is None else self.fc(pooled)), pooled, tokens


class TextTower(nn.Module):
    """Ids [B, L] -> embedding [B, E], all positions after the last norm [B, L, D]."""

    def __init__(self, *, context, width, depth, embed, vocabulary, gelu, bias) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(context, width))
        self.transformer = Blocks(width, width // 64, depth, gelu)
        self.ln_final = nn.LayerNorm(width)
        if bias:
            self.text_projection = nn.Linear(width, embed)
        else:
            self.text_projection = nn.Parameter(width**-0.5 * torch.randn(width, embed))
        mask = torch.full((context, context), float("-inf")).triu(1)
        self.register_buffer("attn_mask", mask, persistent=False)
        self.bias = bias

    def forward(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        x = self.ln_final(self.transformer(x, self.attn_mask[: ids.shape[1], : ids.shape[1]]))
        pooled = x[torch.arange(len(ids)), ids.argmax(dim=1)]
        if self.bias:
            return self.text_projection(pooled), x
        return pooled @ self.text_projection, x


class OpenAI(TextTower):
    """Both towers; the text tower's weights are not below a name of their own."""

    def __init__(self, visual: nn.Module, *, embed: int, gelu: bool = False, context=20) -> None:
        sizes = {"width": 128, "depth": 2, "embed": embed, "vocabulary": VOCABULARY}
        super().__init__(context=context, gelu=gelu, bias=False, **sizes)
        self.visual = visual
        self.logit_scale = nn.Parameter(torch.tensor(3.2))

    def forward(self, images, ids):
        return self.visual(images)[0], TextTower.forward(self, ids)[0]


def randomised(model: nn.Module) -> nn.Module:
    """Weights and statistics away from where they start, so that errors show."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim and "logit_scale" not in name:
                parameter.add_(0.02 * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
                module.momentum = 0.9  # statistics of what it sees, or the signal dies on the way
        if isinstance(getattr(model, "visual", None), ModifiedResNet):
            model.train().visual(torch.randn(8, 3, 64, 64))
    return model.eval()


def normalised(pixels: np.ndarray, mean, std) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> float [B, 3, H, W]."""
    scaled = (pixels / 255.0 - np.array(mean)) / np.array(std)
    return torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)
