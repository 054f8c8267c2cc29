"""The examples of docs/extending.md, run as a reader would run them."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data import sources
from tests.docs import pages
from tests.objectives import samples

pytestmark = pytest.mark.skipif(not pages.THERE, reason="the tests lie apart from the pages")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Follows a section in an empty folder, or writes its files alone; returns what it defined."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)

    def follow(title: str, *, files_only: bool = False) -> dict:
        names: dict = {"__name__": "example"}
        for block in pages.blocks(pages.section(pages.text("extending.md"), title)):
            if block.file:
                Path(block.file).write_text(block.text, encoding="utf-8")
            elif block.language == "python" and not files_only:
                exec(compile(block.text, f"docs/extending.md, {title}", "exec"), names)
        return names

    yield follow
    for path in tmp_path.glob("*.py"):
        if path.stem not in known:
            sys.modules.pop(path.stem, None)


def trained(names: dict) -> bool:
    first, second = names["losses"]
    return bool(np.isfinite([first, second]).all()) and first != second


def test_an_image_encoder_of_ones_own_trains(run):
    names = run("An image encoder")
    assert trained(names)
    trainer = names["trainer"]
    assert type(trainer.method.image_encoder).__module__ == "mean_pool"
    embedding, pooled, tokens = trainer.encoders.images(np.zeros([3, 64, 64, 3], np.uint8))
    assert (embedding.shape, pooled.shape, tokens.shape) == ((3, 128), (3, 64), (3, 64, 64))
    np.testing.assert_allclose(pooled, np.mean(tokens, axis=1), atol=1e-5)


def test_a_data_set_of_ones_own_is_written_read_and_trained_on(run):
    names = run("A data source")
    assert trained(names)
    data = sources.load("data/squares")
    assert data.classes == ("red", "green", "blue", "black")
    assert {n: s.examples for n, s in data.splits.items()} == {"train": 128, "validation": 32}
    for record in sources.records(data.split("train")):
        example = sources.parse(record)
        colour = data.classes[int(example["label"])]
        written = [f"a {colour} square".encode(), f"a square in {colour}".encode()]
        assert example["captions"].numpy().tolist() == written
        assert example["image"].numpy().startswith(b"\x89PNG")
    assert all("square" in caption for caption in names["captions"])
    for _, value in names["trainer"].validation.run():
        assert 0 <= value <= 1


@pytest.mark.slow
def test_an_evaluation_of_ones_own_sees_the_weights_of_each_step(run):
    names = run("An evaluation")
    log = Path("runs/gap/metrics.jsonl").read_text(encoding="utf-8")
    first, last = map(json.loads, log.splitlines())
    assert (first["step"], last["step"]) == (1, 2)
    assert first["gap/validation"] != last["gap/validation"]
    assert 0 <= last["retrieval/validation/image_to_text_r1"] <= 1
    encoders, split = names["trainer"].encoders, names["trainer"].dataset.split("validation")
    examples = [sources.parse(record) for record in sources.records(split)]
    pixels, _ = encoders.pixels(np.array([example["image"].numpy() for example in examples]))
    captions = np.array([example["captions"][0].numpy() for example in examples])
    means = [
        np.mean(rows / np.linalg.norm(rows, axis=1, keepdims=True), axis=0)
        for rows in (
            encoders.images(pixels).embedding.numpy(),
            encoders.texts(captions).embedding.numpy(),
        )
    ]
    assert last["gap/validation"] == pytest.approx(np.linalg.norm(means[0] - means[1]), rel=1e-3)


def test_the_gap_is_the_distance_of_the_means_of_what_can_be_decoded(run):
    run("An evaluation", files_only=True)

    class Known:
        """Pictures lie at (1, 0), captions at (0, 1); every other picture cannot be decoded."""

        def represent_images(self, encoded):
            valid = np.arange(len(encoded)) % 2 == 0
            rows = np.where(valid[:, np.newaxis], [1.0, 0.0], np.nan)
            return {"embedding": tf.constant(rows, tf.float32)}, tf.constant(valid)

        def represent_classes(self, prompts):
            assert prompts.shape[1] == 1
            return {"embedding": tf.constant([[0.0, 1.0]] * len(prompts))}

    made = runpy.run_path("gap.py")["Gap"](Known(), sources.load("emoji"), split="validation")
    assert dict(made.run()) == {"gap/validation": pytest.approx(2**0.5)}


def test_a_supervision_signal_of_ones_own_trains_and_is_its_formula(run):
    names = run("A supervision signal")
    assert trained(names)
    (objective,) = names["trainer"].method.objectives
    sample = samples.features(batch=5)
    image, text = (x.embedding.numpy() for x in (sample.images[0], sample.texts[0]))
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    fresh = type(objective)(bias=-1.5)
    signs = 2 * np.eye(5) - 1
    expected = np.log1p(np.exp(-signs * (5.0 * image @ text.T - 1.5))).sum() / 5
    assert float(fresh(sample)) == pytest.approx(expected, rel=1e-5)
