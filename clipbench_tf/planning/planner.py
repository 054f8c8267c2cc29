"""Plans the run of gin files on devices, with a remedy if it does not fit."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from clipbench_tf.planning import from_gin, remedies, report
from clipbench_tf.planning.costs import blueprint
from clipbench_tf.planning.costs.devices import Device
from clipbench_tf.planning.costs.step_time import automatic
from clipbench_tf.planning.costs.workload import workload
from clipbench_tf.planning.data_set import Pairs
from clipbench_tf.planning.plan import Plan, plan
from clipbench_tf.planning.remedies import Remedy


@dataclasses.dataclass(frozen=True)
class PlannedRecipe:
    """The plan of a named recipe, its data, and the remedy if it does not fit."""

    name: str
    plan: Plan
    pairs: Pairs
    remedy: Remedy | None
    epochs: float

    def text(self) -> str:
        """The report, tables and sentences."""
        return report.text(self.name, self.plan, self.pairs, self.remedy, f"{self.epochs:g} epochs")

    def as_dict(self) -> dict[str, Any]:
        """The content of the report, for JSON."""
        remedy = None
        if self.remedy is not None:
            remedy = {"flags": list(self.remedy.flags), **self.remedy.plan.as_dict()}
        return {
            "name": self.name,
            "examples": self.pairs.examples,
            "examples_from": self.pairs.source,
            "epochs": self.epochs,
            **self.plan.as_dict(),
            "remedy": remedy,
        }


def plan_recipe(
    files: Sequence[str],
    bindings: Sequence[str],
    *,
    device: Device,
    count: int,
    examples: int | None = None,
    text_length: int | None = None,
) -> PlannedRecipe:
    """The plan of the run that gin `files` and `bindings` describe, on `count` devices.

    Args:
        examples: pairs in the data set, if not those that are known.
        text_length: positions of the longest caption in a batch; by default the whole context,
            because among thousands of captions one fills it.

    Raises:
        ValueError: for what cannot run; the message names the remedy.
    """
    if count < 1:
        raise ValueError(f"--devices is {count}; it must be at least 1.")
    trainer, pairs = from_gin.build(files, bindings, examples, automatic(device))
    method, pipeline = trainer.method, trainer.pipeline
    context = method.text_encoder.context_length
    length = context if text_length is None else text_length
    if not 3 <= length <= context:
        raise ValueError(
            f"--text_length is {length}; it must be from 3 to context_length, {context}."
        )
    work = workload(
        method,
        pipeline,
        replicas=count,
        text_length=length,
        # Captions of unknown length count as full, so that memory is not underestimated.
        caption_tokens=pairs.caption_tokens or length - 2,
    )
    blueprint.create_variables(method, pipeline, length)
    found = plan(method, work, device, trainer.total_steps)
    remedy = None if found.fits else remedies.first_that_fits(method, found)
    return PlannedRecipe(method.name, found, pairs, remedy, trainer.recipe.epochs)
