import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.retrieval import retrieval
from clipbench_tf.evaluation.retrieval.retrieval import Retrieval
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export.saved_encoders import SavedEncoders
from clipbench_tf.export.saved_model import export
from tests.evaluation.retrieval.samples import (
    BAD,
    PATCHES,
    CosineSamples,
    LateSamples,
    dataset,
    tokens,
    words,
)
from tests.evaluation.samples import NAMES, SIZE, png, tiny_method

KS = (1, 5, 10)


def pairs_with_repeats(seed=0, count=40):
    """Pictures with one to four captions, some of which several pictures share; some repeat."""
    rng = np.random.default_rng(seed)
    pool = [f"caption {i} {'long ' * (i % 4)}end" for i in range(50)]
    made = [
        (b"picture %d" % i, [pool[c] for c in rng.integers(0, 50, size=rng.integers(1, 5))])
        for i in range(count)
    ]
    return [*made, (BAD, ["of no picture"]), (b"mute", []), made[3], (made[5][0], ["of the fifth"])]


def similarities(late, images, texts):
    """By hand: [N, M] of pictures to texts and [M, N] of texts to pictures."""
    to_text, to_image = np.zeros([len(images), len(texts)]), np.zeros([len(texts), len(images)])
    for i, t in np.ndindex(to_text.shape):
        image, text = images[i], texts[t]
        if late:
            patches, terms = tokens(image, PATCHES), words(text.encode())
            to_text[i, t] = np.mean([max(p @ w for w in terms) for p in patches])
            to_image[t, i] = np.mean([max(w @ p for p in patches) for w in terms])
        else:
            to_text[i, t] = to_image[t, i] = tokens(image, 1)[0] @ tokens(text.encode(), 1)[0]
    return to_text, to_image


def expected(scores, right):
    """R@k and the median rank, by counting for each query."""
    credits, places = {k: [] for k in KS}, []
    for row, own in zip(scores, right, strict=True):
        best = max(row[item] for item in own)
        higher, tied = int(np.sum(row > best)), int(np.sum(row == best))
        good = sum(row[item] == best for item in own)
        places.append(higher + (tied + 1) / (good + 1))
        for k in KS:
            drawn = min(max(k - higher, 0), tied)
            credits[k].append(1 - math.comb(tied - good, drawn) / math.comb(tied, drawn))
    return {k: np.mean(values) for k, values in credits.items()}, np.median(places)


def assert_is_brute_force(result, pairs, late):
    good = [(image, texts) for image, texts in pairs if image != BAD and texts]
    images = list(dict.fromkeys(image for image, _ in good))
    texts = list(dict.fromkeys(text for _, own in good for text in own))
    right = {(images.index(i), texts.index(t)) for i, own in good for t in own}
    to_text, to_image = similarities(late, images, texts)
    assert result.captions == tuple(texts)
    for scores, found, own in (
        (
            to_text,
            result.image_to_text,
            [[t for j, t in right if j == i] for i, _ in enumerate(images)],
        ),
        (
            to_image,
            result.text_to_image,
            [[i for i, u in right if u == t] for t, _ in enumerate(texts)],
        ),
    ):
        recalls, median = expected(scores, own)
        for k in KS:
            assert found.recall(k) == pytest.approx(recalls[k], abs=1e-9)
        assert found.median() == median
        assert 0 < recalls[1] < 1 and np.any(found.tied > found.right)


@pytest.mark.parametrize("make", [CosineSamples, LateSamples])
@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_equals_counting_by_hand_for_every_batch_size(make, batch, monkeypatch):
    monkeypatch.setattr(retrieval, "ROWS", 4 * 50 * batch)  # of scores: about `batch` queries
    pairs = pairs_with_repeats()
    result = Retrieval(make(), dataset(pairs), batch_size=batch, text_batch=batch).results()
    assert_is_brute_force(result, pairs, make is LateSamples)
    assert (result.records, result.corrupt, result.uncaptioned) == (44, 1, 1)


@pytest.mark.parametrize("make", [CosineSamples, LateSamples])
def test_a_temporary_file_changes_nothing(make):
    pairs = pairs_with_repeats(seed=1)
    result = Retrieval(make(), dataset(pairs), batch_size=4, text_batch=4, memory=0).results()
    assert_is_brute_force(result, pairs, make is LateSamples)


