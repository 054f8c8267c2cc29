"""The statistics of Table 2 as a Beam step: the same as in one pass."""

import dataclasses
import json

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from clipbench_tf.data.preparation.engine.beam_run import Where
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.prepare import prepare
from clipbench_tf.data.preparation.statistics_step import MergeStatistics
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics
from tests.data.preparation.inputs import made_pairs

CAPTIONS = ["a dog", "a black cat 12", "zzqq a", "dog dog dog dog"]


def counted(*captions: str) -> CaptionStatistics:
    found = CaptionStatistics()
    for caption in captions:
        found.add(caption)
    return found


def test_parts_are_merged_to_what_one_pass_gives():
    expected = counted(*CAPTIONS).result()
    runner = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
    with beam.Pipeline(runner=runner) as pipeline:
        merged = (
            pipeline
            | beam.Create([counted(*CAPTIONS[:1]), counted(*CAPTIONS[1:3]), counted(CAPTIONS[3])])
            | beam.Map(lambda part: ("train", part))
            | beam.CombinePerKey(MergeStatistics())
        )
        assert_that(merged, equal_to([("train", expected)]))


def test_the_manifest_has_the_numbers_of_each_split(tmp_path):
    splits = {"train": made_pairs.pairs(30), "test": made_pairs.pairs(4, first=30)}
    source = made_pairs.write(tmp_path / "in", **splits)
    output = tmp_path / "out"
    prepare(Options(source, shard_pairs=8), str(output), Where(), tell=lambda line: None)
    manifest = json.loads((output / "manifest.json").read_text())
    for split, pairs in splits.items():
        captions = [caption for pair in pairs for caption in pair.captions]
        expected = dataclasses.asdict(counted(*captions).result())
        assert manifest["output"][split]["statistics"] == {
            name: value for name, value in expected.items() if name not in ("lengths", "frequent")
        }
