"""Shards at any place: what TensorFlow's own reader gives, and what damage becomes."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.readers import index, tfrecords
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tfrecords import BESIDE, TFRecordReader

RECORDS = [b"", b"a", b"\x00" * 10, bytes(range(256)) * 300, b"last"]


def write(path, records=RECORDS) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


@pytest.fixture
def shard(tmp_path) -> str:
    return write(tmp_path / "a.tfrecord")


def beside(shard: str) -> str:
    tfrecords.scan(shard).astype("<u8").tofile(shard + BESIDE)
    return shard


@pytest.mark.parametrize("indexed", [False, True])
def test_every_stretch_is_what_tensorflow_reads(shard, indexed):
    reader = TFRecordReader([beside(shard) if indexed else shard])
    whole = list(tf.data.TFRecordDataset(shard).as_numpy_iterator())
    assert reader.counts == (5,) and reader.examples == 5 and reader.names == ["a.tfrecord"]
    for first in range(5):
        for count in range(1, 6 - first):
            assert reader.read(0, first, count) == whole[first : first + count]


def test_a_shard_without_records(tmp_path):
    assert TFRecordReader([write(tmp_path / "none", [])]).counts == (0,)


def test_a_flipped_bit_is_one_damaged_record_and_the_rest_is_read(shard):
    data = bytearray(Path(shard).read_bytes())
    at = tfrecords.scan(shard)[3] + tfrecords.HEAD + 1000
    data[int(at)] ^= 1
    Path(shard).write_bytes(data)
    read = TFRecordReader([shard]).read(0, 0, 5)
    assert [read[n] for n in (0, 1, 2, 4)] == [RECORDS[n] for n in (0, 1, 2, 4)]
    assert Pair.of(read[3]) == Pair("a.tfrecord:3", problem="damaged record")


@pytest.mark.parametrize("indexed", [False, True])
def test_what_a_shard_loses_while_it_is_read_is_damaged_records(shard, indexed):
    reader = TFRecordReader([beside(shard) if indexed else shard])
    whole = reader.read(0, 0, 5)
    for left in (len(Path(shard).read_bytes()) - 1, 20, 3, 0):
        Path(shard).write_bytes(Path(shard).read_bytes()[:left])
        read = reader.read(0, 0, 5)
        kept = sum(end <= left for end in np.cumsum([len(r) + 16 for r in RECORDS]))
        assert read[:kept] == whole[:kept]
        assert {Pair.of(record).problem for record in read[kept:]} == {"damaged record"}


@pytest.mark.parametrize("cut", [3, 14, 17, 700])
def test_a_shard_that_is_cut_short_is_refused_by_name(shard, cut):
    data = Path(shard).read_bytes()
    Path(shard).write_bytes(data[:-cut])
    with pytest.raises(DatasetError, match=r"a\.tfrecord is cut short.*Build or copy it again"):
        len(TFRecordReader([shard]).counts)


@pytest.mark.parametrize("content", [b"\x1f\x8b" + b"z" * 50, b"no record at all, just text"])
def test_what_is_no_tfrecord_is_refused(tmp_path, content):
    (tmp_path / "x.tfrecord").write_bytes(content)
    with pytest.raises(DatasetError, match="compressed or no TFRecord"):
        len(TFRecordReader([str(tmp_path / "x.tfrecord")]).counts)


def test_an_index_of_another_file_is_refused(shard, tmp_path):
    beside(write(tmp_path / "b.tfrecord", RECORDS[:3]))
    (tmp_path / f"b.tfrecord{BESIDE}").rename(shard + BESIDE)
    with pytest.raises(DatasetError, match="is not the index of"):
        TFRecordReader([shard], 3, [3]).read(0, 0, 1)


def test_a_count_that_is_wrong_is_told_when_the_shard_is_read(shard):
    reader = TFRecordReader([shard], 4, [4], description="data/dataset.json")
    with pytest.raises(DatasetError, match=r"holds 5 records, but data/dataset\.json counts 4"):
        reader.read(0, 0, 4)


def test_the_index_of_a_large_file_is_kept_until_the_file_changes(shard, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "KEPT_FROM", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scanned = []
    scan = tfrecords.scan
    monkeypatch.setattr(tfrecords, "scan", lambda path: scanned.append(path) or scan(path))
    for _ in range(2):
        assert TFRecordReader([shard]).read(0, 4, 1) == [b"last"]
    assert scanned == [shard]
    write(shard, [*RECORDS, b"one more"])
    assert TFRecordReader([shard]).counts == (6,)
    assert scanned == [shard, shard]
    for kept in index.folder().iterdir():
        kept.write_bytes(b"damaged")
    assert TFRecordReader([shard]).counts == (6,)
    assert len(scanned) == 3


def test_an_index_that_cannot_be_kept_is_made_anew(shard, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "KEPT_FROM", 0)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert TFRecordReader([shard]).read(0, 1, 1) == [b"a"]


def test_the_checksum_is_the_one_of_the_format(shard):
    data = Path(shard).read_bytes()
    start = int(tfrecords.scan(shard)[1])
    stored = np.frombuffer(data[start + 13 : start + 17], "<u4")[0]
    assert tfrecords.masked_crc(b"a") == stored
