"""The training run: everything wired, trained through `Model.fit`, evaluated and exported."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from clipbench_tf.data import sources
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import Scorer, cosine
from clipbench_tf.evaluation.zero_shot import ZeroShot
from clipbench_tf.method import Method
from clipbench_tf.training.checkpoints import BestCheckpoint, Checkpoints, SaveCheckpoints
from clipbench_tf.training.log_scalars import LogScalars
from clipbench_tf.training.metrics_log import MetricsLog
from clipbench_tf.training.outcome import Outcome
from clipbench_tf.training.periodic_evaluation import PeriodicEvaluation
from clipbench_tf.training.progress import Progress
from clipbench_tf.training.recipe import Recipe
from clipbench_tf.training.tensorboard_log import TensorBoardLog
from clipbench_tf.training.throughput import Throughput


class Trainer:
    """One run of one method in one folder; the same command goes on where it stopped.

    Args:
        workdir: the run folder.
        strategy: where the replicas are.
        method: the model to train.
        pipeline: the training data.
        recipe: length, optimizer and schedule.
        evaluation_dataset: classes, prompts and pictures of the zero-shot evaluation.
        scorer: makes the similarity that evaluation and export use (`scorers.cosine` or
            `scorers.late_interaction`).
        evaluation_resize: the shorter side of a picture becomes that times the image size before
            its centre is cut out; 1 where pictures fill their frame.
        evaluation_splits: scored when training ends.
        validation_split: scored at intervals, with one prompt a class; it alone chooses the best
            checkpoint.
        evaluations: number of intervals.
        checkpoint_every: steps between checkpoints.
        log_every: steps between entries of the logs.
        keep_checkpoints: how many of the latest stay on disk, beside the best.
    """

    def __init__(
        self,
        *,
        workdir: Path,
        strategy: tf.distribute.Strategy,
        method: Method,
        pipeline: Pipeline,
        recipe: Recipe,
        evaluation_dataset: str,
        scorer: Callable[[Method], Scorer] = cosine,
        evaluation_resize: float = 256 / 224,
        evaluation_splits: Sequence[str] = ("test", "zero_shot"),
        validation_split: str = "validation",
        evaluations: int = 8,
        checkpoint_every: int = 1000,
        log_every: int = 10,
        keep_checkpoints: int = 3,
    ) -> None:
        self.workdir, self.strategy = Path(workdir), strategy
        self.method, self.pipeline, self.recipe = method, pipeline, recipe
        self.dataset = sources.load(evaluation_dataset)
        self.encoders = MethodEncoders(
            method,
            tokenizer=pipeline.tokenizer,
            scorer=scorer(method),
            image_size=method.image_encoder.image_size,
            resize=evaluation_resize,
        )
        self.evaluation = ZeroShot(self.encoders, self.dataset, splits=evaluation_splits)
        self.validation = ZeroShot(
            self.encoders,
            self.dataset,
            splits=[validation_split],
            templates=self.dataset.templates[:1],
        )
        self.best_by = f"zero_shot/{validation_split}/top1"
        recipe.schedule(pipeline.steps_per_epoch)  # an impossible one is an error now, not later
        self.total_steps = recipe.total_steps(pipeline.steps_per_epoch)
        self.interval = max(1, -(-self.total_steps // evaluations))
        self.checkpoint_every, self.log_every = checkpoint_every, log_every
        self.keep_checkpoints = keep_checkpoints

    def run(self, config: str = "") -> dict:
        """Trains, evaluates, exports; returns the record. `config` is shown in TensorBoard."""
        with self.strategy.scope():
            checkpoints = self.prepare()
            before = checkpoints.step()
            tensorboard = TensorBoardLog(self.workdir / "tensorboard", resumed_at=before)
            if before < self.total_steps:
                tensorboard.write_text(before, "config", config)
            self.fit(checkpoints, tensorboard)
            outcome = Outcome(self.workdir, self.encoders, self.evaluation, self.pipeline)
            return outcome.write(tensorboard, checkpoints)

    def prepare(self) -> Checkpoints:
        """Creates all variables and restores the latest checkpoint, if there is one."""
        self.method.build(next(iter(self.pipeline.batches())))
        optimizer = self.recipe.optimizer(
            self.method.trainable_variables, self.pipeline.steps_per_epoch
        )
        self.method.compile(optimizer=optimizer)
        # In float16, Keras has put a loss scale around it, which the checkpoints must know of.
        self.method.optimizer.build(self.method.trainable_variables)
        checkpoints = Checkpoints(
            self.workdir / "checkpoints", self.method, keep=self.keep_checkpoints
        )
        step = checkpoints.restore()
        print(f"{self.method.name}: {self.method.count_params():,} parameters, {self.workdir}")
        if step:
            print(f"Going on from step {step} of {self.total_steps}.", flush=True)
        return checkpoints

    def fit(self, checkpoints: Checkpoints, tensorboard: TensorBoardLog) -> None:
        """Trains to the last step through `Model.fit`.

        Raises:
            CorruptDataError: if too many records cannot be decoded.
        """
        callbacks = self.callbacks(checkpoints, tensorboard)
        for first, last, steps in segments(checkpoints.step(), self.total_steps, self.interval):
            try:
                self.method.fit(
                    self.pipeline.batches(int(self.method.position.numpy())),
                    initial_epoch=first,
                    epochs=last,
                    steps_per_epoch=steps,
                    callbacks=callbacks,
                    shuffle=False,
                    verbose=0,
                )
            except tf.errors.OpError:
                if self.pipeline.corrupt.error is not None:
                    raise self.pipeline.corrupt.error from None
                raise

    def callbacks(
        self, checkpoints: Checkpoints, tensorboard: TensorBoardLog
    ) -> list[keras.callbacks.Callback]:
        """What watches the run. The order matters: measure, log, evaluate, save."""
        total, step = self.total_steps, checkpoints.step()
        metrics = MetricsLog(self.workdir / "metrics.jsonl", resumed_at=step)
        throughput = Throughput(self.pipeline.batch_size)
        progress = Progress(total, throughput)
        best = BestCheckpoint(checkpoints, self.best_by)
        if step < total:
            views = next(iter(self.pipeline.batches(int(self.method.position.numpy()))))
            tensorboard.write_views(step, views, self.pipeline.tokenizer.decode)
        return [
            throughput,
            LogScalars(
                self.log_every,
                total,
                [metrics, tensorboard],
                throughput=throughput,
                steps_per_epoch=self.pipeline.steps_per_epoch,
            ),
            progress,
            PeriodicEvaluation(
                self.interval, total, self.validation.run, [progress, metrics, tensorboard, best]
            ),
            SaveCheckpoints(checkpoints, self.checkpoint_every, progress.say),
        ]


def segments(step: int, total: int, interval: int) -> list[tuple[int, int, int]]:
    """What is left to train, as arguments for `fit`: first epoch, last epoch, steps of each.

    An epoch of Keras is here the interval between two evaluations. A run that was stopped
    inside one ends it first; the last one may be short.
    """
    parts = []
    while step < total:
        epoch, inside = divmod(step, interval)
        whole = (total - step) // interval
        if inside or not whole:
            steps, count = min(interval - inside, total - step), 1
        else:
            steps, count = interval, whole
        parts.append((epoch, epoch + count, steps))
        step += steps * count
    return parts
