"""Gin at the edge: what is refused, who wins, and whose folder it is."""

from pathlib import Path

import pytest

from clipbench_tf import config
from clipbench_tf.config import ConfigError

HEAD = """
from __gin__ import dynamic_registration
from clipbench_tf.objectives import fine_grained
from clipbench_tf.objectives import image_text
from clipbench_tf.optimization import recipe
"""


@pytest.fixture
def write(tmp_path):
    def file(text: str, name: str = "test.gin") -> str:
        (tmp_path / name).write_text(HEAD + text)
        return str(tmp_path / name)

    return file


def built(files: list[str], bindings: tuple[str, ...] = ()):
    config.parse(files, bindings)
    return config.build("recipe.Recipe")


def test_binds_what_the_file_says_and_leaves_the_rest(write):
    recipe = built([write("recipe.Recipe.epochs = 3\nrecipe.Recipe.weight_decay = 0.25")])
    assert (recipe.epochs, recipe.weight_decay) == (3, 0.25)
    assert (recipe.warmup_epochs, recipe.peak_learning_rate) == (1.0, 1e-3)
    config.check_used()


def test_later_files_and_bindings_win(write):
    first = write("recipe.Recipe.epochs = 3\nrecipe.Recipe.beta_1 = 0.5\nN = 1", "a.gin")
    second = write("recipe.Recipe.epochs = 4\nrecipe.Recipe.epsilon = 0.1", "b.gin")
    assert built([first, second]).epochs == 4
    assert built([second, first]).epochs == 3
    recipe = built([first, second], ("recipe.Recipe.epochs = 5", "recipe.Recipe.epochs = 6"))
    assert (recipe.epochs, recipe.beta_1, recipe.epsilon) == (6, 0.5, 0.1)


def test_a_second_parse_forgets_the_first(write):
    built([write("recipe.Recipe.epochs = 3", "a.gin")])
    assert built([write("", "b.gin")]).epochs == 32.0


def test_no_file_and_a_missing_one_are_refused(write, tmp_path):
    with pytest.raises(ConfigError, match=r"give --gin_file=gin/clip\.gin"):
        config.parse([])
    with pytest.raises(ConfigError, match=r"no gin file 'gin/clipp\.gin'"):
        config.parse([write(""), "gin/clipp.gin"])
    with pytest.raises(ConfigError, match="no gin file"):
        config.parse([str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("recipe.Recipe.epoch = 3", "epoch"),
        ("recipe.Recipes.epochs = 3", "Recipes"),
        ("recipes.Recipe.epochs = 3", "recipes"),
        ("from clipbench_tf.training import recipies", "recipies"),
        ("recipe.Recipe.epochs = @image_text.ImageTxt()", "ImageTxt"),
        ("recipe.Recipe.epochs = [3", "multi-line"),
        ("recipe.Recipe.epochs = %EPOHCS", "EPOHCS"),
        ("include 'methods/clippy.gin'", "clippy"),
        ("recipe.Recipe.epochs = three", "three"),
    ],
)
def test_unknown_names_and_bad_syntax_are_refused_in_two_lines(text, named, write):
    with pytest.raises(ConfigError, match="In the gin configuration: ") as caught:
        config.parse([write(text)])
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_in_bindings_are_refused(write):
    with pytest.raises(ConfigError, match="epoch"):
        config.parse([write("")], ["recipe.Recipe.epoch = 3"])


def test_an_error_of_a_constructor_is_named(write):
    config.parse([write("image_text.ImageText.weight = -1.0")])
    with pytest.raises(ConfigError, match=r"weight of objective image_text is -1\.0"):
        config.build("image_text.ImageText")


def test_arguments_of_the_caller_are_passed_on(write):
    config.parse([write("recipe.Recipe.epochs = 3")])
    recipe = config.build("recipe.Recipe", warmup_epochs=0.5)
    assert (recipe.epochs, recipe.warmup_epochs) == (3, 0.5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("EPOHCS = 5", "EPOHCS"),
        ("fine_grained.FineGrained.width = 5", "FineGrained.width"),
        ("image_text.ImageText.weight = 0.5\nSIZE = 4", "ImageText.weight, SIZE"),
    ],
)
def test_what_nothing_reads_is_refused_by_name(text, named, write):
    built([write(f"EPOCHS = 3\nrecipe.Recipe.epochs = %EPOCHS\n{text}")])
    with pytest.raises(ConfigError, match=f"binds what nothing reads: {named}[.] Correct"):
        config.check_used()


