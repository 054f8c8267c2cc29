import keras
import numpy as np
import pytest

from clipbench_tf.export.card import ExportError
from clipbench_tf.export.runtimes import functions
from tests.export.runtimes.conftest import encoders, same


def test_functions_of_pixels_and_ids_equal_the_export(made):
    same(functions.image(made.encoders)(made.pixels), made.image)
    same(functions.text(made.encoders)(made.ids), made.text)


def test_they_compute_in_float32_whatever_the_method_trains_in(made):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = encoders(made.encoders.method.name)
    assert model.method.image_encoder.compute_dtype == "bfloat16"
    same(functions.image(model)(made.pixels), made.image)
    same(functions.text(model)(made.ids), made.text)


def test_where_padding_counts_only_whole_texts_are_taken():
    run = functions.text(encoders("vit_padding"))
    assert run(np.ones([2, 24], np.int32))["mask"].numpy().all()
    with pytest.raises(TypeError):
        run(np.ones([2, 23], np.int32))


def test_a_tower_that_no_file_holds_is_refused(made, monkeypatch):
    functions.check_size(made.encoders.method.image_encoder, "image")
    monkeypatch.setattr(functions, "LIMIT", 1000)
    with pytest.raises(ExportError, match=r"image tower has .* serve it as a SavedModel"):
        functions.check_size(made.encoders.method.image_encoder, "image")
