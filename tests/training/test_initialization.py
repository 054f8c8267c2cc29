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
from tests.gin_files import bound, small, trainer
from tests.method.small_method import LENGTH
from tests.scripts.in_process import train
from tests.training.runs import TINY, epochs

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
        made[kind] = SimpleNamespace(folder=str(folder), values=values(source))
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
    assert made.position.numpy()[0] == 0
    assert source.values["position"][0] == 4
    assert int(made.optimizer.iterations) == 0
    assert any("moving_mean" in name for name in plan.taken["image_simclr"])
    assert set(*plan.unused.values()) == {
        "nearest_neighbor/queue",
        "nearest_neighbor/pointer",
    } & set(source.values)


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
    assert f"{positions}: from {before} to" in plan.summary()


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
    assert lines[0].endswith("ckpt-1: image (32), text (17), temperature (1).")
    assert lines[1].split(": ")[1].startswith("image_simclr")
    assert lines[2].startswith("New: another (")
    plan.write(tmp_path)
    facts = json.loads((tmp_path / "initialization.json").read_text())
    assert facts["taken"]["temperature"]["logit_scale"].endswith("ckpt-1")
    assert len(facts["taken"]["image"]) == 32
    assert facts["new"]["another"]


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


@pytest.mark.slow
def test_a_run_begins_with_the_weights_of_another_and_goes_on_without_it(few_drawings, tmp_path):
    settings = (*few_drawings, epochs(2), "recipe.Recipe.warmup_epochs = 0")
    status, output = train(tmp_path / "clip", *settings)
    assert status == 0, output
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
    assert TINY[0] in (tmp_path / "lit/config.gin").read_text()
