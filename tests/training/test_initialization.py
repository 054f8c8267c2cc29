"""First weights from elsewhere: what is taken, resized, new, and which mistakes are told."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.checkpoints.checkpoints import Checkpoints
from clipbench_tf.distribution import replicas
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.training import initialization
from clipbench_tf.training.saved_weights import InitializationError
from tests.distribution.processes import finish, module, start
from tests.method.small_method import LENGTH
from tests.training.first_weights import embeddings, method, pairs, saved, values

ONE = tf.distribute.OneDeviceStrategy("/cpu:0")
SIMCLR = (4, 4, 4)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Folder and weights of a run that took a step, by its kind of image tower."""
    made = {}
    for kind in ("vit", "resnet"):
        folder = tmp_path_factory.mktemp(kind)
        objectives = [ImageText(), ImageSimCLR(widths=SIMCLR), NearestNeighbor(size=8)]
        source = method("source", objectives, kind=kind)
        source.train_step(pairs(32, LENGTH))
        Checkpoints(folder / "checkpoints", source).save()
        made[kind] = SimpleNamespace(
            folder=str(folder), values=saved(folder), embeddings=embeddings(source)
        )
    return made


@pytest.mark.parametrize("kind", ["vit", "resnet"])
@pytest.mark.parametrize("place", ["", "checkpoints", "checkpoints/ckpt-1"])
def test_towers_heads_and_temperature_are_the_sources_and_the_rest_is_new(kind, place, sources):
    source = sources[kind]
    made = method("lit", [ImageText(), ImageSimCLR(widths=SIMCLR)], kind=kind)
    plan = initialization.initialize(made, f"{source.folder}/{place}".rstrip("/"), ONE)
    assert set(plan.taken) == {"image", "text", "image_simclr", "temperature"}
    assert not plan.new
    for name, value in values(made).items():
        if name not in ("position", "skipped_steps"):
            np.testing.assert_array_equal(value, source.values[name], err_msg=name)
    for one, two in zip(embeddings(made), source.embeddings, strict=True):
        np.testing.assert_array_equal(one, two)
    assert made.position.numpy()[0] == 0
    assert source.values["position"][0] == 4
    assert int(made.optimizer.iterations) == 0
    assert any("moving_mean" in name for name in plan.taken["image_simclr"])
    assert plan.unused == {
        f"{source.folder}/checkpoints/ckpt-1": {
            "nearest_neighbor/queue",
            "nearest_neighbor/pointer",
        }
    }


def test_a_queue_of_features_is_no_weight(sources):
    made = method("declip", [NearestNeighbor(size=8)])
    before = values(made)
    initialization.initialize(made, sources["vit"].folder, ONE)
    assert "nearest_neighbor" not in initialization.parts(made)
    queue = before["nearest_neighbor/queue"]
    np.testing.assert_array_equal(values(made)["nearest_neighbor/queue"], queue)


def test_parts_come_from_different_folders_and_the_others_stay(sources, tmp_path):
    other = method("other")
    Checkpoints(tmp_path / "checkpoints", other).save()
    made = method("mixed")
    before = values(made)
    init_from = {"image": sources["vit"].folder, "text": str(tmp_path)}
    plan = initialization.initialize(made, init_from, ONE)
    assert plan.new == {"temperature": ["logit_scale"]}
    for name, value in values(made).items():
        where = {"visual": sources["vit"].values, "text": values(other)}
        expected = where.get(name.split("/")[0], before)
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_another_image_size_and_context_length_resize_positions_alone(kind, sources):
    source = sources[kind]
    made = method(size=64, length=LENGTH + 3, kind=kind)
    plan = initialization.initialize(made, source.folder, ONE)
    positions = "visual/positional_embedding"
    if kind == "resnet":
        positions = "visual/attnpool/positional_embedding"
    before = len(source.values[positions])
    after = 1 + (2 * (before - 1) ** 0.5) ** 2
    assert plan.resized == {
        positions: (before, after),
        "text/positional_embedding": (LENGTH, LENGTH + 3),
    }
    for name, value in values(made).items():
        if name in plan.resized:
            np.testing.assert_allclose(value[0], source.values[name][0], rtol=1e-6)
        elif name not in ("position", "skipped_steps"):
            np.testing.assert_array_equal(value, source.values[name], err_msg=name)
    assert f"Resized: {positions}, from {before} to {after:.0f} positions." in plan.summary()


def test_every_replica_has_the_weights(sources, two_replicas):
    with two_replicas.scope():
        made = method()
        initialization.initialize(made, sources["vit"].folder, two_replicas)
    for variable in made.image_encoder.variables:
        name = variable.path.split("/", 1)[1]
        for copy in two_replicas.experimental_local_results(variable.value):
            np.testing.assert_array_equal(copy, sources["vit"].values[name])


