"""Runs that begin with the weights of another run."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.training.saved_weights import InitializationError
from tests.gin_files import bound, small, trainer
from tests.scripts.in_process import train
from tests.training.first_weights import values
from tests.training.runs import epochs


def test_a_run_that_has_begun_needs_the_other_no_more(tmp_path, capsys):
    bindings = small(bound("lit.gin"))
    trainer("clip.gin", tmp_path / "clip", *bindings).prepare().save()
    bindings.append(f"train.Trainer.init_from = {{'image': '{tmp_path / 'clip'}'}}")
    (tmp_path / "lit").mkdir()

    def prepared():
        built = trainer("lit.gin", tmp_path / "lit", *bindings)
        return built.method, built.prepare()

    first, checkpoints = prepared()
    assert "Weights from" in capsys.readouterr().out
    checkpoints.save()
    shutil.rmtree(tmp_path / "clip")
    again, _ = prepared()
    assert "Weights from" not in capsys.readouterr().out
    for name, value in values(again).items():
        np.testing.assert_array_equal(value, values(first)[name], err_msg=name)
    shutil.rmtree(tmp_path / "lit/checkpoints")
    with pytest.raises(InitializationError, match="no checkpoint in"):
        prepared()


@pytest.fixture(scope="module")
def settings(few_drawings):
    of_more_pictures = "train.Trainer.validation_split = 'train'"
    return (*few_drawings, epochs(2), "recipe.Recipe.warmup_epochs = 0", of_more_pictures)


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    """The folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("runs") / "clip"
    status, output = train(folder, *settings)
    assert status == 0, output
    return folder


def scores(folder):
    """Accuracy on the training pictures, by step."""
    entries = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    names = [f"zero_shot/train/top{k}" for k in (1, 5)]
    return {e["step"]: [e[name] for name in names] for e in entries if names[0] in e}


def test_a_run_begins_with_the_accuracy_that_the_other_ended_with(settings, trained, tmp_path):
    status, output = train(
        tmp_path / "next",
        *settings,
        f"train.Trainer.init_from = '{trained}'",
        "recipe.Recipe.layer_decay = 0.5",
    )
    assert status == 0, output
    assert "ckpt-2: image (" in output
    assert "New" not in output and "Not used" not in output and "Resized" not in output
    before, after = scores(trained), scores(tmp_path / "next")
    assert list(before) == [1, 2]
    assert list(after) == [0, 1, 2]
    assert after[0] == before[2] != after[2]
    assert (tmp_path / "next/checkpoints/best/checkpoint").is_file()


@pytest.mark.slow
def test_a_locked_run_ends_with_the_tower_of_the_other_and_goes_on_without_it(
    settings, trained, tmp_path
):
    shutil.copytree(trained, tmp_path / "clip")
    first = f"train.Trainer.init_from = {{'image': '{tmp_path / 'clip'}'}}"
    again = (*settings, first, "method.Method.locked = {'image': 0}")
    status, output = train(tmp_path / "lit", *again)
    assert status == 0, output
    assert "Weights from" in output
    assert "New: text (17: " in output
    assert (tmp_path / "lit/initialization.json").is_file()
    readers = [tf.train.load_checkpoint(str(tmp_path / n / "checkpoints")) for n in ("clip", "lit")]
    names = [n for n in readers[1].get_variable_to_shape_map() if ".Svisual.S" in n]
    assert len(names) > 50
    for name in names:
        np.testing.assert_array_equal(*(r.get_tensor(name) for r in readers), err_msg=name)

    shutil.rmtree(tmp_path / "clip")
    (tmp_path / "lit/record.json").unlink()
    status, output = train(tmp_path / "lit", *again)
    assert status == 0, output
    assert "Going on from step 2 of 2" in output
    status, output = train(tmp_path / "new", *again)
    assert status == 1
    assert "Error: There is no checkpoint in" in output.splitlines()[-1]
