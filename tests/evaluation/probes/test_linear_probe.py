"""The linear probe against scikit-learn used by hand, and its rules for odd data."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from clipbench_tf.data import sources
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.probes.draws import hold_out, shots
from clipbench_tf.evaluation.probes.linear_probe import LinearProbe
from clipbench_tf.evaluation.probes.logistic import Keep, Logistic
from clipbench_tf.evaluation.probes.nearest_neighbours import NearestNeighbours
from clipbench_tf.evaluation.scorers import cosine
from clipbench_tf.export.saved_encoders import SavedEncoders
from clipbench_tf.export.saved_model import export
from tests.evaluation import samples as pictures
from tests.evaluation.probes.samples import BAD, NAMES, Vectors, blobs, dataset, features


def probe(train, test, classes=NAMES, encoders=None, **settings):
    data = dataset(classes, train=train, test=test)
    return LinearProbe(encoders or Vectors(), data, **settings)


def by_hand(values, labels, strength):
    """scikit-learn's regression on standardised features, as a function of others."""
    center = values.mean(axis=0, dtype=float)
    unit = (values - center).std()
    model = LogisticRegression(C=strength, max_iter=5000, tol=1e-8)
    model.fit((values - center) / unit, labels)
    return lambda others: model.predict((others - center) / unit)


def noisy(rng, count):
    """Few pictures in many dimensions, most of which say nothing."""
    return [(np.append(v, 3 * rng.normal(size=40)), label) for v, label in blobs(rng, count)]


def test_equals_scikit_learn_by_hand_at_a_strength_that_is_best_on_the_held_out_part():
    rng = np.random.default_rng(0)
    train, test = features(noisy(rng, 150)), features(noisy(rng, 200))
    (one,) = probe(blobs(rng, 2), blobs(rng, 2)).of(train, test).trained[None]
    expected = by_hand(train.values, train.labels, one.strength)(test.values)
    np.testing.assert_array_equal(one.result.predictions, expected)
    np.testing.assert_array_equal(one.result.credits[1], expected == test.labels)

    kept, held = hold_out(train.labels, 0.2, 0, 0, 0)
    assert (one.pictures, one.chosen_on) == (150, len(held))

    def quality(strength):
        predicted = by_hand(train.values[kept], train.labels[kept], strength)(train.values[held])
        return np.mean(predicted == train.labels[held])

    qualities = {s: quality(s) for s in (1e-6, 1e-4, 1e-2, 1.0, 1e2, one.strength)}
    assert max(qualities.values()) == qualities[one.strength] > qualities[1e-6]


def test_chance_for_labels_that_features_do_not_tell_and_all_for_those_they_do():
    rng = np.random.default_rng(1)
    random = [(v, rng.integers(0, 7)) for v, _ in blobs(rng, 600)]
    found = probe(random[:200], random[200:]).results()
    assert found.top(None, 1) == pytest.approx(1 / 7, abs=0.06)
    clear = probe(blobs(rng, 70, noise=0.05), blobs(rng, 70, noise=0.05)).results()
    assert clear.top(None, 1) == 1


def test_reads_handwritten_digits_as_well_as_the_best_of_all_strengths():
    digits = load_digits()
    rows = list(zip(digits.data.astype(np.float32), digits.target, strict=True))
    train, test = features(rows[:1200]), features(rows[1200:])
    names = [str(number) for number in range(10)]
    found = probe(rows[:1], rows[:1], classes=names).of(train, test)
    best = max(
        np.mean(by_hand(train.values, train.labels, strength)(test.values) == test.labels)
        for strength in (1e-3, 1e-2, 1e-1, 1.0)
    )
    assert best > 0.9
    assert best - 0.015 < found.top(None, 1) <= best + 0.015
    data = dataset(names, train=rows[:1], test=rows[:1])
    assert NearestNeighbours(Vectors(), data).of(train, test).result.top(1) > 0.94


