"""What is kept, what is restored, and what happens to a checkpoint that is not whole."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from clipbench_tf.checkpoints.best import BestCheckpoint
from clipbench_tf.checkpoints.checkpoints import CheckpointError, Checkpoints
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from tests.checkpoints.full_disk import files_of_at_most
from tests.method.small_method import batch, compiled


def made(width: int = 8):
    """Several views, a queue, and batch norms: every kind of state there is."""
    sample = batch(views=3, texts=2)
    return compiled(
        [ImageText(), NearestNeighbor(size=64), ImageSimCLR(widths=(4, 4, 4))], sample, width=width
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A method that was saved after steps 1 and 2, the folder, and the values at both."""
    folder = tmp_path_factory.mktemp("trained") / "checkpoints"
    method, values = made(), {}
    checkpoints = Checkpoints(folder, method)
    for step in (1, 2):
        method.train_step(batch(views=3, texts=2, seed=step, start=4 * step))
        checkpoints.save()
        values[step] = state(method)
    return folder, values


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of the folder, to be spoilt."""
    return Path(shutil.copytree(trained[0], tmp_path / "checkpoints"))


@pytest.fixture(scope="module")
def other():
    """A method that takes up what others have saved, and its untouched values."""
    method = made()
    return method, state(method)


def state(method) -> dict[str, np.ndarray]:
    return {v.path: v.numpy() for v in (*method.variables, *method.optimizer.variables)}


def put(method, values) -> None:
    for v in (*method.variables, *method.optimizer.variables):
        v.assign(values[v.path])


def assert_state(method, expected) -> None:
    for name, value in state(method).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def count(folder: Path) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("ckpt-*.index"))


def at_step(method, step: int) -> None:
    method.optimizer.iterations.assign(step)


def test_nothing_to_restore(other, tmp_path):
    method, start = other
    put(method, start)
    assert Checkpoints(tmp_path / "new", method).restore() == 0
    assert_state(method, start)
    assert not (tmp_path / "new").exists()


def test_restores_weights_optimizer_position_and_queue_exactly(trained, other):
    folder, values = trained
    method, start = other
    put(method, start)
    differing = {name for name, value in start.items() if (value != values[2][name]).any()}
    assert {
        "method/position",
        "method/nearest_neighbor/queue",
        "method/nearest_neighbor/pointer",
        "method/visual/conv1/kernel",
        "adamw/iteration",
        "adamw/method_visual_conv1_kernel_velocity",
        "method/image_simclr/projector/norm_0/moving_mean",
    } <= differing
    assert Checkpoints(folder, method).restore() == 2
    assert_state(method, values[2])
    assert method.position.numpy() == 12
    # The same step follows from it as from the method that never stopped.
    third = batch(views=3, texts=2, seed=3)
    method.train_step(third)
    uninterrupted = made()
    put(uninterrupted, values[2])
    uninterrupted.train_step(third)
    for name, value in state(uninterrupted).items():
        np.testing.assert_allclose(state(method)[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_keeps_the_last_ones(other, tmp_path):
    method, _ = other
    checkpoints = Checkpoints(tmp_path, method, keep=2)
    for step in (3, 5, 9):
        at_step(method, step)
        checkpoints.save()
    assert count(tmp_path) == [5, 9]
    again = Checkpoints(tmp_path, method, keep=2)  # a later process goes on with the list
    assert again.restore() == 9
    at_step(method, 11)
    again.save()
    assert count(tmp_path) == [9, 11]


def test_saves_a_step_once(other, tmp_path):
    method, _ = other
    at_step(method, 4)
    checkpoints = Checkpoints(tmp_path, method)
    checkpoints.save()
    written = (tmp_path / "ckpt-4.index").stat().st_mtime_ns
    checkpoints.save()
    Checkpoints(tmp_path, method).restore()
    checkpoints.save()
    assert (tmp_path / "ckpt-4.index").stat().st_mtime_ns == written


def test_the_best_is_replaced_by_a_better_one_only(other, tmp_path):
    method, _ = other
    checkpoints = Checkpoints(tmp_path, method)
    best = BestCheckpoint(checkpoints, "top1")
    held = []
    for step, value in enumerate([0.25, 0.125, 0.25, float("nan"), 0.5, 0.375], start=1):
        at_step(method, step)
        best.write(step, {"top1": value, "top5": 1.0 - value})
        held.append(count(tmp_path / "best"))
    assert held == [[1], [1], [1], [1], [5], [5]]
    assert count(tmp_path) == []
    checkpoints.save()
    # The mark to beat is part of the state.
    again = Checkpoints(tmp_path, method)
    assert again.restore() == 6
    again.save_best(0.5)
    assert count(tmp_path / "best") == [5]
    again.save_best(0.625)
    assert count(tmp_path / "best") == [6]


def test_time_goes_on_where_it_was(other, tmp_path):
    method, _ = other
    checkpoints = Checkpoints(tmp_path, method)
    checkpoints._mark -= 1000.0
    checkpoints.save()
    again = Checkpoints(tmp_path, method)
    again.restore()
    assert 1000.0 <= again.seconds() < 1100.0


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "data cut short": ("data-00000-of-00001", shorten),
    "data empty": ("data-00000-of-00001", lambda path: path.write_bytes(b"")),
    "data changed": ("data-00000-of-00001", flip),
    "data gone": ("data-00000-of-00001", Path.unlink),
    "index cut short": ("index", shorten),
    "index empty": ("index", lambda path: path.write_bytes(b"")),
    "index gone": ("index", Path.unlink),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage, trained, folder, other, caplog):
    method, start = other
    put(method, start)
    ending, spoil = DAMAGES[damage]
    spoil(folder / f"ckpt-2.{ending}")
    checkpoints = Checkpoints(folder, method)
    with caplog.at_level("WARNING", logger="absl"):
        assert checkpoints.restore() == 1
    assert_state(method, trained[1][1])
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"Skipped {folder / 'ckpt-2'}" in message
    # Back at its step, a whole one takes its place.
    put(method, trained[1][2])
    checkpoints.save()
    put(method, start)
    assert Checkpoints(folder, method).restore() == 2
    assert_state(method, trained[1][2])


def test_nothing_but_damaged_ones_is_an_error_that_names_them(folder, other):
    for step in (1, 2):
        shorten(folder / f"ckpt-{step}.data-00000-of-00001")
    with pytest.raises(CheckpointError, match=r"None of \S+ckpt-2, \S+ckpt-1 can be read"):
        Checkpoints(folder, other[0]).restore()


@pytest.mark.parametrize("length", [0, 40])
def test_a_spoilt_list_of_checkpoints_is_made_anew(length, trained, folder, other, caplog):
    method, start = other
    put(method, start)
    listed = folder / "checkpoint"
    listed.write_bytes(listed.read_bytes()[:length])
    with caplog.at_level("WARNING", logger="absl"):
        checkpoints = Checkpoints(folder, method, keep=2)
    assert f"list of checkpoints in {folder} was lost" in caplog.text
    assert checkpoints.restore() == 2
    assert_state(method, trained[1][2])
    at_step(method, 3)
    checkpoints.save()
    assert count(folder) == [2, 3]


@pytest.mark.parametrize("must_save", [False, True])
def test_a_save_that_finds_no_room_leaves_the_one_before(trained, folder, other, must_save, caplog):
    method, start = other
    checkpoints = Checkpoints(folder, method, must_save=must_save)
    checkpoints.restore()
    at_step(method, 3)
    with files_of_at_most(100_000):
        if must_save:
            with pytest.raises(CheckpointError, match=r"File too large.*last good .*ckpt-2"):
                checkpoints.save()
        else:
            checkpoints.save()
            assert "after step 3 could not be saved" in caplog.text
            assert "The last good checkpoint is" in caplog.text
        assert not list(folder.glob("ckpt-3*"))
    put(method, start)
    again = Checkpoints(folder, method)
    assert again.restore() == 2
    assert_state(method, trained[1][2])
    at_step(method, 3)
    for one in (checkpoints, again):
        one.save()
        assert Checkpoints(folder, method).restore() == 3


def test_a_best_one_that_finds_no_room_is_no_best_one(folder, other):
    method, _ = other
    checkpoints = Checkpoints(folder, method)
    checkpoints.save_best(0.25)
    with files_of_at_most(1000):
        checkpoints.save_best(0.75)
    at_step(method, 9)
    checkpoints.save_best(0.5)
    assert float(checkpoints.best_value.numpy()) == 0.5
    assert count(folder / "best") == [9]


def test_a_save_that_was_killed_before_its_end_leaves_the_one_before(trained, folder, other):
    method, start = other
    listed = (folder / "checkpoint").read_bytes()
    checkpoints = Checkpoints(folder, method)
    checkpoints.restore()
    at_step(method, 3)
    checkpoints.save()
    # As on disk before the new one was listed.
    (folder / "checkpoint").write_bytes(listed)
    shorten(folder / "ckpt-3.data-00000-of-00001")
    put(method, start)
    assert Checkpoints(folder, method).restore() == 2
    assert_state(method, trained[1][2])


def test_a_checkpoint_of_another_model_is_refused_by_name(folder):
    narrow = made(width=4)
    with pytest.raises(CheckpointError, match=r"another model: method/visual\S+ is .8.* there, "):
        Checkpoints(folder, narrow).restore()
    fewer = compiled([ImageText()], batch(views=3, texts=2))
    with pytest.raises(CheckpointError, match=r"here\. Choose another --workdir") as caught:
        Checkpoints(folder, fewer).restore()
    assert "missing here" in str(caught.value)
