"""The files that the benchmark of reading compares hold the same pairs, and its sides read them."""

import csv
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.benchmarks.ours import reading
from clipbench_tf.benchmarks.samples import stored_pairs
from clipbench_tf.data import sources

pytestmark = pytest.mark.slow
COUNT = 40


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The source of each form of the same pairs."""
    folder = tmp_path_factory.mktemp("pairs")
    forms = {
        "tars": stored_pairs.write_tars,
        "table": stored_pairs.write_table,
        "shards": stored_pairs.write_shards,
    }
    return {name: write(folder / name, COUNT) for name, write in forms.items()}


def test_pairs_are_seeded_pictures_of_23_kb_with_captions_of_their_own():
    pairs = list(stored_pairs.pairs(COUNT))
    assert pairs == list(stored_pairs.pairs(COUNT))
    assert 20_000 < np.mean([len(pair.image) for pair in pairs]) < 26_000
    assert len({pair.image for pair in pairs}) == COUNT
    assert len({pair.captions for pair in pairs}) == COUNT


def test_the_tars_hold_the_pairs_as_img2dataset_writes_them(written):
    with tarfile.open(Path(written["tars"]) / "00000.tar") as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}
    assert len(content) == 3 * COUNT
    for pair in stored_pairs.pairs(COUNT):
        assert content[f"{pair.key}.jpg"] == pair.image
        assert content[f"{pair.key}.txt"].decode() == pair.captions[0]


def test_the_table_names_a_picture_file_for_each_caption(written):
    path = Path(written["table"])
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = [((path.parent / row["image"]).read_bytes(), row["caption"]) for row in rows]
    assert found == [(pair.image, pair.captions[0]) for pair in stored_pairs.pairs(COUNT)]


def test_the_shards_hold_the_pairs(written):
    shards = sorted(tf.io.gfile.glob(f"{written['shards']}/train-*.tfrecord"))
    records = [record.numpy() for record in tf.data.TFRecordDataset(shards)]
    assert records == [pair.serialize() for pair in stored_pairs.pairs(COUNT)]


def test_links_make_many_shards_of_one_file(tmp_path):
    source = stored_pairs.write_shards(tmp_path / "linked", 8, per_file=4, copies=3)
    reader = sources.load(source).split("train")
    assert (reader.examples, list(reader.counts)) == (24, [4] * 6)
    assert len({os.stat(path).st_ino for path in reader.paths}) == 2
    read = [reader.read(part, 0, 4) for part in range(6)]
    assert read[0] == read[1] == read[2] != read[3] == read[4] == read[5]


def test_both_sides_read_the_same_pairs(written, tmp_path):
    jobs = [reading.records(source, count=2, batch=8, buffer=16) for source in written.values()]
    for job in jobs:
        job.run()
    answers = {job.answer() for job in jobs}
    assert len(answers) == 1
    fewer = stored_pairs.write_table(tmp_path / "fewer", COUNT - 1)
    assert reading.records(fewer, count=1, batch=8, buffer=16).answer() not in answers


def test_a_repetition_takes_the_next_batches(written, monkeypatch):
    taken = []
    whole = reading.Pipeline.batches

    def watched(pipeline: reading.Pipeline) -> list:
        return (taken.append(batch) or batch for batch in whole(pipeline))

    monkeypatch.setattr(reading.Pipeline, "batches", watched)
    job = reading.batches(written["tars"], count=2, batch=4, buffer=16)
    job.run()
    job.run()
    assert [batch["images"].shape for batch in taken] == [(4, 1, 224, 224, 3)] * 4
    positions = tf.concat([batch["position"] for batch in taken], axis=0)
    assert positions.numpy().tolist() == list(range(16))


def test_records_from_the_middle_tell_the_peak_memory_of_the_process(written):
    held = bytearray(b"x") * (200 << 20)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    del held
    job = reading.records_from(written["shards"], count=1, batch=8, buffer=16, start=30)
    (peak,) = job.answer()
    assert 200e6 < 0.99 * resident < peak < 100e9


def test_the_first_record_is_the_one_at_the_position(written, monkeypatch):
    starts = []
    whole = reading.shuffled_stream

    def watched(*arguments, start: int, **others):
        starts.append(start)
        return whole(*arguments, start=start, **others)

    monkeypatch.setattr(reading, "shuffled_stream", watched)
    reading.first_record(written["shards"], start=25).run()
    assert starts == [25]
