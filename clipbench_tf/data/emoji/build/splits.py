"""Assigns drawings to splits by a stable hash, without a random state."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SALT = "clipbench_tf emoji 1"
ZERO_SHOT_PART = 1 / 10
VALIDATION_PART = 1 / 8

Drawing = tuple[str, str]  # (style, code points)


def hash_fraction(purpose: str, text: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{SALT}|{purpose}|{text}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def vendor_of(style: str) -> str:
    """The vendor that drew a style: "fluent_flat" -> "fluent"."""
    return style.partition("_")[0]


def find_twins(
    pictures: dict[Drawing, NDArray[np.uint8]], tolerance: float = 10.0
) -> list[tuple[Drawing, Drawing]]:
    """Pairs of drawings that look the same.

    Pictures are [64, 64, 3]; two are twins if in each of the 16 x 16 blocks of 4 x 4 pixels
    the mean absolute difference is at most `tolerance` (of 255).
    """
    keys = list(pictures)
    blocks = np.stack([_blocks(pictures[key]).mean((1, 3)) for key in keys])
    flat = blocks.reshape(len(keys), -1)
    square = (flat**2).sum(1)
    pairs = []
    for row, key in enumerate(keys):
        # |mean of a difference| <= mean |difference|, so the block means bound the distance.
        distance = square[row] + square[row + 1 :] - 2 * flat[row + 1 :] @ flat[row]
        for other in np.nonzero(distance <= 3 * tolerance**2 * 256)[0] + row + 1:
            a, b = pictures[key].astype(np.float32), pictures[keys[other]].astype(np.float32)
            if _blocks(np.abs(a - b)).mean((1, 3, 4)).max() <= tolerance:
                pairs.append((key, keys[other]))
    return pairs


def _blocks(picture: NDArray[np.generic]) -> NDArray[np.float32]:
    return picture.astype(np.float32).reshape(16, 4, 16, 4, 3)


def redundant_concepts(
    twins: list[tuple[Drawing, Drawing]],
    vendors: dict[str, set[str]],
    preference: dict[str, tuple[int, int]],
) -> dict[str, str]:
    """Concepts that most vendors draw like another one: dropped concept -> kept concept.

    `vendors` holds who draws each concept. Two concepts are one picture with two names if at
    least half of the vendors that draw both draw them the same (in their main style); the one
    with the smaller `preference` is kept.
    """
    same: dict[tuple[str, str], set[str]] = {}
    for (style_a, a), (style_b, b) in twins:
        if style_a == style_b == vendor_of(style_a) and a != b:
            pair = (a, b) if preference[a] < preference[b] else (b, a)
            same.setdefault(pair, set()).add(style_a)
    dropped: dict[str, str] = {}
    for kept, other in sorted(same, key=lambda pair: (preference[pair[0]], preference[pair[1]])):
        both = vendors[kept] & vendors[other]
        if kept not in dropped and 2 * len(same[kept, other]) >= len(both):
            dropped.setdefault(other, kept)
    return dropped


def join_groups(bases: dict[str, str], twins: list[tuple[Drawing, Drawing]]) -> dict[str, str]:
    """Concept -> group: concepts of one base, or with twin drawings, share a group."""
    parent = {base: base for base in bases.values()}

    def root(base: str) -> str:
        while parent[base] != base:
            base = parent[base]
        return base

    for (_, a), (_, b) in twins:
        if a in bases and b in bases:
            first, second = sorted((root(bases[a]), root(bases[b])))
            parent[second] = first
    return {code: root(base) for code, base in bases.items()}


def ambiguous_drawings(codes: Iterable[str], twins: list[tuple[Drawing, Drawing]]) -> set[Drawing]:
    """Drawings of the concepts `codes` that are drawn the same as another of these concepts."""
    known = set(codes)
    pairs = [pair for pair in twins if pair[0][1] != pair[1][1]]
    return {drawing for a, b in pairs if {a[1], b[1]} <= known for drawing in (a, b)}


def vendor_splits(
    code: str, group: str, vendors: set[str], ambiguous: frozenset[str] = frozenset()
) -> dict[str, str]:
    """The split of each vendor's drawing of one concept.

    A tenth of the groups is zero_shot as a whole. Of the other concepts one vendor is test;
    where at least three vendors draw it, an eighth has a further vendor in validation; the
    rest is train. Vendors in `ambiguous` (they draw another concept the same, so that the
    picture does not determine its class) are held out only if no other is left.
    """
    if hash_fraction("zero_shot", group) < ZERO_SHOT_PART:
        return dict.fromkeys(vendors, "zero_shot")
    order = sorted(vendors, key=lambda v: (v in ambiguous, hash_fraction("test", f"{code}/{v}")))
    splits = dict.fromkeys(order, "train")
    splits[order[0]] = "test"
    if len(order) > 2 and hash_fraction("validation", code) < VALIDATION_PART:
        splits[order[1]] = "validation"
    return splits


def assign(
    groups: dict[str, str], styles: dict[str, set[str]], ambiguous: set[Drawing]
) -> dict[Drawing, str]:
    """The split of every drawing; `styles` holds the styles of each concept in `groups`.

    Of a vendor with several styles only the first (its main one) is scored; the others are
    training pictures, or left out where the vendor is held out.
    """
    result: dict[Drawing, str] = {}
    for code, group in groups.items():
        main = {style for style in styles[code] if style == vendor_of(style)}
        unclear = frozenset(style for style in main if (style, code) in ambiguous)
        splits = vendor_splits(code, group, main, unclear)
        for style in sorted(styles[code]):
            split = splits.get(vendor_of(style))
            if split is not None and (style in main or split == "train"):
                result[style, code] = split
    return result


def drop_leaks(splits: dict[Drawing, str], twins: list[tuple[Drawing, Drawing]]) -> list[Drawing]:
    """Training drawings that look the same as a held-out one, to be left out."""
    leaks = set()
    for pair in twins:
        for drawing, other in (pair, pair[::-1]):
            if splits.get(drawing) == "train" and splits.get(other, "train") != "train":
                leaks.add(drawing)
    return sorted(leaks)