@pytest.mark.parametrize("value", [0.0, 0.1, np.nan])
def test_constant_scores_get_chance_and_nan_gets_nothing(value):
    encoders = CosineSamples()
    encoders.score = lambda images, classes: tf.fill(
        [len(images["embedding"]), len(classes["embedding"])], value
    )
    encoders.score_texts = lambda classes, images: tf.transpose(encoders.score(images, classes))
    record = Retrieval(encoders, dataset(pairs_with_repeats())).results().record()
    for direction in ("image_to_text", "text_to_image"):
        for k in KS:
            name, chance = f"{direction}_r{k}", record[f"{direction}_r{k}_chance"]
            assert record[name] == (0 if np.isnan(value) else chance)


def test_chance_is_that_of_drawing_items_for_each_query():
    # Of 4 captions, the first picture owns 3, the second 1, the third 1 that is also the second's.
    pairs = [(b"a", ["1", "2", "3"]), (b"b", ["4"]), (b"c", ["4"])]
    record = Retrieval(CosineSamples(), dataset(pairs)).results().record()
    assert record["image_to_text_r1_chance"] == pytest.approx((3 / 4 + 1 / 4 + 1 / 4) / 3)
    assert record["text_to_image_r1_chance"] == pytest.approx((1 / 3 * 3 + 2 / 3) / 4)
    assert record["image_to_text_r5_chance"] == 1


def test_yields_names_and_values():
    pairs = [(b"one picture", ["its caption", "another"])]
    names = [f"r{k}" for k in KS] + ["median_rank"]
    values = dict(Retrieval(CosineSamples(), dataset(pairs)).run())
    assert values == {
        f"retrieval/test/{direction}_{name}": 1.0
        for direction in ("image_to_text", "text_to_image")
        for name in names
    }


def test_reads_at_most_so_many_records_evenly_spread():
    pairs = [(b"picture %d" % i, [f"caption {i}"]) for i in range(20)]
    encoders = CosineSamples()
    result = Retrieval(encoders, dataset(pairs), at_most=5).results()
    assert result.places.tolist() == [0, 4, 8, 12, 16]
    assert encoders.encoded == [b"picture %d" % i for i in (0, 4, 8, 12, 16)]
    assert result.captions[1] == "caption 4"
    assert len(Retrieval(encoders, dataset(pairs), at_most=50).results().places) == 20


@pytest.mark.parametrize("pairs", [[(BAD, ["a"])], [(b"x", [])]])
def test_a_split_without_a_pair_is_an_error(pairs):
    with pytest.raises(DatasetError, match=r"Split test of data set tiny has no picture with a "):
        Retrieval(CosineSamples(), dataset(pairs)).results()


def test_refuses_a_split_that_is_not_there_and_tells_what_cannot_be_read():
    data = dataset([(b"x", ["a"])] * 4)
    with pytest.raises(DatasetError, match="no split 'val'"):
        Retrieval(CosineSamples(), data, split="val")

    def fail(part, first, count):
        raise DatasetError("shard 7 is gone")

    data.split("test").read = fail
    with pytest.raises(DatasetError, match="tiny cannot be read: shard 7 is gone"):
        Retrieval(CosineSamples(), data).results()


def colour_pairs(count=30):
    rng = np.random.default_rng(0)
    long = "more words than sixteen tokens can hold, " * 3
    return [
        (png(rng.integers(0, 256, size=3).tolist()), [f"{NAMES[i % 5]} {i}", f"number {i}, {long}"])
        for i in range(count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("make_scorer", [cosine, late_interaction])
def test_a_loaded_model_and_other_batches_give_the_same_ranks(make_scorer, tmp_path):
    method, tokenizer = tiny_method()
    scorer = make_scorer(method)
    folder = export(
        method,
        tokenizer,
        tmp_path / "saved_model",
        dataset="tiny",
        classes=NAMES,
        templates=("{}",),
        scorer=scorer,
        image_size=SIZE,
    )
    memory = MethodEncoders(method, tokenizer=tokenizer, scorer=scorer, image_size=SIZE)
    data = dataset(colour_pairs())
    first = Retrieval(memory, data).results()
    assert 1 < first.image_to_text.median() < 50  # neither all nor nothing
    for encoders, batch in ((SavedEncoders(folder), 128), (memory, 3)):
        other = Retrieval(encoders, data, batch_size=batch, text_batch=batch).results()
        for name, found in other.directions().items():
            expected = first.directions()[name].expected()
            np.testing.assert_array_equal(found.expected(), expected)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures():
    program = Path(__file__).with_name("large_retrieval.py")

    def peak(pictures: int) -> int:
        done = subprocess.run(
            [sys.executable, program, str(pictures)], capture_output=True, text=True, check=True
        )
        return int(done.stdout.split()[-1])

    # 3000 more pictures have 190 MiB more of representations.
    assert peak(4000) - peak(1000) < 80 * 2**20  # kept, they would be 188 MiB more
