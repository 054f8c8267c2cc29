"""The statistics of captions (Table 2) as a step of a Beam pipeline."""

import dataclasses
from typing import Any

import apache_beam as beam

from clipbench_tf.data.preparation import shards
from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.units import Plan
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics, CaptionSummary


class MergeStatistics(beam.CombineFn):
    """Merges `CaptionStatistics` of parts of a data set into a `CaptionSummary`."""

    def create_accumulator(self) -> CaptionStatistics:
        return CaptionStatistics()

    def add_input(self, total: CaptionStatistics, part: CaptionStatistics) -> CaptionStatistics:
        total.merge(part)
        return total

    def merge_accumulators(self, totals: list[CaptionStatistics]) -> CaptionStatistics:
        merged = CaptionStatistics()
        for total in totals:
            merged.merge(total)
        return merged

    def extract_output(self, total: CaptionStatistics) -> CaptionSummary:
        return total.result()


class ShardStatistics(beam.PTransform):
    """Names of shards that are written -> a file with the summary of each split."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        return (
            names
            | "Load" >> beam.Map(_load, self._plan)
            | "Merge" >> beam.CombinePerKey(MergeStatistics())
            | "Write" >> beam.Map(_write, self._plan)
        )


def summary(plan: Plan, split: str) -> dict[str, Any] | None:
    """The numbers of a split; None if they were not asked for."""
    return output_files.read_json(_file(plan, split))


def _load(name: str, plan: Plan) -> tuple[str, CaptionStatistics]:
    return shards.split_of(name), shards.statistics(plan, name)


def _write(found: tuple[str, CaptionSummary], plan: Plan) -> None:
    split, result = found
    numbers = dataclasses.asdict(result)
    lists = ("lengths", "frequent")  # long ones, for which there is scripts/dataset_stats.py
    content = {name: number for name, number in numbers.items() if name not in lists}
    output_files.write_json(_file(plan, split), content)


def _file(plan: Plan, split: str) -> str:
    return f"{plan.work}/statistics-{split}.json"
