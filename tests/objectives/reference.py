"""The objectives in NumPy and float64, one pair and one token at a time, from the equations."""

from collections.abc import Callable, Sequence

import numpy as np


def numeric_gradients(function: Callable[..., float], *arrays: np.ndarray) -> list[np.ndarray]:
    """Central differences of `function(*arrays)` with respect to each array."""
    arrays = [np.array(a, np.float64) for a in arrays]
    gradients = []
    for array in arrays:
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            middle, step = array[index], 1e-6
            array[index] = middle + step
            above = function(*arrays)
            array[index] = middle - step
            below = function(*arrays)
            array[index] = middle
            gradient[index] = (above - below) / (2 * step)
        gradients.append(gradient)
    return gradients


def normalized(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def negative_log_softmax(logits: Sequence[float], right: int) -> float:
    logits = np.array(logits, np.float64)
    top = logits.max()
    return float(top + np.log(np.exp(logits - top).sum()) - logits[right])


def info_nce(queries: np.ndarray, keys: np.ndarray, scale: float) -> float:
    """Equation 1."""
    queries, keys = normalized(queries), normalized(keys)
    return np.mean(
        [
            negative_log_softmax([scale * query @ key for key in keys], i)
            for i, query in enumerate(queries)
        ]
    )


def image_text(images: np.ndarray, texts: np.ndarray, scale: float) -> float:
    """Equation 2."""
    return (info_nce(images, texts, scale) + info_nce(texts, images, scale)) / 2


def nt_xent(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    """SimCLR's equation 1, summed as in its algorithm 1: views interleaved, k != i."""
    views = normalized(np.stack([first, second], axis=1).reshape(-1, first.shape[-1]))
    losses = []
    for i, anchor in enumerate(views):
        others = [k for k in range(len(views)) if k != i]
        logits = [anchor @ views[k] / temperature for k in others]
        losses.append(negative_log_softmax(logits, others.index(i ^ 1)))
    return np.mean(losses)


def batch_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + beta


def perceptron(x: np.ndarray, linears: Sequence, norms: Sequence) -> np.ndarray:
    """`linears` of (kernel, bias), `norms` of (gamma, beta); ReLU between."""
    for i, (kernel, bias) in enumerate(linears):
        x = x @ kernel + bias
        if i < len(norms):
            x = batch_norm(x, *norms[i])
        if i + 1 < len(linears):
            x = np.maximum(x, 0)
    return x


def simsiam(guesses: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> float:
    """SimSiam's algorithm 1 from the predictions p and the projections z of both views."""
    cosines = [
        np.mean([normalized(p) @ normalized(z) for p, z in zip(guess, target, strict=True)])
        for guess, target in ((guesses[0], targets[1]), (guesses[1], targets[0]))
    ]
    return -sum(cosines) / 2


def mlm(tokens: np.ndarray, labels: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> float:
    losses = [
        negative_log_softmax(tokens[i, k] @ kernel + bias, labels[i, k])
        for i, k in np.ndindex(labels.shape)
        if labels[i, k] != -100
    ]
    return np.mean(losses) if losses else 0.0


def nearest(texts: np.ndarray, queue: np.ndarray) -> np.ndarray:
    return np.stack([max(queue, key=lambda entry: entry @ text) for text in normalized(texts)])


def token_similarity(
    queries: np.ndarray, query_mask: np.ndarray, keys: np.ndarray, key_mask: np.ndarray
) -> np.ndarray:
    """Equation 4, one direction, over the tokens that the masks leave."""
    similarity = np.zeros((len(queries), len(keys)))
    for i, j in np.ndindex(similarity.shape):
        asking = [q for q, counts in zip(queries[i], query_mask[i], strict=True) if counts]
        answering = [k for k, counts in zip(keys[j], key_mask[j], strict=True) if counts]
        if asking and answering:
            similarity[i, j] = np.mean([max(q @ k for k in answering) for q in asking])
    return similarity


def best_tokens(scores: np.ndarray, mask: np.ndarray, keep: Callable[[int], int]) -> np.ndarray:
    """Mask of the `keep(number of its tokens)` highest-scoring tokens of each row."""
    best = np.zeros_like(mask)
    for i, row in enumerate(scores):
        order = sorted(np.flatnonzero(mask[i]), key=lambda k: -row[k])
        best[i, order[: keep(len(order))]] = True
    return best


def fine_grained(
    images: np.ndarray,
    texts: np.ndarray,
    mask: np.ndarray,
    scale: float,
    image_keys: np.ndarray,
    text_keys: np.ndarray,
) -> float:
    """Equation 2 over equation 4; `image_keys` and `text_keys` are the masks of the keys."""
    images, texts = normalized(images), normalized(texts)
    to_text = token_similarity(images, np.ones(images.shape[:2], bool), texts, text_keys)
    to_image = token_similarity(texts, mask, images, image_keys)
    return np.mean(
        [
            negative_log_softmax(scale * row, i)
            for similarity in (to_text, to_image)
            for i, row in enumerate(similarity)
        ]
    )
