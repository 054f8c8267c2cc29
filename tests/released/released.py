"""The released code's methods in PyTorch for one worker, written from a description of that code.

Names and ids (mask 49406, start 49407, end 49408) are those of the released code.
"""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

VOCABULARY = 49409
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
KEPT = 16  # tokens that FILIP selects on either side

# Weights of the terms in the sum whose gradient is taken.
TOTALS = {
    "clip": {"clip": 1.0},
    "slip": {"clip": 1.0, "simclr": 1.0},
    "filip": {"fas": 1.0},
    "declip": {"clip": 0.4, "simsiam": 0.2, "mlm": 0.2, "nn": 0.2},
    "defilip": {"clip": 0.4, "simsiam": 0.2, "mlm": 0.2, "nn": 0.2, "fas": 0.2},
}


def released_ids(ids: np.ndarray) -> np.ndarray:
    """Ids of OpenAI's order with the mask behind them, in the released order."""
    ids = np.array(ids)
    return np.select([ids == 49406, ids == 49407, ids == 49408], [49407, 49408, 49406], ids)


def pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> float64 [B, 3, H, W]."""
    return torch.tensor(((images / 255.0 - MEAN) / STD).transpose(0, 3, 1, 2))


def perceptron(widths: list[int], last_norm: bool) -> nn.Sequential:
    """Linear, batch norm, ReLU for each width; the last has no ReLU, and perhaps no norm."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        last = i == len(widths) - 2
        layers.append(nn.Linear(before, after))
        if not last or last_norm:
            layers.append(nn.BatchNorm1d(after))
        if not last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def ce2(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Two matrices of logits [B, B]; the right answer of row i is i."""
    own = torch.arange(len(first))
    return (functional.cross_entropy(first, own) + functional.cross_entropy(second, own)) / 2


def nt_xent(one: torch.Tensor, two: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    views = unit(torch.cat([one, two]))
    logits = views @ views.T / temperature
    logits = logits.masked_fill(torch.eye(len(views), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(views)).roll(len(one))
    return functional.cross_entropy(logits, partner)


class Bank:
    """A queue of unit columns [E, size]; drops what does not fit before its end, as released."""

    def __init__(self, columns: torch.Tensor) -> None:
        self.columns, self.pointer = columns.clone(), 0

    def nearest(self, texts: torch.Tensor) -> torch.Tensor:
        texts = unit(texts.detach())
        return unit(self.columns[:, (texts @ self.columns).argmax(dim=1)].T)

    def enqueue(self, texts: torch.Tensor) -> None:
        room = self.columns.shape[1] - self.pointer
        if len(texts) >= room:
            self.columns[:, self.pointer :] = unit(texts.detach()[:room]).T
            self.pointer = 0
        else:
            self.columns[:, self.pointer : self.pointer + len(texts)] = unit(texts.detach()).T
            self.pointer += len(texts)


def fas(patches: torch.Tensor, words: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Mapped tokens [B, P, D] and [B, L, D]; every text position is a word."""
    patches, words = unit(patches), unit(words)
    own = patches @ words.transpose(1, 2)  # [B, P, L]
    best_patches = own.sum(dim=2).topk(KEPT).indices
    best_words = own.sum(dim=1).topk(KEPT).indices
    patch_keys = torch.stack([p[i] for p, i in zip(patches, best_patches, strict=True)])
    word_keys = torch.stack([w[i] for w, i in zip(words, best_words, strict=True)])

    def logits(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        rows = [
            torch.stack([(query @ key.T).max(dim=1).values.mean() for key in keys])
            for query in queries
        ]
        return scale * torch.stack(rows)

    return ce2(logits(patches, word_keys), logits(words, patch_keys))


class Towers(nn.Module):
    """OpenAI's two towers; the text projection has a bias, the end token is the highest id."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        self.clip = CLIPModel(config)
        self.text_projection = nn.Linear(config.text_config.hidden_size, config.projection_dim)

    def image(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Embedding [B, E], normed class token [B, D], patches before the last norm [B, P, D]."""
        out = self.clip.vision_model(images)
        pooled = out.pooler_output
        return self.clip.visual_projection(pooled), pooled, out.last_hidden_state[:, 1:]

    def text(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Embedding [B, E], all positions after the last norm [B, L, D]."""
        x = self.clip.text_model(ids).last_hidden_state
        return self.text_projection(x[torch.arange(len(ids)), ids.argmax(dim=1)]), x


class Released(nn.Module):
    """Towers, heads and losses of one released solver.

    Args:
        method: a key of `TOTALS`.
        config: of the towers.
        simclr: widths of SLIP's projector.
        simsiam: widths of the projector's three layers, then of the predictor's two.
        dense: width of the space in which FILIP compares tokens.
        bank: the start of DeCLIP's nearest-neighbour bank, [E, size].
    """

    def __init__(
        self,
        method: str,
        config: CLIPConfig,
        *,
        simclr: tuple[int, ...],
        simsiam: tuple[tuple[int, ...], tuple[int, ...]],
        dense: int,
        bank: torch.Tensor | None,
    ) -> None:
        super().__init__()
        self.terms = TOTALS[method]
        self.towers = Towers(config)
        image, text = config.vision_config.hidden_size, config.text_config.hidden_size
        # The solver clamps the logarithm to [3, 6]; its start, log(1 / 0.07), is below that.
        self.logit_scale = nn.Parameter(torch.tensor(3.0))
        if "simclr" in self.terms:
            self.simclr = perceptron([image, *simclr], last_norm=False)
        if "simsiam" in self.terms:
            projector, predictor = simsiam
            self.projector = perceptron([config.projection_dim, *projector], last_norm=True)
            self.predictor = perceptron([projector[-1], *predictor], last_norm=False)
            self.mlm_head = nn.Linear(text, VOCABULARY)
        if "fas" in self.terms:
            self.image_mapping = nn.Linear(image, dense)
            self.text_mapping = nn.Linear(text, dense)
            self.logit_scale_dense = nn.Parameter(torch.tensor(3.0))
        self.bank = None if bank is None else Bank(bank)

    def forward(
        self, images: list[torch.Tensor], ids: list[torch.Tensor], labels: torch.Tensor | None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Views of pictures, views of captions, the masked one last; total and its terms."""
        views = [self.towers.image(x) for x in images]  # one pass each
        texts = [self.towers.text(x) for x in ids]
        losses = {name: getattr(self, f"{name}_loss")(views, texts, labels) for name in self.terms}
        return sum(self.terms[name] * loss for name, loss in losses.items()), losses

    def clip_loss(self, views, texts, labels) -> torch.Tensor:
        """SLIP and CLIP: one pair. DeCLIP and DeFILIP: the mean of four, masked captions in."""
        count = 1 if "simsiam" not in self.terms else 2
        losses = []
        for image in views[:count]:
            for text in texts[:count]:
                logits = self.logit_scale.exp() * unit(image[0]) @ unit(text[0]).T
                losses.append(ce2(logits, logits.T))
        return sum(losses) / len(losses)

    def simclr_loss(self, views, texts, labels) -> torch.Tensor:
        return nt_xent(self.simclr(views[1][1]), self.simclr(views[2][1]))

    def simsiam_loss(self, views, texts, labels) -> torch.Tensor:
        z = [self.projector(view[0]) for view in views[:2]]
        p = [self.predictor(x) for x in z]
        cosine = functional.cosine_similarity
        first, second = cosine(p[0], z[1].detach()), cosine(p[1], z[0].detach())
        return -0.5 * (first.mean() + second.mean())

    def mlm_loss(self, views, texts, labels) -> torch.Tensor:
        masked = texts[0] if len(texts) == 2 else texts[2]
        asked = labels != -100
        return functional.cross_entropy(self.mlm_head(masked[1][asked]), labels[asked])

    def nn_loss(self, views, texts, labels) -> torch.Tensor:
        """Picture to neighbour alone; both captions ask before either enters, T' first."""
        neighbors = [self.bank.nearest(text[0]) for text in texts[:2]]
        self.bank.enqueue(texts[1][0])
        self.bank.enqueue(texts[0][0])
        losses = []
        for image in views[:2]:
            first, second = (
                self.logit_scale.exp() * unit(image[0]) @ neighbor.T for neighbor in neighbors
            )
            losses.append(ce2(first, second))
        return sum(losses) / 2

    def fas_loss(self, views, texts, labels) -> torch.Tensor:
        patches, words = self.image_mapping(views[0][2]), self.text_mapping(texts[0][1])
        return fas(patches, words, self.logit_scale_dense.exp())
