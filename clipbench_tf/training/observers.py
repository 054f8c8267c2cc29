"""What is observed beside zero-shot while a run trains, as far as data and method allow."""

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from clipbench_tf.callbacks.periodic_evaluation import Observer, Results
from clipbench_tf.data import sources
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.selection import Selection, evenly_spread
from clipbench_tf.data.text.cleaning import clean
from clipbench_tf.evaluation.alignment import Alignment, Alignments, token_objective
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.probes.nearest_neighbours import NearestNeighbours
from clipbench_tf.evaluation.retrieval.retrieval import Retrieval

PAIRS = 4  # whose alignment is drawn
NEIGHBOURS = 4  # times as many pictures as are observed, among which nearest neighbours are sought
TRAIN = "train"  # the split of those
Draw = Callable[[int, Sequence[Alignment]], None]
Say = Callable[[str], None]


def observers(
    encoders: MethodEncoders,
    dataset: sources.Dataset,
    *,
    split: str,
    at_most: int,
    draw: Draw,
    say: Say = print,
) -> list[Observer]:
    """What can be observed on a part of `split`.

    These are the alignment of patches and words of a few pairs, for a method that has one,
    retrieval in both directions, and a probe by nearest neighbours in the split "train". Whether a
    split has captions or labels shows in `PAIRS` of its records, at equal distances. An observer
    that fails later ends no run: it is left out from then on.

    Args:
        encoders: the method.
        dataset: the evaluation's.
        split: has the pictures to observe.
        at_most: how many of them, at equal distances; 0 for no observers.
        draw: is given the step and the alignments.
        say: is told in a line what is not observed, and why.

    Raises:
        ValueError: for an `at_most` below 0.
    """
    made: list[Observer] = []
    if not at_most:
        return made
    sample = _sample(dataset, split)
    captioned = [pair for pair in sample if _captions(pair)]
    if token_objective(encoders) and captioned:
        alignments = _alignments(encoders, captioned)

        def observe(step: int) -> Results:
            draw(step, alignments.run())
            return ()

        made.append(_harmless("The alignment of patches and words", observe, say))
    if captioned:
        retrieval = Retrieval(encoders, dataset, split=split, at_most=at_most)
        made.append(_harmless("Retrieval", lambda step: retrieval.run(), say))
    else:
        say(f"Retrieval is not observed: split {split} of {dataset.name} has no captions.")
    if reason := _no_neighbours(dataset, split, sample):
        say(f"Nearest neighbours are not observed: {reason}.")
    else:
        seen = min(at_most, dataset.split(split).examples)
        probe = NearestNeighbours(
            encoders, dataset, split=split, at_most=at_most, train_at_most=NEIGHBOURS * seen
        )
        made.append(_harmless("The probe by nearest neighbours", lambda step: probe.run(), say))
    return made


def _sample(dataset: sources.Dataset, split: str) -> list[Pair]:
    """Some pairs of a split, without those that cannot be read."""
    reader = dataset.split(split)
    chosen = Selection(reader, evenly_spread(reader.examples, PAIRS))
    with sources.explained(dataset.name) as failed:
        records = sources.records(chosen, failed=failed).as_numpy_iterator()
        return [pair for pair in map(Pair.of, records) if not pair.problem]


def _no_neighbours(dataset: sources.Dataset, split: str, sample: Sequence[Pair]) -> str:
    """Why neighbours of `split`, of which `sample` is a part, cannot be sought; "" if they can."""
    if split == TRAIN or TRAIN not in dataset.splits:
        return f"{dataset.name} has no split {TRAIN} beside {split}"
    for name, pairs in ((split, sample), (TRAIN, _sample(dataset, TRAIN))):
        if not pairs or min(pair.label for pair in pairs) < 0:
            return f"split {name} of {dataset.name} has no labels"
    return ""


def _alignments(encoders: MethodEncoders, pairs: Sequence[Pair]) -> Alignments:
    """Those of `pairs`, of each the caption with most words; what is no picture is black."""
    encoded = tf.constant([pair.image for pair in pairs], tf.string)
    pixels, _ = encoders.pixels(encoded)
    longest = [max(_captions(pair), key=lambda text: len(text.split())) for pair in pairs]
    return Alignments(encoders, pixels.numpy(), longest)


def _captions(pair: Pair) -> list[str]:
    """Those of a pair that are not empty, cleaned."""
    return [text for text in map(clean, pair.captions) if text]


def _harmless(name: str, observer: Observer, say: Say) -> Observer:
    """`observer`, which says why it fails instead of failing, and then observes nothing more."""
    failed = False

    def observe(step: int) -> Iterator[tuple[str, float]]:
        nonlocal failed
        if failed:
            return
        try:
            yield from tuple(observer(step))
        except (ValueError, OSError, tf.errors.OpError) as error:
            failed = True
            say(f"{name} is not observed any more: {error}")

    return observe
