"""Linear probe: logistic regression on frozen features, on all training pictures and k-shot."""

from collections.abc import Iterator, Sequence

import numpy as np

from clipbench_tf.data import sources
from clipbench_tf.evaluation.encoders import Encoders
from clipbench_tf.evaluation.probes import draws
from clipbench_tf.evaluation.probes.features import (
    Features,
    Told,
    check_apart,
    class_count,
    frozen_splits,
    silent,
)
from clipbench_tf.evaluation.probes.fits import Fits
from clipbench_tf.evaluation.probes.linear_result import LinearResult, Trained
from clipbench_tf.evaluation.probes.logistic import MAX_ITERATIONS, Keep, Logistic, LogisticFit
from clipbench_tf.evaluation.probes.regularization import search
from clipbench_tf.evaluation.probes.scoring import scored

HELD_OUT = 0.2  # of each class
UNCHOSEN = 1.0  # the strength where there is no picture to choose it on
TRIED = 1e-5  # tolerance of the fits of the search, in float32; the final one's is a tenth of it


class LinearProbe:
    """Top-1 and top-5 accuracy of logistic regression on frozen features (`Logistic`).

    The strength of the penalty is chosen on a fifth of each class's training pictures, held out
    (`hold_out`, `search`); then the regression is fitted again on all. With k shots, k pictures of
    each class are drawn, and the same is done with these alone; each repeat draws others. With one
    shot nothing can be held out, and the strength is `UNCHOSEN`. A class that has fewer than k
    pictures gives all it has. A class without training pictures is never found.

    Args:
        encoders: the model, in memory or loaded.
        dataset: has both splits, labelled.
        train_split: the split to fit on.
        split: the split to score.
        shots: the numbers k, and None for all pictures.
        repeats: draws for each k.
        seed: of all draws.
        batch_size: pictures encoded together.
        at_most: number of pictures of each split to read, at equal distances; all by default.
        max_iterations: of L-BFGS in each fit.
        told: is told of the progress.
        keep: where fits are kept, so that a killed probe goes on.

    Raises:
        DatasetError: for a split that does not exist, or two that are the same.
        ValueError: for no or impossible shots or repeats.
    """

    def __init__(
        self,
        encoders: Encoders,
        dataset: sources.Dataset,
        *,
        train_split: str = "train",
        split: str = "test",
        shots: Sequence[int | None] = (None,),
        repeats: int = 5,
        seed: int = 0,
        batch_size: int = 128,
        at_most: int | None = None,
        max_iterations: int = MAX_ITERATIONS,
        told: Told = silent,
        keep: Keep | None = None,
    ) -> None:
        check_apart(dataset, train_split, split)
        if not shots or any(k is not None and k < 1 for k in shots) or repeats < 1:
            raise ValueError(
                f"Shots {list(shots)} with {repeats} repeats; give 1 or more of each, or None "
                "among the shots for all pictures."
            )
        self.encoders, self.dataset = encoders, dataset
        self.train_split, self.split = train_split, split
        self.shots, self.repeats, self.seed = tuple(dict.fromkeys(shots)), repeats, seed
        self.batch_size, self.at_most = batch_size, at_most
        self.max_iterations, self.told, self.keep = max_iterations, told, keep

    def run(self) -> Iterator[tuple[str, float]]:
        """Yields (name, value), e.g. ("linear_probe/test/top1", 0.61), ".../4_shot_top1"."""
        result = self.results()
        for shots, trained in result.trained.items():
            few = "" if shots is None else f"{shots}_shot_"
            for k in trained[0].result.credits:
                yield f"linear_probe/{self.split}/{few}top{k}", result.top(shots, k)

    def results(self) -> LinearResult:
        """Encodes both splits with the model's present weights, fits and scores.

        Raises:
            DatasetError: as `frozen` does, or if all training pictures are of one class.
            FloatingPointError: if features are not finite.
        """
        train, test = frozen_splits(
            self.encoders,
            self.dataset,
            {self.train_split: self.at_most, self.split: self.at_most},
            batch_size=self.batch_size,
            told=self.told,
        )
        return self.of(train, test)

    def of(self, train: Features, test: Features) -> LinearResult:
        """The same for features that are already there, as `frozen` makes them."""
        self._check(train, test)
        classes = class_count(self.dataset, train, test)
        repeats = {k: 1 if k is None else self.repeats for k in self.shots}
        sizes = np.bincount(train.labels)
        pictures = [sizes.sum() if k is None else np.minimum(sizes, k).sum() for k in self.shots]
        fits = Fits(np.repeat(pictures, list(repeats.values())).tolist(), self.told)
        trained = {
            k: tuple(
                self._trained(train, test, classes, k, repeat, fits) for repeat in range(count)
            )
            for k, count in repeats.items()
        }
        return LinearResult(
            train_split=self.train_split,
            train_corrupt=train.corrupt,
            train_classes=len(np.unique(train.labels)),
            trained=trained,
            feature_kind=self.encoders.feature_kind,
        )

    def _trained(
        self,
        train: Features,
        test: Features,
        classes: int,
        k: int | None,
        repeat: int,
        fits: Fits,
    ) -> Trained:
        """The probe on k shots, or on all pictures if that is None."""
        values, labels, draw = train.values, train.labels, f"{k or 'all'}-{repeat}"
        if k is not None:
            rows = draws.shots(labels, k, self.seed, repeat)
            values, labels = values[rows], labels[rows]
        kept, held = draws.hold_out(labels, HELD_OUT, self.seed, repeat, k or 0)
        strength, begin, done = UNCHOSEN, None, list[LogisticFit]()
        if len(held):
            strength, begin, done = self._chosen(values, labels, kept, held, draw, fits)
        last = Logistic(
            values,
            labels,
            max_iterations=self.max_iterations,
            keep=self.keep,
            name=f"final-{draw}",
            begin=begin,
        )
        final = fits.fit(last, strength, last=True)
        done.append(final)
        sizes = np.bincount(labels)
        return Trained(
            result=scored(
                test,
                self.split,
                lambda features: final.scores(features, classes),
                classes=classes,
                known=final.known,
            ),
            pictures=len(labels),
            short=int(np.sum((sizes > 0) & (sizes < (k or 0)))),
            strength=strength,
            chosen_on=len(held),
            fits=len(done),
            unconverged=sum(not fit.converged for fit in done),
            converged=final.converged,
        )

    def _chosen(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        kept: np.ndarray,
        held: np.ndarray,
        draw: str,
        fits: Fits,
    ) -> tuple[float, LogisticFit, list[LogisticFit]]:
        """The strength that is best on the rows `held` after fits on those `kept`.

        Returns:
            The strength, the fit at it, and all fits.
        """
        logistic = Logistic(
            values[kept],
            labels[kept],
            max_iterations=self.max_iterations,
            tolerance=TRIED,
            precision=np.float32,
            keep=self.keep,
            name=f"tried-{draw}",
        )
        done: list[LogisticFit] = []

        def quality(strength: float) -> tuple[float, ...]:
            done.append(fits.fit(logistic, strength))
            return done[-1].quality(values[held], labels[held])

        best = search(quality)
        return best, logistic.fit(best), done

    def _check(self, train: Features, test: Features) -> None:
        if len(np.unique(train.labels)) < 2:
            raise sources.DatasetError(
                f"Split {self.train_split} of data set {self.dataset.name} has pictures of one "
                "class only; a linear probe needs two or more."
            )
        for split, features in ((self.train_split, train), (self.split, test)):
            if not np.isfinite(features.values).all():
                raise FloatingPointError(
                    f"Pictures of split {split} have features that are not finite: the model's "
                    "weights have diverged; use an earlier checkpoint."
                )