def test_what_is_taken_is_told_in_few_lines_and_written_in_full(sources, tmp_path):
    made = method("slip", [ImageText(), ImageSimCLR(widths=SIMCLR, name="another")])
    plan = initialization.initialize(made, sources["vit"].folder, ONE)
    lines = plan.summary().splitlines()
    assert len(lines) == 3
    heads = sum(name.startswith("image_simclr/") for name in sources["vit"].values)
    assert lines[0].endswith("ckpt-1: image (32), text (17), temperature (1).")
    assert lines[1] == f"  Not used of it: image_simclr ({heads}), nearest_neighbor (2)."
    assert lines[2].startswith("New: another (")
    plan.write(tmp_path / "run")
    facts = json.loads((tmp_path / "run/initialization.json").read_text())
    assert facts["taken"]["temperature"]["logit_scale"].endswith("ckpt-1")
    assert len(facts["taken"]["image"]) == 32
    assert set(facts["new"]["another"]) == {
        v.path.split("/", 1)[1] for v in made.objectives[1].variables if v.trainable
    } | {name for name in values(made) if name.startswith("another/") and "moving_" in name}
    assert len(*facts["unused"].values()) == heads + 2


@pytest.mark.parametrize(
    ("made", "init_from", "message"),
    [
        ({}, "nowhere", r"no checkpoint in 'nowhere'.*Train that run first"),
        ({}, {"visual": "vit"}, r"names 'visual', but the parts.*are image, text, temperature"),
        ({"width": 12}, "vit", r"class_embedding is \(8,\) in \S+, \(12,\) here; only position"),
        ({"length": LENGTH, "kind": "resnet"}, "vit", r"conv1/kernel is \(16, 16, 3, 8\) in"),
        ({"locked": {"image": 0}}, None, "locks weights of the image tower that are random: 32:"),
        ({"locked": {"image": 1}}, {"text": "vit"}, "locks weights of the image tower"),
    ],
)
def test_mistakes_are_told_in_one_line(made, init_from, message, sources):
    def there(names):
        if isinstance(names, dict):
            return {part: there(folder) for part, folder in names.items()}
        return sources[names].folder if names in sources else names

    with pytest.raises(InitializationError, match=message) as caught:
        initialization.initialize(method(**made), there(init_from), ONE)
    assert "\n" not in str(caught.value)


def test_a_part_or_a_folder_without_any_weight_is_told(sources, tmp_path):
    made = method("slip", [ImageText(), ImageSimCLR(widths=SIMCLR, name="another")])
    with pytest.raises(InitializationError, match="has no weights of another"):
        initialization.initialize(made, {"another": sources["vit"].folder}, ONE)
    strange = tf.train.Checkpoint(variables={"net/fc/kernel": tf.Variable(1.0)})
    strange.save(str(tmp_path / "ckpt"))
    with pytest.raises(InitializationError, match="names in it begin with fc"):
        initialization.initialize(made, str(tmp_path), ONE)


def test_a_damaged_checkpoint_is_told(sources, tmp_path):
    shutil.copytree(sources["vit"].folder, tmp_path / "run")
    [data] = (tmp_path / "run/checkpoints").glob("ckpt-1.data-*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InitializationError, match=r"ckpt-1 cannot be read: .*Bind another one"):
        initialization.initialize(method(), str(tmp_path / "run"), ONE)


@pytest.mark.parametrize("owner", ["openai", "lit/locked"])
def test_converted_weights_and_locked_towers_of_earlier_versions_are_read_as_runs(
    owner, sources, tmp_path
):
    names = {n: v for n, v in sources["vit"].values.items() if n.split("/")[0] == "visual"}
    state = tf.train.Checkpoint(
        variables={f"{owner}/{name}": tf.Variable(value) for name, value in names.items()}
    )
    folder = str(tmp_path / "made/checkpoints")
    tf.train.CheckpointManager(state, folder, max_to_keep=1).save(checkpoint_number=0)
    (tmp_path / "made").rename(tmp_path / "moved")
    made = method()
    plan = initialization.initialize(made, str(tmp_path / "moved"), ONE)
    assert {part: len(found) for part, found in plan.taken.items() if found} == {"image": 32}
    assert {part: len(found) for part, found in plan.new.items()} == {"text": 17, "temperature": 1}
    assert plan.unused == {str(tmp_path / "moved/checkpoints/ckpt-0"): set()}
    now = values(made)
    for name, value in names.items():
        np.testing.assert_array_equal(now[name], value, err_msg=name)


@pytest.mark.slow
def test_two_workers_begin_with_the_same_weights_or_neither_begins(sources, tmp_path):
    def started(second: str) -> list[tuple[int, str]]:
        folders = (sources["vit"].folder, second)
        return finish(start(2, module("tests.training.first_weights", tmp_path, *folders)))

    for status, output in started(sources["vit"].folder):
        assert status == 0, output[-3000:]
    one, two = (dict(np.load(tmp_path / f"{worker}.npz")) for worker in (0, 1))
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, two[name], err_msg=name)
        if not name.startswith(("position", "skipped_steps")):
            np.testing.assert_array_equal(value, sources["vit"].values[name], err_msg=name)
    outputs = [output for _, output in started("nowhere")]
    assert "do not read the same weights" in outputs[0]
    assert "worker 1 cannot" in outputs[0]
    assert "There is no checkpoint in 'nowhere'" in outputs[1]


@pytest.mark.parametrize(("other", "told"), [(-1, "worker 1 cannot"), (7, "they differ")])
def test_workers_that_read_something_else_are_told(other, told, sources, monkeypatch):
    monkeypatch.setattr(replicas, "of_workers", lambda strategy, value: [value, other])
    with pytest.raises(InitializationError, match=f"do not read the same weights.*{told}"):
        initialization.initialize(method(), sources["vit"].folder, ONE)