def test_scopes_and_macros_that_are_read_are_not_refused(write):
    config.parse(
        [
            write(
                "E = 3\nrecipe.Recipe.epochs = %E\nrecipe.Recipe.beta_1 = 0.5\n"
                "long/recipe.Recipe.epochs = 30\nlong/er/recipe.Recipe.beta_2 = 0.25\n"
                "image_text.ImageText.weight = @long/er/recipe.Recipe()\n"
                "image_text.ImageText.name = @recipe.Recipe()"
            )
        ]
    )
    with pytest.raises(ConfigError):  # a recipe is no weight, but both have been read
        config.build("image_text.ImageText")
    assert "long/er/recipe.Recipe.epochs = 30" in config.operative()
    config.build("recipe.Recipe")
    config.check_used()


def test_includes_are_found_in_the_configs_wherever_one_stands(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write("include 'recipes/paper.gin'\nrecipe.Recipe.epochs = 7")
    recipe = built([file])
    assert (recipe.epochs, recipe.beta_2) == (7, 0.98)
    assert built(["recipes/paper.gin", Path(file).name]).epochs == 7


def test_the_operative_config_repeats_itself(write, tmp_path):
    file = write("EPOCHS = 3\nrecipe.Recipe.epochs = %EPOCHS\nrecipe.Recipe.epsilon = 1e-6")
    before = built([file], ("recipe.Recipe.beta_1 = 0.75",))
    text = config.operative()
    assert "recipe.Recipe.peak_learning_rate = 0.001" in text  # defaults are written too
    (tmp_path / "again.gin").write_text(text)
    assert built([str(tmp_path / "again.gin")]) == before
    config.check_used()
    assert config.operative() == text


def test_a_folder_is_claimed_once(write, tmp_path):
    workdir = tmp_path / "runs" / "one"
    built([write("recipe.Recipe.epochs = 3")])
    for _ in range(2):
        config.claim(workdir)
        assert (workdir / "config.gin").read_text() == config.operative()
        assert [path.name for path in workdir.iterdir()] == ["config.gin"]
        (workdir / "checkpoints").touch()
        (workdir / "checkpoints").unlink()
    (workdir / "metrics.jsonl").touch()
    config.claim(workdir)


def test_another_configuration_is_refused_with_the_difference(write, tmp_path):
    workdir = tmp_path / "run"
    built([write("recipe.Recipe.epochs = 3")])
    config.claim(workdir)
    before = (workdir / "config.gin").read_text()
    built([write("recipe.Recipe.epochs = 4")])
    with pytest.raises(ConfigError, match="belongs to a run with another configuration") as caught:
        config.claim(workdir)
    lines = str(caught.value).splitlines()
    assert [line for line in lines if line.startswith(("-r", "+r"))] == [
        "-recipe.Recipe.epochs = 3",
        "+recipe.Recipe.epochs = 4",
    ]
    assert (workdir / "config.gin").read_text() == before


def test_a_folder_that_cannot_be_written_is_refused(write, tmp_path):
    built([write("")])
    (tmp_path / "file").touch()
    for workdir in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match=r"Cannot write into the run folder .*Choose another"):
            config.claim(workdir)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_folder_with_other_files_is_refused(write, tmp_path):
    built([write("")])
    workdir = tmp_path / "home"
    workdir.mkdir()
    (workdir / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"no run folder, but holds thesis\.tex"):
        config.claim(workdir)
    assert [path.name for path in workdir.iterdir()] == ["thesis.tex"]
    (workdir / "thesis.tex").rename(workdir / "config.partial")  # of a claim that was killed
    config.claim(workdir)
    assert [path.name for path in workdir.iterdir()] == ["config.gin"]


def test_a_mistake_is_told_with_its_file_and_line(write, tmp_path):
    inner = write("recipe.Recipe.epochs = 3\nrecipe.Recipe.epoch = 4", "inner.gin")
    with pytest.raises(ConfigError, match=r"inner\.gin.*line 7"):
        config.parse([write(f"include {inner!r}", "outer.gin")])


def test_the_message_of_a_value_that_does_not_fit_is_without_gins_stack(write):
    config.parse([write("recipe.Recipe.epochs = 3")])
    with pytest.raises(ConfigError) as caught:
        config.build("recipe.Recipe", nonsense=1)
    assert "nonsense" in str(caught.value) and "configurable" not in str(caught.value)
