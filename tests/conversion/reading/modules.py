"""A small module, in a file because TorchScript asks for its source."""

import torch


class Tower(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2)
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(8, 4), torch.nn.GELU(), torch.nn.Linear(4, 8)
        )
        self.norm = torch.nn.BatchNorm1d(8)
        self.scale = torch.nn.Parameter(torch.tensor(2.5))
        self.register_buffer("context_length", torch.tensor(77))
        self.width = 8

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.norm(self.mlp(x)[0]) * self.scale


class Pair(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visual = Tower()
        self.proj = torch.nn.Parameter(torch.randn(8, 3))
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.visual(x) @ self.proj
        for block in self.blocks:
            x = block(x)
        return x
