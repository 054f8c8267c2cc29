"""scripts/export.py: a model from its folder alone, with other names, weights or towers."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import api
from clipbench_tf.evaluation.scorers import late_interaction
from clipbench_tf.export import card
from tests.evaluation.samples import COLOURS, png
from tests.export.exports import CLASSES, TEMPLATES
from tests.scripts import in_process

IMAGES = [png(colour) for colour in COLOURS]


@pytest.fixture(scope="module")
def exported(tiny_export):
    return tiny_export(late_interaction)


@pytest.fixture(scope="module")
def model(exported):
    """The folder of a SavedModel."""
    return exported.folder


def run(model, output, *flags: str) -> tuple[int, str, str]:
    return in_process.run("export.py", f"--model={model}", f"--output={output}", *flags)


def test_other_names_and_weights_of_half_the_size(exported, model, tmp_path):
    names, prompts = tmp_path / "names.txt", tmp_path / "prompts.txt"
    names.write_text("cat\ndog\nsea_urchin\n")
    prompts.write_text("{}\na photo of a {}.\n")
    output = tmp_path / "out"
    flags = ["--weights=bfloat16", f"--classnames={names}", f"--prompts={prompts}"]
    status, printed, errors = run(model, output, *flags)
    assert (status, errors) == (0, "")
    assert "tiny: both towers, bfloat16 weights, " in printed
    assert "answers with 3 class names in 2 prompts each" in printed
    assert printed.endswith(f"Wrote {output}.\n")
    before, after = exported.model, api.load(output)
    assert after.card["class_names"] == ["cat", "dog", "sea urchin"]
    assert after.card["dataset"] == "tiny"
    expected = before.classify(IMAGES, ["cat", "dog", "sea urchin"], ["{}", "a photo of a {}."])
    loaded = tf.saved_model.load(str(output))  # kept, or its variables are freed
    answer = loaded.serving_default(tf.constant(IMAGES))
    rows = zip(answer["classes"].numpy(), answer["scores"].numpy(), strict=True)
    found = [dict(zip(names, scores, strict=True)) for names, scores in rows]
    scores = [[row[name.encode()] for name in after.card["class_names"]] for row in found]
    np.testing.assert_allclose(scores, expected, atol=0.05)  # of bfloat16


@pytest.mark.slow
def test_names_of_the_model_itself(model, tmp_path):
    again = tmp_path / "again"
    assert run(model, again, "--weights=float16")[0] == 0
    facts = card.read(again)
    assert (facts["class_names"], facts["templates"]) == (list(CLASSES), list(TEMPLATES))
    assert facts["weights"] == "float16"


def test_one_tower(exported, model, tmp_path):
    output = tmp_path / "texts"
    status, printed, errors = run(model, output, "--tower=text")
    assert (status, errors) == (0, "")
    assert "tiny: the text tower, float32 weights" in printed
    texts = ["a cat", "two dogs"]
    expected = exported.model.encode_texts(texts)
    np.testing.assert_allclose(api.load(output).encode_texts(texts), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model=absent"], "There is no folder 'absent'"),
        (["--tower=text", "--prompts=clip80"], "--prompts needs both towers"),
        (["--classnames=absent.txt"], "absent.txt"),
        (["--prompts=absent.txt"], "There are no prompts 'absent.txt'"),
        (["stray"], "'stray' is no flag"),
    ],
)
def test_one_line_for_what_cannot_be_done(model, tmp_path, flags, message):
    status, _, errors = run(model, tmp_path / "out", *flags)
    assert status == 1
    assert message in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
