"""Duplicates: against a plain loop with sets, whatever the number of buckets."""

from collections import Counter

import numpy as np
import pytest

from clipbench_tf.data.preparation import duplicates, unit_step
from clipbench_tf.data.preparation.duplicates import Duplicates
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.pair_step import digest
from clipbench_tf.data.preparation.units import Plan, Unit

SPLITS = ["train", "validation", "test"]
UNITS, EACH = 7, 40


def made(seed: int) -> list[list[tuple[int, int, int, int]]]:
    """By unit, pairs of (key, picture, captions, split) with many repeats; two of other data."""
    random = np.random.default_rng(seed)
    return [
        [tuple(row) for row in random.integers([400, 150, 60, 3], size=(EACH, 4)).tolist()]
        for _ in range(UNITS)
    ]


def hashes(values: list[int]) -> np.ndarray:
    data = b"".join(digest(str(value).encode()) for value in values)
    return np.frombuffer(data, np.uint8).reshape(-1, 16)


@pytest.fixture
def find(monkeypatch, tmp_path):
    """Runs the class on made-up facts."""

    def run(units, others, kinds) -> Duplicates:
        against = tuple(f"other{n}" for n in range(len(others)))
        plan = Plan(Options("a", drop_duplicates=kinds, against=against), str(tmp_path), EACH)
        (tmp_path / "preparation/units").mkdir(parents=True)
        for number, pairs in enumerate([*units, *others]):
            found = {
                name: hashes([pair[column] for pair in pairs])
                for column, name in enumerate(("key", "picture", "captions"))
            }
            split = np.array([pair[3] for pair in pairs], np.uint8)
            np.savez(plan.unit_file(number, unit_step.FACTS), split=split, **found)
        monkeypatch.setattr(Plan, "out_splits", SPLITS)
        todo = [
            Unit(number, max(0, number - UNITS + 1), "train", 0, 0, EACH)
            for number in range(len(units) + len(others))
        ]
        return Duplicates(plan, todo)

    return run


def expected(units, others, kinds) -> list[str]:
    """Why each pair is dropped, rule by rule over all pairs in order."""
    pairs = [pair for unit in units for pair in unit]
    reasons = [""] * len(pairs)
    limit = next((int(kind[8:]) for kind in kinds if kind.startswith("caption")), None)

    def alive() -> list[int]:
        return [n for n, reason in enumerate(reasons) if not reason]

    def firsts(column: int, most: int, reason: str) -> None:
        seen = Counter()
        for n in alive():
            key = pairs[n][column], pairs[n][3]
            seen[key] += 1
            if seen[key] > most:
                reasons[n] = reason

    if "key" in kinds:
        firsts(0, 1, duplicates.KEY)
    for number, other in enumerate(others):
        theirs = {pair[1] for pair in other}
        for n in alive():
            if pairs[n][1] in theirs:
                reasons[n] = duplicates.also_in(f"other{number}")
    if "across" in kinds:
        elsewhere = {pairs[n][1] for n in alive() if pairs[n][3] != 0}
        for n in alive():
            if pairs[n][3] == 0 and pairs[n][1] in elsewhere:
                reasons[n] = duplicates.ACROSS
    if "picture" in kinds:
        firsts(1, 1, duplicates.PICTURE)
    if limit:
        firsts(2, limit, duplicates.CAPTION)
    return reasons


@pytest.mark.parametrize("buckets", [1, 5])
@pytest.mark.parametrize(
    "kinds",
    [(), ("key",), ("picture",), ("across",), ("key", "across", "picture", "caption:2")],
    ids=" ".join,
)
def test_the_same_pairs_are_dropped_as_by_a_plain_loop(find, monkeypatch, kinds, buckets):
    monkeypatch.setattr(duplicates, "BUCKET", (UNITS + 2) * EACH // buckets)
    units, others = made(1), made(2)[:2]
    found = find(units, others, kinds)
    reasons = [found.reasons[number] for number in found.dropped.tolist()]
    assert reasons == expected(units, others, kinds)
    assert found.offsets.tolist() == [*range(0, UNITS * EACH + 1, EACH)]
    assert found.split.tolist() == [pair[3] for unit in units for pair in unit]
    if kinds:
        assert any(reasons) and not all(reasons)


def test_counts_are_of_all_pairs_before_any_is_dropped(find):
    units, others = made(3), made(4)[:1]
    found = find(units, others, ("key", "across", "picture"))
    pairs = [pair for unit in units for pair in unit]
    pictures = [{pair[1] for pair in pairs if pair[3] == split} for split in range(3)]
    theirs = {pair[1] for pair in others[0]}
    for split, name in enumerate(SPLITS):
        own = [pair for pair in pairs if pair[3] == split]
        for column, kind in enumerate(("key", "picture", "captions")):
            repeats = len(own) - len({pair[column] for pair in own})
            assert found.within[name][kind] == repeats > 0
        assert found.across[f"{name}, other0"] == len(pictures[split] & theirs) > 0
    assert found.across["train, test"] == len(pictures[0] & pictures[2]) > 0
    assert found.across["validation, test"] == len(pictures[1] & pictures[2])
    assert len(found.across) == 6


def test_a_source_without_pairs_has_no_duplicates(find):
    found = find([[]] * UNITS, [], ("key", "across", "picture"))
    assert len(found.dropped) == 0
    assert not found.across.total()
