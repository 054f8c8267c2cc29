"""The files of all plots of a suite."""

import dataclasses
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from clipbench_tf.leaderboard.board import Board
from clipbench_tf.leaderboard.entry import RecordError
from clipbench_tf.leaderboard.plots.draw import draw
from tests.leaderboard import samples

TEXT = "{http://www.w3.org/2000/svg}text"
KINDS = ("accuracy", "cost", "curves")


def texts(path) -> list[str]:
    """What an SVG file says."""
    return ["".join(element.itertext()).strip() for element in ET.parse(path).iter(TEXT)]


@pytest.fixture(scope="module")
def table4(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots") / "new" / "folder"
    return folder, draw(Board(samples.entries()), folder)


def test_three_plots_are_written_as_png_and_svg(table4):
    folder, files = table4
    names = [f"table4_{name}.{kind}" for name in KINDS for kind in ("png", "svg")]
    assert [file.name for file in files] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for file in files[::2]:
        with Image.open(file) as picture:
            assert picture.size[0] == 1350  # 9 inches at 150 dots
            assert round(picture.info["dpi"][0]) == 150


def test_the_svg_tells_means_and_intervals_as_text(table4):
    said = texts(table4[0] / "table4_accuracy.svg")
    for place, (method, encoder) in enumerate(samples.ROWS):
        seeds = 100 * np.array(
            [0.1 + 0.015 * place + 0.004 * ((seed * 7 + place * 3) % 5 - 2) for seed in range(3)]
        )
        low, high = scipy.stats.t.interval(0.95, 2, seeds.mean(), scipy.stats.sem(seeds))
        assert f"{seeds.mean():.1f}  ({low:.1f} to {high:.1f})" in said
        assert method in said and encoder in said
    assert said.count("CLIP") == 2
    assert "top-1 accuracy (%); chance is 0.053%, dashed" in said
    assert "Supervision, by image encoder" in said


def test_each_svg_describes_the_means_in_words(table4):
    for kind in KINDS:
        text = (table4[0] / f"table4_{kind}.svg").read_text()
        (described,) = re.findall(r"<dc:description>(.*?)</dc:description>", text)
        assert described.startswith("top-1 accuracy (%), means over seeds. CLIP, ResNet50: 10.")
        assert described.count("; ") == len(samples.ROWS) - 1


def test_plots_tell_their_units(table4):
    said = texts(table4[0] / "table4_cost.svg")
    assert {"training compute (TFLOP)", "training time (minutes)", "top-1 accuracy (%)"} <= {*said}
    assert said.count("DeFILIP, ViT-B/32") == 2
    said = texts(table4[0] / "table4_curves.svg")
    assert {"validation top-1 accuracy (%)", "training loss", "step"} <= {*said}


def test_the_same_records_give_the_same_bytes(table4, tmp_path):
    again = draw(Board(samples.entries()), tmp_path)
    for file, other in zip(table4[1], again, strict=True):
        assert file.read_bytes() == other.read_bytes(), file.name


def test_another_measure_of_another_split_can_be_drawn(tmp_path):
    board = Board(samples.entries(2)[:2])
    draw(board, tmp_path, metric="mean_reciprocal_rank", split="zero_shot")
    said = texts(tmp_path / "table4_accuracy.svg")
    mean = 1.4 * 0.1 * np.mean([0.1 - 0.008, 0.1])
    assert any(line.startswith(f"{mean:.3f}  (") for line in said)
    assert any(line.startswith("mean reciprocal rank; chance is 0.004, ") for line in said)
    assert any("on split zero_shot" in line for line in said)


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"split": "train"}, r"no split 'train'.*test"), ({"metric": "top9"}, "has no top9")],
)
def test_what_records_do_not_have_is_refused(asked, message, tmp_path):
    with pytest.raises(RecordError, match=message):
        draw(Board(samples.entries(1)[:1]), tmp_path, **asked)


def test_a_factor_of_numbers_becomes_an_axis(tmp_path):
    draw(Board(samples.of_depths()), tmp_path)
    said = texts(tmp_path / "table5_accuracy.svg")
    assert {"1", "3", "6", "12", "text layers", "CLIP", "DeFILIP"} <= {*said}
    assert "chance 0.053%, below the axis" in said


def of_users(factors, rows, seeds=1, **changes):
    suite = dataclasses.replace(
        samples.SUITE, name="my suite", title="Mine", factors=factors, baselines={}, touches={}
    )
    made = [
        samples.entry(row, seed, 0.1 + 0.01 * place, suite=suite, place=place, flops=10.0**place)
        for place, row in enumerate(rows)
        for seed in range(seeds)
    ]
    return Board([dataclasses.replace(entry, **changes) for entry in made])


def test_one_row_with_one_seed_is_drawn_and_has_no_interval(tmp_path):
    files = draw(of_users(("method",), [("OTTER",)]), tmp_path)
    assert [file.name for file in files[::2]] == [f"my_suite_{name}.png" for name in KINDS]
    assert "10.0" in texts(tmp_path / "my_suite_accuracy.svg")
    assert any("one seed has no interval" in line for line in texts(files[1]))


def test_names_are_drawn_as_they_are(tmp_path):
    names = ["$x_1$ & <b>", "_hidden", "a name that is much longer than a line of any plot is wide"]
    draw(of_users(("method", "data"), [(name, "V1") for name in names], 2), tmp_path)
    for kind in KINDS:
        said = texts(tmp_path / f"my_suite_{kind}.svg")
        for name in (*names[:2], "a name that is much"):
            assert any(line.startswith(name) for line in said), (kind, name)


def test_without_curves_there_is_no_plot_of_them(tmp_path):
    files = draw(of_users(("method",), [("CLIP",), ("OTTER",)], curve=[]), tmp_path)
    assert [file.name for file in files[::2]] == ["my_suite_accuracy.png", "my_suite_cost.png"]


def test_curves_without_accuracies_show_the_loss_alone(tmp_path):
    curve = [{"step": step, "loss": 1 / step} for step in (1, 2)]
    draw(of_users(("method",), [("CLIP",), ("OTTER",)], curve=curve), tmp_path)
    said = texts(tmp_path / "my_suite_curves.svg")
    assert "training loss" in said
    assert not any("accuracy" in line for line in said)


def test_rows_that_learnt_nothing_at_another_scale_are_drawn(tmp_path):
    suite = dataclasses.replace(samples.SUITE, scale="paper")
    entries = [
        samples.entry(row, seed, 0.0, suite=suite, place=place, flops=0.0, minutes=0.0)
        for place, row in enumerate(samples.ROWS[:2])
        for seed in range(2)
    ]
    draw(Board(entries), tmp_path)
    assert "0.0  (0.0 to 0.0)" in texts(tmp_path / "table4_paper_accuracy.svg")
