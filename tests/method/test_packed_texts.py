"""A method trains on captions without their padding where it can."""

import numpy as np
import tensorflow as tf

from clipbench_tf.method import Method
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.text_mlm import TextMLM
from tests.method.small_method import batch, compiled, towers


def test_the_padding_of_captions_changes_no_gradient():
    objectives = [ImageText(), MultiView(), TextMLM(), FineGrained(width=5)]
    method, sample = compiled(objectives, batch(views=2, texts=2)), batch(views=2, texts=2)
    assert method.packs_texts
    weights = [v.value for v in method.trainable_variables]
    found = []
    for packs in (True, False):
        method.packs_texts = packs
        found.append(method.gradients(sample, weights)[1])
    for one, other in zip(*found, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            one, other = map(tf.convert_to_tensor, (one, other))  # some have few rows
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_padding_is_computed_where_something_reads_it_or_xla_compiles_the_towers():
    assert Method(**towers(), objectives=[FineGrained()]).packs_texts
    assert not Method(**towers(), objectives=[FineGrained(count_padding=True)]).packs_texts
    assert not Method(**towers(), objectives=[ImageText()], xla=True).packs_texts
