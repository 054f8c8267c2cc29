"""The training run: everything wired, trained through `Model.fit`, evaluated and exported."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import keras
import tensorflow as tf

from clipbench_tf.callbacks.metrics_log import MetricsLog
from clipbench_tf.callbacks.non_finite import NonFinite
from clipbench_tf.callbacks.periodic_evaluation import PeriodicEvaluation
from clipbench_tf.callbacks.progress import Progress
from clipbench_tf.callbacks.save_checkpoints import SaveCheckpoints
from clipbench_tf.callbacks.tensorboard.tensorboard_log import TensorBoardLog
from clipbench_tf.callbacks.throughput import Throughput
from clipbench_tf.checkpoints.best import BestCheckpoint
from clipbench_tf.checkpoints.checkpoints import CheckpointError, Checkpoints, latest
from clipbench_tf.data import sources
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.distribution import lost_workers, replicas
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import Scorer, cosine
from clipbench_tf.evaluation.zero_shot import ZeroShot
from clipbench_tf.method import Method
from clipbench_tf.optimization.recipe import Recipe
from clipbench_tf.training import initialization
from clipbench_tf.training.compatibility import check_compatible
from clipbench_tf.training.observers import observers
from clipbench_tf.training.results import RunResults
from clipbench_tf.training.segments import segments

SPLITS, VALIDATION = ("test", "zero_shot"), "validation"
Log = TypeVar("Log", MetricsLog, TensorBoardLog)


class Trainer:
    """One training run of one method in one folder; a stopped run is resumed.

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
        evaluation_splits: scored when training ends; of a data set that has not both of the
            default, those of `Dataset.scored`.
        validation_split: scored at intervals, with one prompt a class; it alone chooses the best
            checkpoint. Of a data set without the default, the first that is scored at the end.
        evaluations: number of intervals.
        evaluation_pictures: of the validation split, for what else `observers` see; 0 for nothing.
        evaluation_share: of the run's time, for all evaluation at intervals: what is observed waits
            until it fits in, or for the last step.
        checkpoint_every: steps between checkpoints.
        log_every: steps between entries of the logs.
        keep_checkpoints: how many of the latest stay on disk, beside the best.
        must_save: whether a checkpoint that cannot be written ends the run, which else goes on.
        skip_non_finite: steps in a row that are skipped where loss or gradient is not finite; one
            more ends the run.
        init_from: the folder of another run or of converted weights that the run begins with, or
            one for each of some parts ('image', 'text', 'temperature', an objective's name). What
            is not there begins at random. The validation split is scored before the first step.

    Raises:
        ValueError: if the global batch does not divide among the replicas, or what each gets into
            chunks, shards of several workers do not hold what dataset.json says, an objective
            counts padding that the pipeline trims, or the recipe's layer-wise decay is not for
            these towers.
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
        evaluation_splits: Sequence[str] = SPLITS,
        validation_split: str = VALIDATION,
        evaluations: int = 8,
        evaluation_pictures: int = 500,
        evaluation_share: float = 0.05,
        checkpoint_every: int = 1000,
        log_every: int = 10,
        keep_checkpoints: int = 3,
        must_save: bool = False,
        skip_non_finite: int = 0,
        init_from: str | Mapping[str, str] | None = None,
    ) -> None:
        check_compatible(strategy, method, pipeline)
        self.workdir, self.strategy = Path(workdir), strategy
        self.method, self.pipeline, self.recipe = method, pipeline, recipe
        self.dataset = sources.load(evaluation_dataset)
        if tuple(evaluation_splits) == SPLITS:
            evaluation_splits = self.dataset.scored()
        if validation_split == VALIDATION and VALIDATION not in self.dataset.splits:
            validation_split = evaluation_splits[0]
        self.encoders = MethodEncoders(
            method,
            tokenizer=pipeline.tokenizer,
            scorer=scorer(method),
            image_size=method.image_encoder.image_size,
            resize=evaluation_resize,
            exact=True,
        )
        self.evaluation = ZeroShot(self.encoders, self.dataset, splits=evaluation_splits)
        self.validation = ZeroShot(
            self.encoders,
            self.dataset,
            splits=[validation_split],
            templates=self.dataset.templates[:1],
            memory=2**26,
        )
        self.evaluation_pictures, self.evaluation_share = evaluation_pictures, evaluation_share
        self.best_by = f"zero_shot/{validation_split}/top1"
        recipe.schedule(pipeline.steps_per_epoch)  # an impossible one is an error now, not later
        recipe.layer_rates(list(method.towers.values()))
        self.total_steps = recipe.total_steps(pipeline.steps_per_epoch)
        self.interval = max(1, -(-self.total_steps // evaluations))
        self.checkpoint_every, self.log_every = checkpoint_every, log_every
        self.keep_checkpoints, self.must_save = keep_checkpoints, must_save
        self.skip_non_finite, self.init_from = skip_non_finite, init_from

    def run(self, config: str = "") -> dict:
        """Trains, evaluates, exports; returns the record. `config` is shown in TensorBoard.

        The chief alone writes and evaluates; on other workers, what is returned is empty.

        Raises:
            CorruptDataError: if too many records cannot be decoded.
            DatasetError: if files cannot be read any more, or do not hold what they should.
            LostWorkerError: if another worker is gone.
        """
        chief = replicas.is_chief(self.strategy)
        try:
            with self.strategy.scope():
                checkpoints = self.prepare()
                before = checkpoints.step()
                callbacks = self.worker_callbacks(checkpoints)
                if chief:
                    throughput = Throughput(self.pipeline.batch_size)
                    tensorboard = self._open_log(TensorBoardLog, "tensorboard", before, throughput)
                    if before < self.total_steps:
                        tensorboard.write_text(before, "config", config)
                    callbacks = self.chief_callbacks(checkpoints, tensorboard, throughput)
                self.fit(checkpoints, callbacks)
            record = {}
            if chief:
                # Outside the scope, where all workers would have to create new variables together.
                results = RunResults(self.workdir, self.encoders, self.evaluation, self.pipeline)
                record = results.write(tensorboard, checkpoints)
            with self.strategy.scope():
                replicas.barrier(self.strategy)  # no worker leaves while another needs it
        except tf.errors.OpError as error:
            if self.pipeline.corrupt.error is not None:
                raise self.pipeline.corrupt.error from None
            with self.strategy.scope():
                raise lost_workers.explained(error, latest(self.workdir / "checkpoints")) from error
        return record

    def prepare(self) -> Checkpoints:
        """Creates all variables and restores the latest checkpoint, or else the first weights.

        Raises:
            CheckpointError: if workers found different ones.
            InitializationError: if `init_from` does not have the first weights, or they do not fit.
        """
        self.recipe.compile(self.method, self.pipeline.example(), self.pipeline.steps_per_epoch)
        checkpoints = Checkpoints(
            self.workdir / "checkpoints",
            self.method,
            keep=self.keep_checkpoints,
            must_save=self.must_save,
        )
        step = checkpoints.restore()
        steps = replicas.of_workers(self.strategy, step)
        if len(set(steps)) > 1:
            raise CheckpointError(
                f"The workers go on from different steps, {steps}: they must all see the run "
                f"folder {self.workdir}, on a file system that they share."
            )
        if replicas.worker() == 0:
            print(f"{self.method.name}: {self.method.count_params():,} parameters, {self.workdir}")
            if step:
                print(f"Going on from step {step} of {self.total_steps}.", flush=True)
        if checkpoints.latest == "none" and (self.init_from or self.method.locked):
            first = initialization.initialize(self.method, self.init_from, self.strategy)
            if replicas.worker() == 0:
                print(first.summary(), flush=True)
                first.write(self.workdir)
        return checkpoints

    def fit(self, checkpoints: Checkpoints, callbacks: list[keras.callbacks.Callback]) -> None:
        """Trains to the last step through `Model.fit`."""
        with contextlib.ExitStack() as stack:
            for callback in callbacks:
                if isinstance(callback, Progress):  # Keras calls no callback when `fit` raises
                    stack.callback(callback.stop_reporting)
            # Repeated, because skipped steps do not count.
            while checkpoints.step() < self.total_steps:
                self._fit_segments(checkpoints.step(), callbacks)

    def _fit_segments(self, step: int, callbacks: list[keras.callbacks.Callback]) -> None:
        for first, last, steps in segments(step, self.total_steps, self.interval):
            self.method.fit(
                self.batches(),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )

    def batches(self) -> tf.data.Dataset:
        """The remaining batches, distributed over the replicas; each worker reads its own part."""
        positions = self.method.position.numpy()

        def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            worker = context.input_pipeline_id
            batches = self.pipeline.batches(
                int(positions[worker]),
                worker=worker,
                workers=context.num_input_pipelines,
                batch_size=self.pipeline.batch_size // self.strategy.num_replicas_in_sync,
            )
            # Otherwise the workers would synchronise at every step on whether a batch is left.
            return batches.apply(
                tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            )

        return self.strategy.distribute_datasets_from_function(of_worker)

    def worker_callbacks(
        self, checkpoints: Checkpoints, say: Callable[[str], None] = print
    ) -> list[keras.callbacks.Callback]:
        """The callbacks of every worker."""
        return [
            NonFinite(self.pipeline, checkpoints, self.skip_non_finite, say),
            SaveCheckpoints(checkpoints, self.checkpoint_every, self.total_steps, say),
        ]

    def chief_callbacks(
        self, checkpoints: Checkpoints, tensorboard: TensorBoardLog, throughput: Throughput
    ) -> list[keras.callbacks.Callback]:
        """The callbacks of the chief. The order matters: measure, log, evaluate, save."""
        total, step = self.total_steps, checkpoints.step()
        metrics = self._open_log(MetricsLog, "metrics.jsonl", step, throughput)
        progress = Progress(total, throughput)
        evaluation = PeriodicEvaluation(
            self.interval,
            total,
            self.validation.run,
            [progress, metrics, tensorboard, BestCheckpoint(checkpoints, self.best_by)],
            observers=observers(
                self.encoders,
                self.dataset,
                split=self.validation.splits[0],
                at_most=self.evaluation_pictures,
                draw=tensorboard.write_alignments,
                say=progress.say,
            ),
            observer_logs=[metrics, tensorboard],
            share=self.evaluation_share,
        )
        if step < total:
            first = int(self.method.position.numpy()[0])
            views = next(iter(self.pipeline.batches(first, workers=replicas.workers())))
            tensorboard.write_views(step, views, self.pipeline.tokenizer.decode)
        if self.init_from and not step:
            evaluation.act(step, {})
        return [
            throughput,
            metrics,
            tensorboard,
            progress,
            evaluation,
            *self.worker_callbacks(checkpoints, progress.say),
        ]

    def _open_log(self, kind: type[Log], name: str, step: int, throughput: Throughput) -> Log:
        """A log of the run folder, continued at `step`."""
        return kind(
            self.workdir / name,
            resumed_at=step,
            every=self.log_every,
            total_steps=self.total_steps,
            throughput=throughput,
            steps_per_epoch=self.pipeline.steps_per_epoch,
        )
