"""Tars as a data set: keys, options, runs at any place, threads, memory."""

import concurrent.futures
import tarfile
from collections import Counter

import pytest
import tensorflow as tf

from clipbench_tf.data import stream
from clipbench_tf.data.readers import files as reader_files
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from clipbench_tf.data.readers.tars import tars
from clipbench_tf.data.readers.tars.tars import TarReader, open_tars
from tests.data.readers.tars.tar_files import outcomes, pairs, samples, write


def three(folder):
    """Tars of 5, 0 and 9 samples, and what img2dataset writes beside them."""
    for number, count in enumerate((5, 0, 9)):
        write(folder / f"{number:05}.tar", samples(count))
        (folder / f"{number:05}_stats.json").write_text("{}")
        (folder / f"{number:05}.parquet").write_bytes(b"PAR1")
    return folder


def test_pairs_are_those_that_tarfile_finds(tmp_path):
    path = write(tmp_path / "shard.tar", samples(50), tarfile.PAX_FORMAT)
    with tarfile.open(path) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}
    assert pairs(path, 16) == [
        Pair(f"shard/{name[:4]}", data, (content[f"{name[:4]}.txt"].decode(),))
        for name, data in content.items()
        if name.endswith(".jpg")
    ]


@pytest.mark.parametrize("pattern", ["*.tar", "{00000..00002}.tar", "0000[0-2].tar"])
def test_a_pattern_is_one_split_with_a_part_for_each_tar(pattern, tmp_path):
    source = f"{three(tmp_path)}/{pattern}"
    dataset = open_tars(source, {"image": "jpg", "caption": "caption,key"})
    assert dataset.name == tmp_path.name
    assert dataset.source == f"{source}?image=jpg&caption=caption,key"
    reader = dataset.split("train")
    assert reader is dataset.split("validation")
    assert (reader.examples, reader.counts) == (14, (5, 0, 9))
    assert reader.names == ["00000.tar", "00001.tar", "00002.tar"]
    assert reader.read(1, 0, 0) == []
    assert Pair.of(reader.read(2, 8, 1)[0]).captions == ("json 8", "0008")


def test_a_single_tar_gives_its_name(tmp_path):
    path = str(write(tmp_path / "pets.tar", samples(1)))
    assert (open_tars(path, {}).name, open_tars(path, {}).source) == ("pets", path)


def test_keys_are_unique_over_tars_of_the_same_name_in_different_folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "0.tar", samples(2))
    found = {pair.key for pair in pairs(tmp_path / "{a,b}" / "0.tar")}
    assert found == {f"{tmp_path}/{name}/0/000{number}" for name in "ab" for number in range(2)}


def test_a_name_outside_ascii_or_over_100_characters_is_a_key(tmp_path):
    long = "l" * 200
    files = [("猫.jpg", b"i"), ("猫.txt", "t"), (f"{long}.jpg", b"i"), (f"{long}.txt", "u")]
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert outcomes(write(tmp_path / "a.tar", files, form)) == {"猫": "t", long: "u"}


@pytest.mark.parametrize("name", ["0.tar.gz", "0.tgz", "{0..9}.tar.gz", "0.tar.zst"])
def test_a_compressed_tar_is_refused_with_the_remedy(name):
    with pytest.raises(DatasetError, match=r"is compressed.*unpack it.*gunzip"):
        open_tars(name, {})


def test_an_unknown_option_lists_those_there_are(tmp_path):
    path = str(write(tmp_path / "a.tar", samples(1)))
    with pytest.raises(DatasetError, match=r"no option 'captions'.* caption=field.* image=ext"):
        open_tars(path, {"captions": "title"})
    with pytest.raises(DatasetError, match="image must end in one of bmp, gif, jpe"):
        open_tars(path, {"image": "tiff"})


def test_missing_tars_are_named(tmp_path):
    three(tmp_path)
    with pytest.raises(DatasetError, match=r"1 files .* are missing: .*00003\.tar"):
        open_tars(f"{tmp_path}/{{00000..00003}}.tar", {})


def test_tars_without_samples_are_refused_when_they_are_counted(tmp_path):
    path = str(write(tmp_path / "a.tar", [("README.md", b"text")]))
    with pytest.raises(DatasetError, match=r"no samples in 1 tars, first .*a\.tar"):
        assert open_tars(path, {}).split("train").examples


def test_one_tar_that_is_none_is_named_among_many(tmp_path):
    (three(tmp_path) / "00001.tar").write_bytes(b"<html>" * 200)
    with pytest.raises(DatasetError, match=r"00001\.tar is no tar"):
        assert open_tars(f"{tmp_path}/*.tar", {}).split("train").counts


