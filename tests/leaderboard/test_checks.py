"""What `leaderboard.py check` refuses."""

import copy
import dataclasses

import pytest

from clipbench_tf.leaderboard import checks
from tests.leaderboard.samples import CONFIG, entries, entry


def changed(number: int, change):
    some = entries()
    run = copy.deepcopy(some[number].run)
    change(run)
    some[number] = dataclasses.replace(some[number], run=run)
    return some


def test_good_records_have_no_complaints():
    assert checks.complaints(entries()) == []
    assert checks.complaints([entry()]) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda run: run.pop("git_commit"), "there is no git_commit"),
        (lambda run: run.update(git_commit=None), "there is no git_commit"),
        (lambda run: run.update(git_commit="a" * 40 + "-dirty"), "clean checkout"),
        (lambda run: run.update(git_commit="abcdef0"), "no commit that others can check out"),
        (lambda run: run.pop("checksums"), "there is no checksums"),
        (lambda run: run["checksums"].pop("prompts"), "no checksum of the prompts"),
        (lambda run: run.update(packages=[]), "there is no packages"),
        (lambda run: run["hardware"].update(cpu=""), "the hardware has no cpu"),
        (lambda run: run.update(seed=7), "the run has seed 7"),
        (lambda run: run.update(scorer="mine"), "scorer 'mine' is unknown"),
        (lambda run: run.update(results=[]), "there is no evaluation"),
        (lambda run: run["results"][0].pop("top1"), "on test has no top1"),
        (lambda run: run["results"][1].update(top5=5.0), "on zero_shot has no top5 in 0 to 1"),
    ],
)
def test_a_gap_in_the_provenance_is_told_with_its_row(change, told):
    (line, *_) = checks.complaints(changed(4, change))
    assert told in line
    assert "SLIP, ResNet50, seed 1" in line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda run: run["checksums"].update(training_data="0" * 64), "trained on different data"),
        (lambda run: run["checksums"].update(evaluation_data="0" * 64), "different evaluation dat"),
        (lambda run: run["checksums"].update(prompts="0" * 64), "with different prompts"),
        (lambda run: run["checksums"].update(class_names="0" * 64), "with different class names"),
        (lambda run: run.update(git_commit="b" * 40), "differ in git commit"),
        (lambda run: run.update(batch_size=64), "differ in batch size"),
        (lambda run: run.update(precision="float32"), "differ in precision"),
        (lambda run: run["hardware"].update(cores=64), "differ in hardware"),
        (lambda run: run["packages"].update(tensorflow="2.22.0"), "differ in packages"),
    ],
)
def test_mixed_records_are_told(change, told):
    assert any(told in line for line in checks.complaints(changed(4, change)))


def test_other_data_under_another_name_is_a_matter_of_the_row():
    some = entries()
    for number, one in enumerate(some):
        if one.row[0] == "SLIP":
            run = copy.deepcopy(one.run)
            run["dataset"] = "other"
            run["checksums"]["training_data"] = "0" * 64
            some[number] = dataclasses.replace(one, run=run)
    assert checks.complaints(some) == []


def test_a_setting_that_the_row_does_not_name_is_told():
    some = entries()
    config = CONFIG.format(method="slip").replace("epochs = 16", "epochs = 32")
    some[3:6] = [dataclasses.replace(one, config=config) for one in some[3:6]]
    assert any(
        "SLIP ResNet50 differ in optimization.recipe.Recipe.epochs (16 and 32)" in line
        for line in checks.complaints(some)
    )


def test_a_missing_seed_is_told():
    (line,) = checks.complaints(entries()[:-1])
    assert "DeFILIP, ViT-B/32 has seeds [0, 1], the first row has [0, 1, 2]" in line