def test_shots_are_so_many_pictures_of_each_class_and_others_in_each_repeat():
    rng = np.random.default_rng(2)
    train, test = features(blobs(rng, 120)), features(blobs(rng, 80))
    found = probe(blobs(rng, 2), blobs(rng, 2), shots=(1, 4), repeats=3, seed=5).of(train, test)
    assert [len(found.trained[k]) for k in (1, 4)] == [3, 3] and None not in found.trained
    for k in (1, 4):
        for repeat, one in enumerate(found.trained[k]):
            rows = shots(train.labels, k, 5, repeat)
            assert one.pictures == len(rows) == 7 * k and one.short == 0
            expected = by_hand(train.values[rows], train.labels[rows], one.strength)(test.values)
            assert np.mean(one.result.predictions == expected) > 0.97  # to the tolerance of a fit
            assert one.chosen_on == (7 if k == 4 else 0)
            assert k == 4 or one.strength == 1
        accuracies = [one.result.top(1) for one in found.trained[k]]
        assert found.top(k, 1) == pytest.approx(np.mean(accuracies)) and len(set(accuracies)) > 1
    assert found.top(4, 1) > found.top(1, 1)


def test_a_class_with_fewer_pictures_gives_all_it_has_and_is_counted():
    rng = np.random.default_rng(3)
    train = [*blobs(rng, 80, classes=5), *[(rng.normal(size=5), 6)] * 2]
    (one,) = probe(train, blobs(rng, 20), shots=[4], repeats=1).results().trained[4]
    assert (one.pictures, one.short) == (5 * 4 + 2, 1)


def test_a_class_without_training_pictures_is_never_found():
    rng = np.random.default_rng(4)
    found = probe(blobs(rng, 80, classes=3), blobs(rng, 80)).results()
    (one,) = found.trained[None]
    unseen = one.result.labels >= 3
    assert not one.result.credits[1][unseen].any() and not one.result.credits[5][unseen].any()
    assert one.result.credits[1][~unseen].mean() > 0.5 and found.train_classes == 3


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (0.001, 0.5)])
def test_the_unit_of_the_features_does_not_matter(scale, shift):
    rng = np.random.default_rng(5)
    train, test = blobs(rng, 100), blobs(rng, 100)
    first = probe(train, test).results().trained[None][0]
    other = probe(train, test, encoders=Vectors(scale, shift)).results().trained[None][0]
    assert np.mean(first.result.predictions == other.result.predictions) > 0.98
    assert abs(np.log10(first.strength / other.strength)) < 0.3


def test_fits_that_do_not_converge_are_told_of():
    rng = np.random.default_rng(6)
    train, test = blobs(rng, 60), blobs(rng, 20)
    found = probe(train, test, max_iterations=2).results()
    (one,) = found.trained[None]
    assert one.unconverged > 0 and f"{one.unconverged} of {one.fits} fits did not" in found.line()
    assert probe(train, test).results().trained[None][0].converged


def test_yields_names_and_values_and_tells_how_far_it_is():
    rng = np.random.default_rng(7)
    told = []
    made = probe(
        [*blobs(rng, 60), (BAD, 1)],
        blobs(rng, 40),
        shots=(None, 2),
        repeats=2,
        told=lambda *state: told.append(state),
    )
    values = dict(made.run())
    names = ("top1", "top5", "2_shot_top1", "2_shot_top5")
    assert list(values) == [f"linear_probe/test/{name}" for name in names]
    assert told[:2] == [("features of train", 61, 61), ("features of test", 40, 40)]
    # Before each fit and at the end.
    fits = [result.fits for draws in made.results().trained.values() for result in draws]
    steps = told[2 : 2 + sum(fits) + 1]
    assert {what for what, _, _ in steps} == {"steps of the probe"}
    done = [value for _, value, _ in steps]
    assert done == sorted(done) and done[0] == 0 and done[-1] == steps[-1][2]
    assert all(value < total for _, value, total in steps[:-1])
    assert told[2 + sum(fits) + 1][0] == "features of train"  # the next run
    assert dict(made.run()) == values
    record = json.loads(json.dumps(made.results().record()))
    assert record["full"]["top1"] == values["linear_probe/test/top1"]
    assert record["train_corrupt"] == 1
    limited = probe(blobs(rng, 60), blobs(rng, 40), at_most=30).results().trained[None][0]
    assert (limited.pictures, len(limited.result.labels)) == (30, 30)


