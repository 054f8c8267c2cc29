import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clipbench_tf.callbacks.periodic_evaluation import SHARE
from clipbench_tf.data.readers.dataset import Dataset
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.probes.nearest_neighbours import NearestNeighbours
from clipbench_tf.evaluation.scorers import late_interaction
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.training.observers import observers
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method
from tests.scripts.in_process import train
from tests.training.runs import epochs

RECALLS = {
    f"retrieval/validation/{direction}_{measure}"
    for direction in ("image_to_text", "text_to_image")
    for measure in ("r1", "r5", "r10", "median_rank")
}
VOTES = {"nearest_neighbours/validation/top1"}  # of five classes, the first five are all


class Memory:
    """A reader of pairs in memory."""

    names = ("memory",)

    def __init__(self, pairs):
        self.records = [pair.serialize() for pair in pairs]
        self.examples, self.counts = len(self.records), [len(self.records)]

    def read(self, part, first, count):
        return self.records[first : first + count]


def pairs(captions=True, labels=True, copies=3):
    return Memory(
        Pair(
            key=f"{name} {copy}",
            image=png(colour, 12 + copy),
            captions=("thing", f"a {name} thing") if captions else (),
            label=label if labels else -1,
        )
        for copy in range(copies)
        for label, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True))
    )


@pytest.fixture(scope="module")
def encoders():
    method, tokenizer = tiny_method()
    return MethodEncoders(
        method, tokenizer=tokenizer, scorer=late_interaction(method), image_size=SIZE, exact=True
    )


def observed(encoders, splits, split="validation", at_most=8):
    """The names of what is observed, the steps and words of what is drawn, and what is said."""
    drawn, said = [], []

    def draw(step, alignments):
        drawn.append((step, [alignment.words for alignment in alignments]))

    found = observers(
        encoders,
        Dataset("tiny", splits, classes=NAMES),
        split=split,
        at_most=at_most,
        draw=draw,
        say=said.append,
    )
    names = {name for observe in found for name, _ in observe(7)}
    return names, drawn, said


def test_all_that_the_data_set_and_the_method_allow(encoders):
    names, drawn, said = observed(encoders, {"train": pairs(), "validation": pairs()})
    assert names == RECALLS | VOTES
    assert not said
    ((step, words),) = drawn
    # Four of 15 records at equal distances: 0, 3, 7, 11.
    assert step == 7
    assert words == [tuple(f"a {NAMES[i]} thing".split()) for i in (0, 3, 2, 1)]


def test_no_captions_are_said_and_no_retrieval_and_no_alignment_tried(encoders):
    names, drawn, said = observed(encoders, {"train": pairs(), "validation": pairs(captions=False)})
    assert names == VOTES and not drawn
    assert said == ["Retrieval is not observed: split validation of tiny has no captions."]


@pytest.mark.parametrize(
    ("splits", "split", "reason"),
    [
        ({"validation": pairs()}, "validation", "tiny has no split train beside validation"),
        ({"all": pairs()}, "validation", "tiny has no split train beside validation"),
        ({"train": pairs()}, "train", "tiny has no split train beside train"),
        (
            {"train": pairs(labels=False), "validation": pairs()},
            "validation",
            "split train of tiny has no labels",
        ),
        (
            {"train": pairs(), "validation": pairs(labels=False)},
            "validation",
            "split validation of tiny has no labels",
        ),
    ],
)
def test_without_labelled_training_pictures_no_neighbours_are_sought(
    encoders, splits, split, reason
):
    names, drawn, said = observed(encoders, splits, split)
    assert said == [f"Nearest neighbours are not observed: {reason}."]
    assert {name.split("/")[0] for name in names} == {"retrieval"} and drawn


@pytest.mark.parametrize(("at_most", "sought"), [(3, 12), (500, 20)])
def test_neighbours_are_sought_among_four_times_as_many_as_are_observed(
    at_most, sought, encoders, monkeypatch
):
    found = []
    of = NearestNeighbours.of
    monkeypatch.setattr(
        NearestNeighbours,
        "of",
        lambda *a: (found.append([len(x.labels) for x in a[1:]]), of(*a))[1],
    )
    observed(encoders, {"train": pairs(copies=5), "validation": pairs(copies=1)}, at_most=at_most)
    assert found == [[sought, sought // 4]]


def test_no_pictures_no_observers(encoders):
    assert observed(encoders, {"validation": pairs(False, False)}, at_most=0) == (set(), [], [])


def test_a_method_without_patches_and_words_has_no_alignment():
    method, tokenizer = tiny_method()
    scorer = late_interaction(method)
    method.objectives = [o for o in method.objectives if isinstance(o, ImageText)]
    encoders = MethodEncoders(method, tokenizer=tokenizer, scorer=scorer, image_size=SIZE)
    names, drawn, said = observed(encoders, {"train": pairs(), "validation": pairs()})
    assert names == RECALLS | VOTES and not drawn and not said


def test_an_observer_that_fails_says_so_once_and_is_left_out(encoders):
    data = {"train": pairs(), "validation": pairs()}
    said = []
    found = observers(
        encoders,
        Dataset("tiny", data, classes=NAMES),
        split="validation",
        at_most=8,
        draw=lambda step, alignments: None,
        say=said.append,
    )

    def lost(part, first, count):
        raise OSError("the disk is gone")

    data["validation"].read = lost
    for step in (1, 2):
        assert [list(observe(step)) for observe in found] == [[], [], []]
    assert len(said) == 2  # the pairs of the alignment are in memory
    assert said[0].startswith("Retrieval is not observed any more: Data set tiny cannot be read")
    assert said[1].startswith("The probe by nearest neighbours is not observed any more: ")


@pytest.mark.slow
def test_a_run_ends_with_all_of_them_in_its_logs(few_drawings, tmp_path):
    status, output = train(
        tmp_path,
        *few_drawings,
        epochs(4),
        "recipe.Recipe.warmup_epochs = 0.5",
        "train.Trainer.evaluation_pictures = 15",
        "train.Trainer.evaluation_share = 0.0",
        "fine_grained.FineGrained.width = 8",
        gin_file="gin/filip.gin",
    )
    assert status == 0, output
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    by_step = {line["step"]: set(line) for line in lines}
    assert "zero_shot/validation/top1" in by_step[2] and "zero_shot/validation/top1" in by_step[4]
    assert not by_step[2] & (RECALLS | VOTES)  # a share of nothing: not before the last step
    assert by_step[4] >= RECALLS | VOTES | {"nearest_neighbours/validation/top5", SHARE}
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    shown = {tag for tag in events.Tags()["tensors"] if tag.startswith("alignment/")}
    assert shown == {f"alignment/{number}" for number in (1, 2, 3, 4)}
    (event,) = events.Tensors("retrieval/validation/image_to_text_r10")
    assert 0 <= float(tf.make_ndarray(event.tensor_proto)) <= 1 and np.isfinite(event.step)
