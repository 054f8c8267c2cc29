"""The whole preparation: nothing is lost silently, and what is there is there whole."""

import hashlib
import json
import os
import signal

import pytest

from clipbench_tf.data.preparation import shards, unit_step
from clipbench_tf.data.preparation.engine import output_files
from clipbench_tf.data.preparation.engine.beam_run import Where
from clipbench_tf.data.preparation.options import Options
from clipbench_tf.data.preparation.prepare import prepare
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair
from tests.data.preparation.inputs import bad_input, made_pairs

HERE = Where(workers=1)


def run(source: str, output, **options) -> tuple[dict, str]:
    lines: list[str] = []
    options = {"statistics": False, **options}
    return prepare(Options(source, **options), str(output), HERE, tell=lines.append), "\n".join(
        lines
    )


def test_what_becomes_of_bad_input_is_known_of_every_pair(tmp_path):
    source, dropped, kept = bad_input.write(tmp_path / "bad")
    manifest, told = run(source, tmp_path / "out")
    found = manifest["input"]["train"]
    assert {reason: entry["keys"] for reason, entry in found["dropped"].items()} == dropped
    assert {reason: entry["pairs"] for reason, entry in found["dropped"].items()} == {
        reason: len(keys) for reason, keys in dropped.items()
    }
    lines = (tmp_path / "bad/pairs.jsonl").read_text().splitlines()
    assert found["pairs"] == len(lines) == found["kept"] + sum(map(len, dropped.values()))
    pairs = made_pairs.read(tmp_path / "out")
    assert {pair.key: pair.captions for pair in pairs} == {k: (v,) for k, v in kept.items()}
    for pair in pairs:  # no size was asked for: the bytes are the file's
        assert pair.image == (tmp_path / "bad" / pair.key).read_bytes()
    for line in ("pairs in             21", "- duplicate key       1", "pairs out             9"):
        assert " ".join(line.split()) in [" ".join(row.split()) for row in told.splitlines()]


