"""The paper's five methods in PyTorch with the names of their released checkpoints."""

import itertools
from collections import OrderedDict

import torch
from torch import nn

from tests.conversion.torch_clip import TextTower

VOCABULARY = 49409
START, END, MASK = 49407, 49408, 49406  # as the released tokenizer numbers them


def perceptron(widths: list[int], names: list[str], norms: int) -> nn.Module:
    linears = [nn.Linear(*pair) for pair in itertools.pairwise(widths)]
    layers: list = list(zip(names, linears, strict=True))
    layers += [(f"bn{i + 1}", nn.BatchNorm1d(widths[i + 1])) for i in range(norms)]
    return nn.ModuleDict(OrderedDict(layers))


class Released(nn.Module):
    """Towers and heads of one method.

    Args:
        method: one of the five.
        visual: the image tower.
        image_width: of its tokens.
        pooled: width of what SLIP's projector reads.
        embed: width of the shared space.
    """

    def __init__(self, method: str, visual, *, image_width: int, pooled: int, embed: int) -> None:
        super().__init__()
        width = 128
        self.visual = visual
        self.name = "text_encoder" if method == "slip" else "encode_text"
        sizes = {"context": 20, "width": width, "depth": 2, "embed": embed}
        text = TextTower(**sizes, vocabulary=VOCABULARY, gelu=False, bias=True)
        setattr(self, self.name, text)
        self.logit_scale = nn.Parameter(torch.tensor([3.2]))
        linears = ["linear1", "linear2", "linear3"]
        if method == "slip":
            self.predictor_sim = perceptron([pooled, 48, 48, 24], linears, 2)
            self.predictor_sim["bn3"] = nn.BatchNorm1d(48)  # it is there, and never called
        if method in ("declip", "defilip"):
            self.projector = perceptron([embed, 40, 40, 40], linears, 3)
            self.predictor = perceptron([40, 20, 40], ["linear1", "layer2"], 1)
        if method in ("declip", "defilip", "filip"):  # in FILIP, nothing trains it
            self.text_label_predictor = nn.Linear(width, VOCABULARY)
        if method in ("filip", "defilip"):
            self.image_mapping = nn.Linear(image_width, 32)
            self.text_mapping = nn.Linear(width, 32)
            self.logit_scale_dense = nn.Parameter(torch.tensor([3.4]))

    def text(self, ids):
        return getattr(self, self.name)(ids)


def head(parts: nn.ModuleDict, x: torch.Tensor, names: list[str], norms: int) -> torch.Tensor:
    """Linear, batch norm and ReLU, without a ReLU after the last layer."""
    for i, name in enumerate(names):
        x = parts[name](x)
        if i < norms:
            x = parts[f"bn{i + 1}"](x)
        if i < len(names) - 1:
            x = torch.relu(x)
    return x
