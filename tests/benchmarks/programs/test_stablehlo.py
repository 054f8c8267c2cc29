"""A program gives under JAX what TensorFlow and NumPy compute."""

import json

import jax
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.benchmarks.on_gpu.program import Program
from clipbench_tf.benchmarks.programs.stablehlo import ProgramError, save


def run(folder, name, parameters):
    """The results of the program for `parameters`."""
    program = Program(folder, name)
    program.compile()
    program._arguments = [jax.numpy.asarray(one) for one in parameters]
    return [np.asarray(one) for one in program.start()]


def test_weights_are_parameters_after_the_inputs_in_their_order(tmp_path):
    draw = np.random.default_rng(0)
    x, w, b = (draw.standard_normal(s).astype(np.float32) for s in ([4, 3], [3, 2], [2]))
    kernel, bias, table = tf.Variable(w), tf.Variable(b), tf.constant(draw.integers(0, 9, 4))
    ids = tf.constant([3, 0, 1, 2])

    def function(x, ids):
        return [(x @ kernel + bias) * tf.cast(tf.gather(table, ids), tf.float32)[:, None]]

    save(function, [tf.constant(x), ids], tmp_path, "one", {"count": 4})
    facts = json.loads((tmp_path / "one.json").read_text())
    assert facts["count"] == 4 and facts["results"] == 1
    shapes = [tuple(one["shape"]) for one in facts["parameters"]]
    assert shapes[:2] == [(4, 3), (4,)] and sorted(shapes[2:]) == [(2,), (3, 2), (4,)]
    own = {(3, 2): w, (2,): b, (4,): table.numpy()}
    (found,) = run(tmp_path, "one", [x, ids.numpy(), *(own[s] for s in shapes[2:])])
    expected = (x @ w + b) * table.numpy()[ids.numpy()][:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_parameters_are_drawn_as_they_were_here_and_integers_are_kept(tmp_path):
    weight = tf.Variable(3.0 + 0.5 * np.random.default_rng(0).standard_normal([100, 100]))
    pixels, ids = tf.zeros([2, 100], tf.uint8), tf.constant([7, 5])
    double = tf.Variable(2.5)

    def function(pixels, ids):
        return [tf.cast(pixels, tf.float64) @ weight, tf.cast(ids, tf.float32) * double]

    save(function, [pixels, ids], tmp_path, "two", {})
    program = Program(tmp_path, "two")
    program.load()
    drawn_pixels, drawn_ids, *rest = program.arguments()
    np.testing.assert_array_equal(drawn_ids, [7, 5])
    assert drawn_pixels.dtype == np.uint8 and drawn_pixels.std() > 50
    scalar, matrix = sorted(rest, key=lambda one: one.ndim)
    assert scalar == 2.5
    assert abs(matrix.mean() - 3.0) < 0.05 and abs(matrix.std() - 0.5) < 0.05


def test_results_that_are_not_finite_are_seen(tmp_path):
    save(lambda x: [tf.math.log(x)], [tf.constant([1.0, 2.0])], tmp_path, "good", {})
    save(lambda x: [tf.math.log(x - 5.0)], [tf.constant([1.0, 2.0])], tmp_path, "bad", {})
    found = []
    for name in ("good", "bad"):
        program = Program(tmp_path, name)
        program.compile()
        program._arguments = [jax.numpy.asarray([1.0, 2.0], "float32")]
        found.append(program.finite())
    assert found == [True, False]


def test_what_a_run_writes_is_there_in_the_next(tmp_path):
    total, count = tf.Variable([1.0, 2.0]), tf.Variable(5)

    def function(x):
        doubled = 2.0 * total
        total.assign_add(x)
        count.assign_add(1)
        return [doubled]

    save(function, [tf.constant([10.0, 20.0])], tmp_path, "running", {})
    assert b"mhlo.copy" not in (tmp_path / "running.mlir").read_bytes()
    program = Program(tmp_path, "running")
    program.compile()
    program.load()
    program._arguments[0] = jax.numpy.asarray([10.0, 20.0], "float32")
    (place,) = [n for n, one in enumerate(program.arguments()[1:], 1) if one.shape == (2,)]
    program._arguments[place] = jax.numpy.asarray([1.0, 2.0], "float32")
    found = [np.asarray(program.start()[0]) for _ in range(3)]
    np.testing.assert_allclose(found, [[2, 4], [22, 44], [42, 84]])
    assert sorted(int(x) for x in program.arguments() if x.shape == ()) == [8]


def test_what_xla_cannot_compile_is_named(tmp_path):
    def words(x):
        return [tf.strings.as_string(x)]

    with pytest.raises(ProgramError, match="XLA cannot compile text"):
        save(words, [tf.constant([1.0])], tmp_path, "text", {})
    assert not list(tmp_path.iterdir())