def test_refuses_what_cannot_be_fitted():
    rng = np.random.default_rng(8)
    rows = blobs(rng, 20)
    with pytest.raises(
        DatasetError, match="Split train of data set tiny has pictures of one class"
    ):
        probe([(v, 2) for v, _ in rows], rows).results()
    with pytest.raises(FloatingPointError, match="split test have features that are not finite"):
        probe(rows, [*rows, ([np.nan] * 5, 0)]).results()
    with pytest.raises(DatasetError, match="train and train of data set tiny are the same"):
        probe(rows, rows, split="train")
    for wrong in ({"shots": ()}, {"shots": (0,)}, {"repeats": 0}):
        with pytest.raises(ValueError, match="give 1 or more of each"):
            probe(rows, rows, **wrong)


@pytest.mark.slow
def test_a_loaded_model_gives_the_same_as_the_one_in_memory(tmp_path):
    method, tokenizer = pictures.tiny_method()
    scorer = cosine(method)
    rng = np.random.default_rng(9)
    rows = []
    for label in rng.integers(0, 5, size=90):
        colour = np.clip(
            np.array(pictures.COLOURS[label]) + rng.integers(-200, 200, size=3), 0, 255
        )
        rows.append((pictures.png(colour.tolist()), int(label)))
    rows.append((b"no picture", 0))
    folder = pictures.write_dataset(tmp_path, {"train": rows[:50], "test": rows[50:]})
    data = sources.load(folder)
    saved = SavedEncoders(
        export(
            method,
            tokenizer,
            tmp_path / "saved_model",
            dataset="tiny",
            classes=pictures.NAMES,
            templates=("{}",),
            scorer=scorer,
            image_size=pictures.SIZE,
        )
    )
    memory = MethodEncoders(method, tokenizer=tokenizer, scorer=scorer, image_size=pictures.SIZE)
    for make in (LinearProbe, NearestNeighbours):
        first, second = (dict(make(encoders, data).run()) for encoders in (memory, saved))
        assert first == second
        assert 0.4 < next(iter(first.values())) < 1
    result = NearestNeighbours(saved, data).results()
    assert (result.result.corrupt, result.feature_kind) == (1, "pooled")


class Memory(Keep):
    """Keeps fits in memory."""

    def __init__(self):
        self.fits = {}

    def kept(self, name):
        return self.fits.get(name)

    def keep(self, name, arrays):
        assert name not in self.fits
        self.fits[name] = arrays


def test_a_killed_probe_goes_on_with_the_same_result_and_fits_nothing_twice(monkeypatch):
    rng = np.random.default_rng(10)
    train, test = features(noisy(rng, 120)), features(noisy(rng, 60))
    solved, fit = [], LogisticRegression.fit
    monkeypatch.setattr(
        LogisticRegression, "fit", lambda self, *a: (solved.append(self.C), fit(self, *a))[1]
    )

    def run(keep, at_most=10**9):
        def told(what, done, total):
            if len(solved) >= at_most:
                raise KeyboardInterrupt

        made = probe(blobs(rng, 2), blobs(rng, 2), shots=(3, None), repeats=2, keep=keep, told=told)
        return made.of(train, test)

    whole = run(None)
    count = len(solved)
    assert count == sum(one.fits for draws in whole.trained.values() for one in draws)
    keep = Memory()
    for more in (5, 20, 7):  # within a search, in the next draw, and after that
        solved.clear()
        with pytest.raises(KeyboardInterrupt):
            run(keep, at_most=more)
        assert len(solved) == more
    solved.clear()
    resumed = run(keep)
    assert len(solved) == count - 32 and len(keep.fits) == count
    assert resumed.record() == whole.record()
    for one, other in zip(resumed.trained[None], whole.trained[None], strict=True):
        np.testing.assert_array_equal(one.result.scores, other.result.scores)
    assert run(keep).record() == whole.record() and len(solved) == count - 32


def test_a_search_in_float32_chooses_as_well_as_one_in_float64():
    digits = load_digits()
    train = features(list(zip(digits.data.astype(np.float32), digits.target, strict=True))[:600])
    kept, held = hold_out(train.labels, 0.2, 0, 0, 0)
    for strength in (1e-4, 1e-2, 1.0, 1e2):
        single, double = (
            Logistic(train.values[kept], train.labels[kept], tolerance=1e-5, precision=kind)
            .fit(strength)
            .quality(train.values[held], train.labels[held])
            for kind in (np.float32, np.float64)
        )
        assert single[0] == pytest.approx(double[0], abs=1.01 / len(held))  # a picture at most
        assert single[1] == pytest.approx(double[1], rel=2e-3)
