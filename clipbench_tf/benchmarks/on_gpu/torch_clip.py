"""A training step of CLIP ViT-B/32 in PyTorch: scaled_dot_product_attention, autocast, compiled."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

SIZE, PATCH, CONTEXT, VOCABULARY = 224, 32, 77, 49_409
_MEAN, _STD = 0.45, 0.27  # about those that CLIP normalises pictures with


class Block(nn.Module):
    """A pre-norm block with QuickGELU. [B, L, D] -> [B, L, D]."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.ln_1(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        hidden = self.fc(self.ln_2(x))
        return x + self.proj(hidden * torch.sigmoid(1.702 * hidden))


class Clip(nn.Module):
    """Both towers. uint8 [B, H, W, 3] and ids [B, L] -> the contrastive loss, equation 1."""

    def __init__(self, embed_dim: int = 512) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 768, PATCH, PATCH, bias=False)
        positions = (SIZE // PATCH) ** 2 + 1
        self.first = nn.Parameter(0.02 * torch.randn(768))
        self.image_positions = nn.Parameter(0.01 * torch.randn(positions, 768))
        self.ln_pre, self.ln_post = nn.LayerNorm(768), nn.LayerNorm(768)
        self.image_blocks = nn.Sequential(*(Block(768, 12, False) for _ in range(12)))
        self.image_proj = nn.Linear(768, embed_dim, bias=False)
        self.embedding = nn.Embedding(VOCABULARY, 512)
        self.text_positions = nn.Parameter(0.01 * torch.randn(CONTEXT, 512))
        self.text_blocks = nn.Sequential(*(Block(512, 8, True) for _ in range(12)))
        self.ln_final, self.text_proj = nn.LayerNorm(512), nn.Linear(512, embed_dim, bias=False)
        self.scale = nn.Parameter(torch.tensor(2.659))

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        x = (pixels.permute(0, 3, 1, 2).float() / 255 - _MEAN) / _STD
        x = self.conv(x).flatten(2).transpose(1, 2)
        first = self.first.to(x.dtype).expand(len(x), 1, -1)
        x = torch.cat([first, x], 1) + self.image_positions
        images = self.image_proj(self.ln_post(self.image_blocks(self.ln_pre(x))[:, 0]))
        y = self.ln_final(self.text_blocks(self.embedding(ids) + self.text_positions))
        end = ids.argmax(1)
        texts = self.text_proj(y[torch.arange(len(y), device=y.device), end])
        images, texts = (functional.normalize(z.float(), dim=-1) for z in (images, texts))
        logits = self.scale.exp() * images @ texts.T
        labels = torch.arange(len(logits), device=logits.device)
        both = functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)
        return both / 2


def step(batch: int, precision: str, compiled: bool, device: str) -> Callable[[], object]:
    """A function that computes the loss of `batch` pairs and the gradients of all weights."""
    torch.set_float32_matmul_precision("high")  # TF32, as XLA's products in float32
    torch.manual_seed(0)
    model = Clip().to(device)
    pixels = torch.randint(0, 256, (batch, SIZE, SIZE, 3), dtype=torch.uint8, device=device)
    ids = torch.randint(320, VOCABULARY - 2, (batch, CONTEXT), device=device)
    chosen = torch.compile(model, dynamic=False) if compiled else model
    kind = torch.device(device).type

    def run() -> object:
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = chosen(pixels, ids)
        return torch.autograd.grad(loss, list(model.parameters()))

    return run
