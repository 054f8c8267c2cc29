"""First weights from elsewhere: what is taken, resized, new, and which mistakes are told."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.checkpoints.checkpoints import Checkpoints
from clipbench_tf.distribution import replicas
from clipbench_tf.features import Batch
from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.optimization.recipe import Recipe
from clipbench_tf.training import initialization
from clipbench_tf.training.saved_weights import InitializationError
from tests.distribution.processes import finish, module, start
from tests.gin_files import bound, small, trainer
from tests.method.small_method import LENGTH
from tests.scripts.in_process import train
from tests.training.runs import epochs

ONE = tf.distribute.OneDeviceStrategy("/cpu:0")
SIMCLR = (4, 4, 4)


def pairs(size: int, length: int) -> Batch:
    random = np.random.default_rng(0)
    ids = np.zeros((4, 2, length), np.int32)
    ids[..., :3] = random.integers(1, 20, (4, 2, 3))
    images = random.integers(0, 256, (4, 3, size, size, 3))
    return {
        "images": tf.constant(images, tf.uint8),
        "ids": tf.constant(ids),
        "position": tf.range(4, dtype=tf.int64),
    }


def method(name="clip", objectives=None, size=32, length=LENGTH, width=8, kind="vit", **arguments):
    if kind == "vit":
        image = VisionTransformer(
            image_size=size, patch_size=16, width=width, depth=2, heads=2, embed_dim=6
        )
    else:
        image = ModifiedResNet(image_size=size, depths=(1, 1, 1, 1), width=4, heads=2, embed_dim=6)
    text = TextTransformer(
        context_length=length, vocabulary_size=20, width=4, depth=1, heads=2, embed_dim=6
    )
    made = Method(
        image_encoder=image,
        text_encoder=text,
        objectives=objectives or [ImageText()],
        name=name,
        **arguments,
    )
    Recipe(epochs=2, warmup_epochs=0).compile(made, pairs(size, length), 4)
    return made


def values(layer):
    return {v.path.split("/", 1)[1]: v.numpy() for v in layer.variables}


def saved(folder):
    """What TensorFlow reads from the only checkpoint of a run, by path below the method."""
    reader = tf.train.load_checkpoint(f"{folder}/checkpoints/ckpt-1")
    begin, end = "variables/source.S", "/.ATTRIBUTES/VARIABLE_VALUE"
    return {
        name.removeprefix(begin).removesuffix(end).replace(".S", "/"): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith(begin)
    }


def embeddings(made):
    """Of the pictures and captions of `pairs`, as they are evaluated."""
    features = made.call(pairs(32, LENGTH))
    return [view.embedding for view in (*features.images, *features.texts)]


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
    return (*few_drawings, epochs(2), "recipe.Recipe.warmup_epochs = 0")


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    """The folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("runs") / "clip"
    status, output = train(folder, *settings)
    assert status == 0, output
    return folder


def scores(folder):
    """Accuracy on the validation split, by step."""
    entries = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    names = [f"zero_shot/validation/top{k}" for k in (1, 5)]
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