def test_files_have_the_checksums_that_the_manifest_says(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(30))
    manifest, _ = run(source, tmp_path / "out", shard_pairs=10)
    assert len(manifest["sha256"]) == 6
    names = {*manifest["sha256"], "dataset.json", "manifest.json"}
    assert set(os.listdir(tmp_path / "out")) == names
    for name, checksum in manifest["sha256"].items():
        data = (tmp_path / "out" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == checksum, name
    assert made_pairs.keys(tmp_path / "out") == made_pairs.keys(source)


def test_a_source_keeps_its_splits_or_those_that_are_named(tmp_path):
    source = made_pairs.write(
        tmp_path / "in", train=made_pairs.pairs(6), test=made_pairs.pairs(4, first=6)
    )
    run(source, tmp_path / "both")
    assert made_pairs.keys(tmp_path / "both", "test") == [f"key/{n}" for n in range(6, 10)]
    run(source, tmp_path / "one", splits=("test",))
    assert list(json.loads((tmp_path / "one/dataset.json").read_text())["splits"]) == ["test"]
    with pytest.raises(DatasetError, match="divided already, into train, test"):
        run(source, tmp_path / "no", validation=0.1)
    with pytest.raises(DatasetError, match="no split 'tset'"):
        run(source, tmp_path / "no", splits=("tset",))
    assert not (tmp_path / "no").exists()


def test_an_undivided_source_is_divided_by_its_pictures(tmp_path):
    (tmp_path / "in").mkdir()
    rows = ["image,caption"]
    for number in range(200):
        name = f"{number}.png"
        (tmp_path / "in" / name).write_bytes(made_pairs.picture(number // 2, (16, 16)))
        rows.append(f"{name},caption {number}")
    (tmp_path / "in/pairs.csv").write_text("\n".join(rows) + "\n")
    manifest, _ = run(
        f"{tmp_path}/in/pairs.csv", tmp_path / "out", validation=0.2, drop_duplicates=()
    )
    train, held_out = (made_pairs.read(tmp_path / "out", s) for s in ("train", "validation"))
    assert len(train) + len(held_out) == 200
    assert 20 <= len(held_out) <= 60
    assert not {pair.image for pair in train} & {pair.image for pair in held_out}
    assert manifest["output"]["validation"]["pairs"] == len(held_out)
    assert manifest["input"]["train"]["kept"] == 200


def test_pictures_of_another_data_set_drop_out_but_not_those_of_its_training_split(tmp_path):
    pairs = made_pairs.pairs(10)
    other = made_pairs.write(tmp_path / "other", train=pairs[:2], test=[pairs[4], pairs[7]])
    source = made_pairs.write(tmp_path / "in", train=pairs)
    manifest, _ = run(source, tmp_path / "out", against=(other,))
    assert made_pairs.keys(tmp_path / "out") == [f"key/{n}" for n in (0, 1, 2, 3, 5, 6, 8, 9)]
    dropped = manifest["input"]["train"]["dropped"]
    assert dropped == {f"picture also in {other}": {"pairs": 2, "keys": ["key/4", "key/7"]}}
    assert manifest["duplicates"]["distinct pictures in both"] == {f"train, {other}": 2}


def test_a_resized_picture_is_known_by_its_bytes_before(tmp_path):
    large = made_pairs.picture(1, (80, 60), "JPEG")
    pair = Pair("large", large, ("a large picture",))
    source = made_pairs.write(tmp_path / "in", train=[pair, *made_pairs.pairs(3)])
    run(source, tmp_path / "small", size=30)
    assert made_pairs.read(tmp_path / "small")[0].image != large
    held_out = made_pairs.write(tmp_path / "held_out", test=[pair])
    run(str(tmp_path / "small"), tmp_path / "out", against=(held_out,))
    assert made_pairs.keys(tmp_path / "out") == ["key/0", "key/1", "key/2"]


def test_a_run_that_stops_goes_on_and_gives_the_same_files(tmp_path, monkeypatch):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(200))
    run(source, tmp_path / "whole", shard_pairs=50)
    for module, function, after in ((unit_step, "run", 2), (shards, "write", 1)):
        calls: list[object] = []
        before = getattr(module, function)

        def stopped(plan, element, calls=calls, before=before, after=after):
            calls.append(element)
            if len(calls) > after:
                signal.raise_signal(signal.SIGINT)
            return before(plan, element)

        with monkeypatch.context() as patch:
            patch.setattr(module, function, stopped)
            with pytest.raises(KeyboardInterrupt):
                run(source, tmp_path / "out", shard_pairs=50)
        assert not (tmp_path / "out/dataset.json").exists()
    _, told = run(source, tmp_path / "out", shard_pairs=50)
    assert "200 of them were done before" in told
    assert made_pairs.contents(tmp_path / "out") == made_pairs.contents(tmp_path / "whole")


def test_a_file_that_is_half_written_does_not_count(tmp_path, monkeypatch):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(100))
    run(source, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(shards, "write", lambda plan, shard: 1 / 0)
        with pytest.raises(DatasetError, match="ZeroDivisionError"):
            run(source, tmp_path / "out")
    folder = tmp_path / "out/preparation/units"
    (folder / "0000000.npz").rename(folder / "0000000.npz.partial-12")
    (tmp_path / "out/train-00000-of-00001.tfrecord.partial-12").write_bytes(b"half")
    run(source, tmp_path / "out")
    assert made_pairs.contents(tmp_path / "out") == made_pairs.contents(tmp_path / "whole")


def test_folders_of_other_file_systems_are_written_and_read(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(12))
    run(source, "ram://test_prepare/out", shard_pairs=5)
    assert output_files.names("ram://test_prepare/out")[:2] == ["dataset.json", "manifest.json"]
    assert made_pairs.read("ram://test_prepare/out") == made_pairs.pairs(12)
    assert "finished already" in run(source, "ram://test_prepare/out", shard_pairs=5)[1]


def test_a_finished_data_set_stays_as_it_is(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(5))
    first, _ = run(source, tmp_path / "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again, told = run(source, tmp_path / "out")
    assert again == first and "finished already" in told
    with pytest.raises(DatasetError, match="size: None there, 32 now"):
        run(source, tmp_path / "out", size=32)
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()}


def test_other_folders_and_other_commands_are_refused(tmp_path, monkeypatch):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(5))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letters.txt").write_text("dear")
    with pytest.raises(DatasetError, match=r"not empty.*letters\.txt"):
        run(source, tmp_path / "mine")
    with monkeypatch.context() as patch:
        patch.setattr(unit_step, "run", lambda plan, unit: 1 / 0)
        with pytest.raises(DatasetError, match="ZeroDivisionError"):
            run(source, tmp_path / "out")
    with pytest.raises(DatasetError, match=r"begun otherwise .filter: 'none' there, 'quality' now"):
        run(source, tmp_path / "out", filter="quality")
    os.utime(tmp_path / "in/train-0.tfrecord", (1, 1))
    with pytest.raises(DatasetError, match="begun otherwise"):
        run(source, tmp_path / "out")


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    source = made_pairs.write(tmp_path / "in", train=made_pairs.pairs(5))
    with pytest.raises(DatasetError, match=r"No pair of .* is left: picture too small .5."):
        run(source, tmp_path / "out", smallest=21)
    assert not (tmp_path / "out/manifest.json").exists()
