import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.export.card import ExportError
from clipbench_tf.export.runtimes import keras_models
from tests.export.runtimes.conftest import encoders, same

# Fails for a warning, since one tells of layers that were loaded without their weights.
FRESH = """
import sys, keras, numpy as np, clipbench_tf.export.runtimes.keras_models
folder = sys.argv[1]
for name in ("image", "text"):
    outputs = keras.saving.load_model(f"{folder}/{name}.keras")(np.load(f"{folder}/{name}.npy"))
    outputs = outputs if isinstance(outputs, dict) else {"embedding": outputs}
    np.savez(f"{folder}/{name}.npz", **{n: np.asarray(x) for n, x in outputs.items()})
"""


def test_models_load_in_a_fresh_process_and_equal_the_export(made, tmp_path):
    lines = keras_models.write(made.encoders, tmp_path)
    assert "clipbench_tf must be installed" in lines[1]
    np.save(tmp_path / "image.npy", made.pixels)
    np.save(tmp_path / "text.npy", made.ids)
    command = [sys.executable, "-W", "error::UserWarning", "-c", FRESH, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    same(dict(np.load(tmp_path / "image.npz")), made.image)
    same(dict(np.load(tmp_path / "text.npz")), made.text)


@pytest.mark.slow
def test_floats_are_taken_too_and_weights_are_copied_in_float32(made, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras_models.write(encoders(made.encoders.method.name), tmp_path)
    model = keras.saving.load_model(tmp_path / "image.keras")
    outputs = model(made.pixels.astype(np.float32))
    outputs = outputs if isinstance(outputs, dict) else {"embedding": outputs}
    same(outputs, made.image)


@pytest.mark.slow
def test_they_can_be_trained_on(tmp_path):
    keras_models.write(encoders("resnet"), tmp_path)
    model = keras.saving.load_model(tmp_path / "image.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(pixels, training=True)[:, 0])
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert len(gradients) > 50 and all(gradient is not None for gradient in gradients)


def test_padding_counts_where_the_method_counts_it(tmp_path):
    keras_models.write(encoders("vit_padding"), tmp_path)
    model = keras.saving.load_model(tmp_path / "text.keras")
    assert model.input_shape == (None, 24)
    assert np.all(model(np.ones([2, 24], np.int32))["mask"])


def test_towers_of_other_libraries_are_refused_with_a_remedy(made, tmp_path):
    class Other(keras.layers.Layer):
        pass

    inputs = keras.Input((8,))
    with pytest.raises(ExportError, match=r"this tower is a Other; .*SavedModel or ONNX"):
        keras_models._model(inputs, Other(), None)
