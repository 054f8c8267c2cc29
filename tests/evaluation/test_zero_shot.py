import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.readers.labelled.naming import with_names
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.evaluation.zero_shot import Copy, Journal, ZeroShot
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method, write_dataset


class Lengths:
    """Encoders without a network: a picture or prompt is represented by its number of bytes."""

    def __init__(self, score=lambda images, classes: -tf.abs(images[:, None] - classes)):
        self._score, self.prompts = score, []

    def represent_images(self, encoded):
        length = tf.cast(tf.strings.length(encoded), tf.float32)
        return {"length": length}, (encoded != b"") & (encoded != b"bad")

    def represent_classes(self, prompts):
        self.prompts += prompts.numpy().tolist()
        length = tf.cast(tf.strings.length(prompts), tf.float32)
        return {"length": tf.reduce_mean(length, axis=1)}

    def score(self, images, classes):
        return self._score(images["length"], classes["length"])


def load(folder: Path, **splits) -> sources.Dataset:
    return sources.load(str(write_dataset(folder, splits)))


def lengths_of(names, templates=("{}", "a {} thing")):
    return np.array([np.mean([len(t.format(n)) for t in templates]) for n in names])


@pytest.mark.parametrize(("batch_size", "prompt_batch"), [(1, 1), (3, 4), (100, 100)])
def test_scores_every_picture_against_every_class(tmp_path, batch_size, prompt_batch):
    rng = np.random.default_rng(0)
    examples = [(b"x" * int(n), int(n) % 5) for n in rng.integers(6, 32, size=40)]
    data = load(tmp_path, test=examples)
    encoders = Lengths()
    evaluator = ZeroShot(
        encoders, data, splits=["test"], batch_size=batch_size, prompt_batch=prompt_batch
    )
    (result,) = evaluator.results()
    scores = -np.abs(np.array([[len(image)] for image, _ in examples]) - lengths_of(NAMES))
    labels = np.array([label for _, label in examples])
    assert len(np.unique(scores, axis=1).T) == 5  # no class is another's twin
    own = scores[np.arange(40), labels]
    rank = (scores > own[:, None]).sum(axis=1)
    alike = (scores == own[:, None]).sum(axis=1)
    assert result.top(1) == pytest.approx(np.mean((rank == 0) / alike))
    assert result.top(5) == 1
    np.testing.assert_allclose(result.scores, scores.max(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(result.places, np.arange(40))
    np.testing.assert_array_equal(result.labels, labels)
    assert sorted(encoders.prompts) == sorted(
        [name.encode(), b"a %s thing" % name.encode()] for name in NAMES
    )


def test_yields_names_and_values_for_every_split(tmp_path):
    data = load(tmp_path, test=[(b"x" * 7, 0)], zero_shot=[(b"x" * 7, 2)])
    assert dict(ZeroShot(Lengths(), data).run()) == {
        "zero_shot/test/top1": 1.0,
        "zero_shot/test/top5": 1.0,
        "zero_shot/zero_shot/top1": 0.0,
        "zero_shot/zero_shot/top5": 1.0,
    }


@pytest.mark.parametrize(("value", "accuracy"), [(0.0, 0.2), (np.nan, 0.0)])
def test_constant_scores_get_chance_and_nan_gets_nothing(tmp_path, value, accuracy):
    data = load(tmp_path, test=[(b"x", label) for label in (0, 0, 0, 1)])

    def constant(images, classes):
        return tf.fill([tf.size(images), tf.size(classes)], np.float32(value))

    (result,) = ZeroShot(Lengths(constant), data, splits=["test"]).results()
    assert result.top(1) == pytest.approx(accuracy)


def test_corrupt_pictures_are_counted_and_left_out(tmp_path):
    data = load(tmp_path, test=[(b"bad", 0), (b"x" * 7, 0), (b"bad", 4), (b"x" * 7, 1)])
    (result,) = ZeroShot(Lengths(), data, splits=["test"], batch_size=1).results()
    record = result.record()
    assert (record["scored"], record["corrupt"]) == (2, 2)
    assert (record["top1"], record["top5"], record["top1_chance"]) == (0.5, 1.0, 0.2)
    assert record["top1_interval"][0] < 0.5 < record["top1_interval"][1]
    np.testing.assert_array_equal(result.places, [1, 3])
    assert "50.0%" in result.line() and "2 corrupt" in result.line()


def test_a_split_with_no_picture_at_all_is_an_error(tmp_path):
    data = load(tmp_path, test=[(b"bad", 0)] * 3)
    with pytest.raises(
        sources.DatasetError, match=r"no picture that can be decoded \(3 tried\) as JPEG, "
    ):
        ZeroShot(Lengths(), data, splits=["test"]).results()


def test_a_damaged_record_counts_as_corrupt_and_a_lost_shard_is_one_clear_error(tmp_path):
    data = load(tmp_path, test=[(b"x" * 7, 0), (b"x" * 7, 1)])
    shard = tmp_path / "test.tfrecord"
    content = bytearray(shard.read_bytes())
    content[-10] ^= 1  # of the last record's data
    shard.write_bytes(content)
    (result,) = ZeroShot(Lengths(), data, splits=["test"]).results()
    assert (len(result.labels), result.corrupt) == (1, 1)
    shard.unlink()
    with pytest.raises(sources.DatasetError, match=r"tiny cannot be read: .*test\.tfrecord"):
        ZeroShot(Lengths(), data, splits=["test"]).results()


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_without_class_is_an_error(tmp_path, label):
    data = load(tmp_path, test=[(b"x", label)])
    with pytest.raises(sources.DatasetError, match=f"label {label}"):
        ZeroShot(Lengths(), data, splits=["test"]).results()


def test_refuses_what_cannot_be_scored_at_once(tmp_path):
    data = load(tmp_path, test=[(b"x", 0)])
    with pytest.raises(sources.DatasetError, match="no split 'validation'"):
        ZeroShot(Lengths(), data, splits=["test", "validation"])
    folder = tmp_path / "unlabelled"
    folder.mkdir()
    write_dataset(folder, {"test": [(b"x", -1)]}, classes=())
    with pytest.raises(sources.DatasetError, match="no class names"):
        ZeroShot(Lengths(), sources.load(str(folder)), splits=["test"])


@pytest.mark.parametrize(
    "make",
    [cosine, late_interaction, partial(late_interaction, average_positions=True)],
    ids=["cosine", "late_interaction", "average_positions"],
)
def test_chunks_of_classes_change_no_score(make):
    method, tokenizer = tiny_method()
    encoders = MethodEncoders(method, tokenizer=tokenizer, scorer=make(method), image_size=SIZE)
    images, _ = encoders.represent_images(tf.constant([png(colour) for colour in COLOURS]))
    templates = ("a {}", "{}", "the colour {} is meant")
    whole = Classifier(encoders, NAMES, templates, prompt_batch=100).scores(images)
    pieces = Classifier(encoders, NAMES, templates, prompt_batch=1).scores(images)
    np.testing.assert_allclose(whole, pieces, atol=1e-5)
    one = Classifier(encoders, NAMES[3:4], templates).scores(images)
    np.testing.assert_allclose(whole[:, 3:4], one, atol=1e-5)


def test_classes_of_one_name_are_refused_by_their_numbers(tmp_path):
    names = ("crane", "dog", "  crane ")  # the same when cleaned
    write_dataset(tmp_path, {"test": [(b"x", 0)]}, classes=names)
    data = sources.load(str(tmp_path))
    with pytest.raises(sources.DatasetError, match=r"\(numbers 0 and 2\) .* both called 'crane'"):
        ZeroShot(Lengths(), data, splits=["test"])


def test_one_class_is_refused(tmp_path):
    write_dataset(tmp_path, {"test": [(b"x", 0)]}, classes=("dog",))
    with pytest.raises(sources.DatasetError, match=r"one class only, 'dog'.* needs two or more"):
        ZeroShot(Lengths(), sources.load(str(tmp_path)), splits=["test"])


@pytest.mark.parametrize("prompt_batch", [1, 100])
def test_classes_of_one_name_are_encoded_once_and_score_the_same(prompt_batch):
    method, tokenizer = tiny_method()
    encoders = MethodEncoders(method, tokenizer=tokenizer, scorer=cosine(method), image_size=SIZE)
    images, _ = encoders.represent_images(tf.constant([png(colour) for colour in COLOURS]))
    names = ("red", "a long name indeed", "blue", "red", "white", "blue")
    found = Classifier(encoders, names, ("{}", "a {}"), prompt_batch=prompt_batch)
    scores = found.scores(images)
    np.testing.assert_array_equal(scores[:, 0], scores[:, 3])
    np.testing.assert_array_equal(scores[:, 2], scores[:, 5])
    assert sum(len(part["embedding"]) for part in found.parts) == 4
    apart = Classifier(encoders, names[:3] + names[4:5], ("{}", "a {}")).scores(images)
    np.testing.assert_allclose(scores[:, [0, 1, 2, 4]], apart, atol=1e-6)


@pytest.mark.parametrize("nothing", ["", " \n", "\x00"])
def test_a_class_without_a_name_is_refused_by_its_number(nothing):
    with pytest.raises(ValueError, match=r"Class 1 of 3 has no name .* write one, or leave"):
        Classifier(Lengths(), ("red", nothing, "blue"), ("{}",))


class Memory(Journal):
    """Keeps so many batches, and is interrupted when there are more."""

    def __init__(self, batches: int) -> None:
        self.parts, self._batches = {}, batches

    def kept(self, split):
        return self.parts.get(split, [])

    def keep(self, split, scored):
        if len(scored) > self._batches:
            raise KeyboardInterrupt
        self.parts[split] = list(scored)


def test_what_a_journal_has_is_not_scored_again(tmp_path):
    rng = np.random.default_rng(3)
    examples = [(b"x" * int(n), int(n) % 5) for n in rng.integers(6, 32, size=23)]
    data = load(tmp_path, test=[*examples, (b"bad", 0)])
    (whole,) = ZeroShot(Lengths(), data, splits=["test"], batch_size=4).results()
    journal = Memory(batches=3)
    with pytest.raises(KeyboardInterrupt):
        ZeroShot(Lengths(), data, splits=["test"], batch_size=4).results(journal)
    encoders, seen = Lengths(), []
    represent = encoders.represent_images
    encoders.represent_images = lambda encoded: (seen.append(len(encoded)), represent(encoded))[1]
    told, resumable = [], Memory(batches=99)
    resumable.parts = journal.parts
    (resumed,) = ZeroShot(
        encoders,
        data,
        splits=["test"],
        batch_size=4,
        told=lambda what, done, total: told.append((what, done, total)),
    ).results(resumable)
    assert sum(seen) == 24 - 12
    assert [entry for entry in told if entry[0] == "test pictures"] == [
        ("test pictures", done, 24) for done in (12, 16, 20, 24)
    ]
    for name in ("places", "labels", "predictions", "scores", "keys", "corrupt_keys"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    assert resumed.record() == whole.record()


def test_copies_of_a_model_share_the_batches(tmp_path):
    examples = [(b"x" * int(n), int(n) % 5) for n in range(6, 29)]
    data = load(tmp_path, test=examples)
    (one,) = ZeroShot(Lengths(), data, splits=["test"], batch_size=4).results()
    copies = [Copy("CPU:0", Lengths()), Copy("CPU:1", Lengths())]
    (two,) = ZeroShot(
        copies[0].encoders, data, splits=["test"], batch_size=4, copies=copies
    ).results()
    np.testing.assert_array_equal(one.predictions, two.predictions)
    np.testing.assert_array_equal(one.places, two.places)
    assert copies[0].encoders.prompts and not copies[1].encoders.prompts


def test_names_that_differ_in_case_alone_are_refused_and_clips_own_list_is_not(tmp_path):
    (tmp_path / "case").mkdir()
    write_dataset(tmp_path / "case", {"test": [(b"x", 0)]}, classes=("Jaguar", "jaguar"))
    with pytest.raises(sources.DatasetError, match=r"'Jaguar' and 'jaguar' .* called 'jaguar'"):
        ZeroShot(Lengths(), sources.load(str(tmp_path / "case")), splits=["test"])
    data = load(tmp_path, test=[(b"x" * 7, 657), (b"x" * 7, 744)])
    data = with_names(dataclasses.replace(data, classes=()), classnames="imagenet", prompts=None)
    (result,) = ZeroShot(Lengths(), data, splits=["test"], templates=["{}"]).results()
    assert data.classes[657] == data.classes[744] == "missile"
    assert 0 < result.credits[1][0] == result.credits[1][1] <= 0.5  # a tie counts by chance


@pytest.mark.parametrize(("memory", "reads"), [(0, 3), (100, 3), (10_000, 1)])
def test_pictures_that_fit_into_memory_are_read_once(memory, reads, tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    examples = [(b"x" * int(n), int(n) % 5) for n in rng.integers(6, 32, size=23)]
    data = load(tmp_path, test=[*examples, (b"bad", 0)])
    reader, read = data.split("test"), []
    original = type(reader).read
    monkeypatch.setattr(
        type(reader), "read", lambda self, *a: (read.append(a), original(self, *a))[1]
    )
    encoders = Lengths()
    evaluator = ZeroShot(encoders, data, splits=["test"], batch_size=4, memory=memory)
    first, second = evaluator.results()[0], evaluator.results()[0]
    assert first.record() == second.record()
    encoders._score = lambda images, classes: tf.abs(images[:, None] - classes)  # other weights
    assert evaluator.results()[0].top(1) != first.top(1)
    assert len(read) == reads