def test_a_tar_that_was_cut_since_it_was_counted_gives_problems_and_no_wrong_pairs(tmp_path):
    path = write(tmp_path / "a.tar", samples(4))
    reader = open_tars(str(path), {}).split("train")
    whole = [Pair.of(record) for record in reader.read(0, 0, reader.counts[0])]
    path.write_bytes(path.read_bytes()[:7000])
    found = [Pair.of(record) for record in reader.read(0, 0, 4)]
    assert {pair.problem for pair in found} == {"", "truncated archive"}
    assert all(pair.problem or pair == other for pair, other in zip(found, whole, strict=True))


def test_a_run_is_one_read_where_members_are_adjacent(tmp_path, monkeypatch):
    reader = open_tars(str(write(tmp_path / "a.tar", samples(40))), {}).split("train")
    assert reader.counts == (40,)
    reads = []

    def read(path, offset=0, length=-1):
        reads.append((offset, length))
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    monkeypatch.setattr(reader_files, "read", read)
    reader.read(0, 17, 16)
    assert len(reads) == 1
    assert reads[0][1] < 16 * 9 * 512  # nothing but these samples and their headers


def test_indexes_above_the_memory_that_they_may_take_are_dropped_and_made_again(
    tmp_path, monkeypatch
):
    for number in range(6):
        write(tmp_path / f"{number}.tar", samples(10))
    expected = pairs(f"{tmp_path}/*.tar")
    monkeypatch.setattr(tars, "INDEX_BYTES", 400)
    assert pairs(f"{tmp_path}/*.tar") == expected
    reader = open_tars(f"{tmp_path}/*.tar", {}).split("train")
    assert reader.examples == 60
    assert len(reader._indexes) <= 2


def test_many_threads_read_what_one_reads(tmp_path, monkeypatch):
    for number in range(4):
        write(tmp_path / f"{number}.tar", samples(30))
    monkeypatch.setattr(tars, "INDEX_BYTES", 1000)
    reader = open_tars(f"{tmp_path}/*.tar", {}).split("train")
    runs = [(part, first, 5) for first in range(0, 30, 5) for part in range(4)] * 3
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda run: list(map(Pair.of, reader.read(*run))), runs))
    assert found == [list(map(Pair.of, reader.read(*run))) for run in runs]


def test_an_index_that_was_kept_gives_the_same_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("clipbench_tf.data.readers.index.KEPT_FROM", 0)
    files = [*samples(5), ("x.jpg", b"i"), ("y.txt", "t"), ("x.jpg", b"j"), ("x.0.txt", "u")]
    path = write(tmp_path / "a.tar", files)
    made = pairs(path), pairs(path, caption="key"), pairs(path, image="png")
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 3
    monkeypatch.setattr("clipbench_tf.data.readers.tars.tar_index.build", None)
    assert made == (pairs(path), pairs(path, caption="key"), pairs(path, image="png"))
    assert len({str(each) for each in made}) == 3


def test_the_shuffled_stream_gives_every_pair_once_an_epoch(tmp_path):
    reader = open_tars(f"{three(tmp_path)}/*.tar", {}).split("train")
    for epoch in range(2):
        data = stream.shuffled_stream(reader, seed=1, start=14 * epoch, buffer=6).take(14)
        found = Counter(Pair.of(record).key for _, record in data.as_numpy_iterator())
        assert len(found) == 14
        assert set(found.values()) == {1}


def test_tars_in_a_file_system_of_tensorflow(tmp_path):
    write(tmp_path / "a.tar", samples(3))
    path = "ram://tars/a.tar"
    tf.io.gfile.makedirs("ram://tars")
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write((tmp_path / "a.tar").read_bytes())
    assert pairs(path) == pairs(tmp_path / "a.tar")
    tf.io.gfile.remove(path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("p1", "p1"), ("p1/*.tar", "0"), ("*/0.tar", "top"), ("p{1,2}/*.tar", "top"), ("p1/", "p1")],
)
def test_a_data_set_is_called_as_what_its_tars_share(pattern, expected, tmp_path):
    for folder in ("top/p1", "top/p2"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder / "0.tar", samples(1))
    assert open_tars(f"{tmp_path}/top/{pattern}", {}).name == expected


def test_a_tar_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.tar").mkdir()
    with pytest.raises(DatasetError, match=r"a\.tar cannot be read: .*directory"):
        len(TarReader([str(tmp_path / "a.tar")]).counts)
