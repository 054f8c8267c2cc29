"""Gin names of earlier versions: told in gin files, understood in run folders."""

import importlib
import re
from pathlib import Path

import pytest

from clipbench_tf import config, moved_names
from clipbench_tf.config import ConfigError
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.training import precision

# The config.gin of `scripts/train.py --gin_file=gin/defilip.gin
# --gin_bindings='train.Trainer.checkpoint_every = 50'` before modules were moved.
SAVED = Path(__file__).with_name("defilip_0.gin").read_text(encoding="utf-8")
BINDINGS = (
    "train.Trainer.checkpoint_every = 50",
    "strategy.prepare.precision = 'mixed_bfloat16'",
    "image_views.ImageViews.compiled = True",
)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "config.gin").write_text(SAVED, encoding="utf-8")
    return tmp_path


def build(workdir: Path, files: list[str], *bindings: str) -> None:
    config.parse(files, bindings)
    strategy = config.build("strategy.prepare")
    config.build("train.Trainer", workdir=workdir, strategy=strategy)
    config.check_used()


def test_the_saved_config_has_old_names():
    found = moved_names.found(SAVED)
    assert found["from clipbench_tf.training import recipe"] == (
        "from clipbench_tf.optimization import recipe"
    )
    assert found["runtime.prepare"] == "strategy.prepare"
    assert len(found) == 6
    assert not moved_names.found(moved_names.translated(SAVED))


def test_every_new_name_is_there():
    for old, new in moved_names.MODULES.items():
        importlib.import_module(f"clipbench_tf.{new}")
        with pytest.raises(ImportError):
            importlib.import_module(f"clipbench_tf.{old}")
    for old, new in moved_names.CONFIGURABLES.items():
        module, name = new.split(".")
        places = [m for m in moved_names.MODULES.values() if m.endswith(f".{module}")]
        assert hasattr(importlib.import_module(f"clipbench_tf.{places[0]}"), name), old


def test_the_same_command_goes_on_in_a_folder_of_an_earlier_version(folder):
    build(folder, ["defilip.gin"], *BINDINGS)
    config.claim(folder)
    assert (folder / "config.gin").read_text(encoding="utf-8") == SAVED


def test_another_command_is_refused_there_with_the_difference(folder):
    build(folder, ["defilip.gin"], *BINDINGS, "recipe.Recipe.epochs = 17")
    with pytest.raises(ConfigError, match="belongs to a run") as caught:
        config.claim(folder)
    changed = [line for line in str(caught.value).splitlines() if line[:2] in ("-r", "+r")]
    assert changed == ["-recipe.Recipe.epochs = 16", "+recipe.Recipe.epochs = 17"]


def test_the_precision_of_such_a_run_is_kept(folder):
    config.parse(["defilip.gin"])
    assert precision.settle(folder).policy == "mixed_bfloat16"


def test_a_saved_config_repeats_its_run(folder):
    build(folder / "again", [str(folder / "config.gin")])
    config.claim(folder / "again")
    assert "strategy.prepare.precision" in (folder / "again/config.gin").read_text()


def test_a_gin_file_with_old_names_is_refused_with_the_new_ones(tmp_path):
    (tmp_path / "mine.gin").write_text(SAVED, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.gin uses names that have moved") as caught:
        config.parse([str(tmp_path / "mine.gin")])
    assert "'runtime.prepare' is now 'strategy.prepare'" in str(caught.value)
    assert "'from clipbench_tf.data import tokenizer' is now" in str(caught.value)


def test_a_binding_with_an_old_name_is_refused_with_the_new_one():
    with pytest.raises(ConfigError, match=r"bindings uses .* is now 'strategy\.prepare'"):
        config.parse(["clip.gin"], ["runtime.prepare.seed = 1"])


def test_comments_and_longer_names_are_no_old_names():
    text = (
        "# runtime.prepare\nmy_runtime.prepare.seed = 1\nfrom clipbench_tf.training import train\n"
    )
    assert not moved_names.found(text)


def test_an_argument_that_the_folder_does_not_know_may_have_its_default_alone(folder):
    assert "ModifiedResNet.mean" not in SAVED
    build(folder, ["defilip.gin"], *BINDINGS, "modified_resnet.ModifiedResNet.mean = (0, 0, 0)")
    with pytest.raises(ConfigError, match=r"ModifiedResNet\.mean"):
        config.claim(folder)


# As gin/lit.gin was, and lines of the config.gin that its run left.
LOCKED = """
from clipbench_tf.models import locked
from clipbench_tf.models import modified_resnet
from clipbench_tf.training import train
method.Method.image_encoder = @locked.Locked()
locked.Locked.encoder = @modified_resnet.ModifiedResNet()
locked.Locked.checkpoint = \\
    'runs/clip'
"""


def test_a_locked_tower_is_told_its_new_bindings(tmp_path):
    (tmp_path / "mine.gin").write_text(LOCKED, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.parse([str(tmp_path / "mine.gin")])
    for told in (
        "is now \"train.Trainer.init_from = {'image': 'runs/clip'}\"",
        "'locked.Locked.encoder' is now 'method.Method.image_encoder'",
        "is now \"method.Method.locked = {'image': 0}\"",
    ):
        assert told in str(caught.value)
    with pytest.raises(ConfigError, match=r"'locked.Locked.name = 1' is gone"):
        config.parse(["clip.gin"], ["locked.Locked.name = 1"])


def test_the_saved_config_of_a_locked_tower_builds_what_it_did(tmp_path):
    shipped = Path(config.__file__).parents[1] / "gin/clip.gin"
    includes = "".join(re.findall(r"include .*\n", shipped.read_text(encoding="utf-8")))
    head = "from __gin__ import dynamic_registration\nfrom clipbench_tf import method\n"
    text = f"{includes}{head}{LOCKED}locked.Locked.name = 'locked'\n"
    (tmp_path / "config.gin").write_text(text, encoding="utf-8")
    config.parse([str(tmp_path / "config.gin")], ["image_views.ImageViews.compiled = False"])
    strategy = config.build("strategy.prepare")
    trainer = config.build("train.Trainer", workdir=tmp_path, strategy=strategy)
    config.check_used()
    assert trainer.init_from == {"image": "runs/clip"}  # the text tower begins at random
    assert dict(trainer.method.locked) == {"image": 0}
    assert isinstance(trainer.method.image_encoder, ModifiedResNet)
