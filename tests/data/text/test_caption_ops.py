"""EDA in graph, against the exact distribution of its outcomes, counted out in Python."""

import itertools
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.caption_ops import eda, make_synonyms, plain, wordnet_synonyms

TABLE = {"big": ["large"], "dog": ["cad", "hound", "hot dog"], "red": ["ruddy", "scarlet"]}
DRAWS = 30_000


def seeds(count: int, seed: int = 0) -> tf.Tensor:
    numbers = np.random.default_rng(seed).integers(-(2**31), 2**31, [count, 2], np.int32)
    return tf.constant(numbers)


def texts(captions: tf.Tensor) -> list[str]:
    return [caption.decode("utf-8") for caption in captions.numpy()]


def outcomes(caption: str) -> dict[str, float]:
    """Every caption that EDA can make of `caption`, and its probability."""
    words = caption.split()
    chances: dict[str, float] = defaultdict(float)

    def add(outcome: list[str], chance: float) -> None:
        chances[" ".join(outcome)] += chance / 3

    known = sorted({word for word in words if word.lower() in TABLE})
    forms = sorted({word.lower() for word in known})
    for form in forms:
        for synonym in TABLE[form]:
            outcome = [synonym if word.lower() == form else word for word in words]
            add(outcome, 1 / len(forms) / len(TABLE[form]))
    if not forms:
        add(words, 1)
    pairs = list(itertools.combinations(range(len(words)), 2))
    for i, j in pairs:
        outcome = list(words)
        outcome[i], outcome[j] = outcome[j], outcome[i]
        add(outcome, 1 / len(pairs))
    if not pairs:
        add(words, 1)
    for kept in itertools.product([True, False], repeat=len(words)):
        chance = float(np.prod([0.9 if k else 0.1 for k in kept]))
        if any(kept):
            add([word for word, k in zip(words, kept, strict=True) if k], chance)
        else:
            for word in words:
                add([word], chance / len(words))
    return chances


@pytest.mark.parametrize(
    "caption",
    [
        "dog",
        "bird",
        "a bird",
        "Big dog",
        "a big red dog",
        "red dog Red dog sky",
        "one two three four",
    ],
)
def test_outcomes_have_the_frequencies_of_the_definition(caption: str) -> None:
    made = texts(eda(tf.fill([DRAWS], caption), seeds(DRAWS), make_synonyms(TABLE)))
    counts, expected = Counter(made), outcomes(caption)
    assert counts.keys() <= expected.keys()
    for outcome, chance in expected.items():
        deviation = (max(chance * (1 - chance), 1e-12) * DRAWS) ** 0.5
        assert abs(counts[outcome] - chance * DRAWS) <= 5 * deviation + 1, outcome


def test_captions_without_words_stay() -> None:
    captions = ["", " ", "\t\n", "x", "dog"] * 50
    made = texts(eda(tf.constant(captions), seeds(250), make_synonyms(TABLE)))
    for before, after in zip(captions, made, strict=True):
        assert after == before or (before == "dog" and after in TABLE["dog"])
    assert eda(tf.constant([], tf.string), seeds(0), make_synonyms(TABLE)).shape == [0]


def test_a_caption_depends_on_its_seed_alone() -> None:
    captions = tf.constant([f"the big red dog number {i} runs to a dog" for i in range(200)])
    together = texts(eda(captions, seeds(200)))
    assert texts(eda(captions[150:160], seeds(200)[150:160])) == together[150:160]
    assert texts(eda(captions, seeds(200))) == together
    assert texts(eda(captions, seeds(200, seed=1))) != together


def test_inside_a_data_set_whose_position_is_saved(tmp_path: Path) -> None:
    captions = tf.constant(["a photo of a small dog", "", "löwe 獅子 at night"] * 20)
    data = tf.data.Dataset.from_tensor_slices((captions, seeds(60))).batch(20).map(eda)
    batches = iter(data)
    np.testing.assert_array_equal(next(batches), eda(captions[:20], seeds(60)[:20]))
    path = tf.train.Checkpoint(batches=batches).write(str(tmp_path / "position"))
    rest = [batch.numpy() for batch in batches]
    tf.train.Checkpoint(batches=batches).read(path)
    np.testing.assert_array_equal(rest, [batch.numpy() for batch in batches])


def test_plain_changes_nothing() -> None:
    assert texts(plain(tf.constant([" a  dog "]), seeds(1))) == [" a  dog "]


def test_the_shipped_synonyms() -> None:
    synonyms = wordnet_synonyms()
    assert wordnet_synonyms() is synonyms
    words = [word.decode() for word in synonyms.words.numpy()]
    starts = synonyms.starts.numpy()
    assert starts[0] == 0
    assert starts[-1] == len(words)
    assert (np.diff(starts) >= 1).all()
    assert len(starts) - 1 == synonyms.index.size().numpy() > 40_000
    assert all(word == word.lower().strip() and len(word) > 1 for word in words)
    assert not [word for word in ("\t", ",", "_") if any(word in other for other in words)]

    def of(word: str) -> list[str]:
        number = synonyms.index.lookup(tf.constant(word)).numpy()
        return words[starts[number] : starts[number + 1]] if number >= 0 else []

    assert {"automobile", "auto", "motorcar"} <= set(of("car"))
    assert "domestic dog" in of("dogs")
    for word in ("the", "of", "is", "and", "not", "dont", "zzzz"):
        assert not of(word)
    assert all(word not in of(word) for word in ("car", "dog", "dogs", "smile", "happy"))
