"""The results of a finished run: accuracies, record, export, projector, and what to do next."""

import shlex
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from clipbench_tf import record
from clipbench_tf.callbacks.tensorboard.projector import Points, write_projector
from clipbench_tf.callbacks.tensorboard.tensorboard_log import TensorBoardLog
from clipbench_tf.checkpoints.checkpoints import Checkpoints
from clipbench_tf.checkpoints.disk import WRITE_ERRORS, reason
from clipbench_tf.data.checksum import data_checksum, texts_checksum
from clipbench_tf.data.pipeline import Pipeline
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.split_result import SplitResult
from clipbench_tf.evaluation.zero_shot import ZeroShot
from clipbench_tf.export.saved_model import export
from clipbench_tf.features import unit
from clipbench_tf.invocation import command

_POINTS = 2000  # pictures in the projector


class ResultsError(RuntimeError):
    """The results of a finished run could not be written; the message names the remedy."""


class RunResults:
    """Evaluates a trained method and writes the results into its run folder.

    Args:
        workdir: the run folder.
        encoders: the trained method, as an evaluator sees it.
        evaluation: the zero-shot evaluation to report.
        pipeline: the training data, for the record.
    """

    def __init__(
        self, workdir: Path, encoders: MethodEncoders, evaluation: ZeroShot, pipeline: Pipeline
    ) -> None:
        self.workdir, self.encoders = workdir, encoders
        self.evaluation, self.pipeline = evaluation, pipeline

    def write(self, tensorboard: TensorBoardLog, checkpoints: Checkpoints) -> dict:
        """Writes `saved_model/`, `record.json` and the projector; returns the record.

        Args:
            tensorboard: receives the accuracies too.
            checkpoints: know the step and the time that the run took.

        Raises:
            ResultsError: if they could not be written; they are printed all the same.
        """
        results = self.evaluation.results()
        step, seconds = checkpoints.step(), checkpoints.seconds()
        self._report(results, step, seconds)
        try:
            facts = self._write(results, tensorboard, step, seconds)
        except WRITE_ERRORS as error:
            raise ResultsError(
                f"The results could not be written in {self.workdir}: {reason(error)}. Make room, "
                f"or make the folder writable, and start the same command again: it goes on from "
                f"the last checkpoint, {checkpoints.latest}."
            ) from error
        print(
            f"\nLook at the run:      tensorboard --logdir={self._quoted('tensorboard')}\n"
            f"Evaluate the export:  {command('evaluate')} "
            f"--saved_model={self._quoted('saved_model')} "
            f"--dataset={shlex.quote(self.evaluation.dataset.source)} "
            f"--splits={shlex.quote(','.join(self.evaluation.splits))}",
            flush=True,
        )
        return facts

    def _quoted(self, name: str) -> str:
        """The path of what is called `name` in the run folder, as a shell reads it."""
        return shlex.quote(str(self.workdir / name))

    def _write(
        self, results: list[SplitResult], tensorboard: TensorBoardLog, step: int, seconds: float
    ) -> dict:
        method, data = self.encoders.method, self.evaluation.dataset
        for result in results:
            for k in result.credits:
                tensorboard.write(step, {f"zero_shot/{result.split}/top{k}": result.top(k)})
        export(
            method,
            self.encoders.tokenizer,
            self.workdir / "saved_model",
            dataset=self.pipeline.dataset.name,
            classes=data.classes,
            templates=self.evaluation.templates,
            scorer=self.encoders.scorer,
            image_size=self.encoders.image_size,
            resize=self.encoders.resize,
        )
        self._project(results[0])
        facts = {
            "method": method.name,
            "dataset": self.pipeline.dataset.name,
            "evaluation_dataset": data.name,
            "scorer": self.encoders.scorer.name,
            "results": [result.record() for result in results],
            "checksums": self._checksums(),
            "steps": step,
            "batch_size": self.pipeline.batch_size,
            "seed": self.pipeline.seed,
            "precision": keras.config.dtype_policy().name,
            "parameters": method.count_params(),
            "wall_time_seconds": round(seconds, 1),
            **record.environment(),
        }
        record.write(facts, self.workdir / "record.json")
        return facts

    def _checksums(self) -> dict[str, str]:
        """Of what the results were made from."""
        data = self.evaluation.dataset
        return {
            "training_data": data_checksum(self.pipeline.dataset, [self.pipeline.split_name]),
            "evaluation_data": data_checksum(data, self.evaluation.splits),
            "class_names": texts_checksum(data.classes),
            "prompts": texts_checksum(self.evaluation.templates),
        }

    def _project(self, result: SplitResult) -> None:
        """Puts class names and the first test pictures into TensorBoard's projector."""
        data = self.evaluation.dataset
        names = [
            unit(self.encoders.texts(tf.constant(data.classes[start : start + 512])).embedding)
            for start in range(0, len(data.classes), 512)
        ]
        pictures, embeddings, labels = [], [], []
        for _, encoded, numbers in self.evaluation.batches(result.split).take(
            -(-_POINTS // self.evaluation.batch_size)
        ):
            pixels, valid = self.encoders.pixels(encoded)
            pictures.append(pixels[valid])
            embeddings.append(unit(self.encoders.images(pixels[valid]).embedding))
            labels += [data.classes[int(n)] for n in numbers[valid]]
        write_projector(
            self.workdir / "tensorboard",
            [
                Points("class_names", np.concatenate(names), data.classes),
                Points(
                    f"{result.split}_pictures",
                    np.concatenate(embeddings),
                    labels,
                    np.concatenate(pictures),
                ),
            ],
        )

    def _report(self, results: list[SplitResult], step: int, seconds: float) -> None:
        print(
            f"\nZero-shot accuracy of {self.encoders.method.name} after {step} steps "
            f"({seconds / 60:.1f} min), {len(self.evaluation.templates)} prompts a class:"
        )
        for result in results:
            print(f"  {result.line()}", flush=True)
