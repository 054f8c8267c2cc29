"""What clients are told of TensorFlow's errors."""

import pytest
import tensorflow as tf

from clipbench_tf.serving import errors


@tf.function
def _asserting(x):
    with tf.control_dependencies([tf.debugging.Assert(x > 0, ["These rows are wrong:", x])]):
        return x + 1


def test_an_assertion_is_told_without_its_graph():
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        _asserting(tf.constant(-5))
    told = errors.as_request_error(raised.value, "f")
    assert told.status == 400
    assert str(told) == "Signature 'f' refused its inputs: These rows are wrong: -5"


@pytest.mark.parametrize(
    "text",
    [
        "Bad file /home/user/model/variables.index; no such file",
        "Defined at (most recent call last):\n  File '/home/user/x.py', line 3",
        "Incompatible shapes: [2,3] vs. [4] [[{{node home/user/mul}}]] [Op:__inference_f_12]",
        "In /home/user/a.py:31 failed",
    ],
)
def test_no_path_and_no_node_is_told(text):
    told = errors.reason(tf.errors.InvalidArgumentError(None, None, text))
    assert told and "home" not in told and "user" not in told and "\n" not in told


def test_what_the_reason_says_is_kept():
    text = "Incompatible shapes: [2,3] vs. [4] [[{{node mul}}]]"
    told = errors.reason(tf.errors.InvalidArgumentError(None, None, text))
    assert told == "Incompatible shapes: 2,3 vs. 4"


def test_other_errors_are_logged_and_not_told(caplog):
    told = errors.as_request_error(RuntimeError("secret"), "f")
    assert told.status == 500 and "secret" not in str(told)
    assert "secret" in caplog.text


def test_kinds_have_the_statuses_of_tensorflow_serving():
    kinds = {
        tf.errors.ResourceExhaustedError: 429,
        tf.errors.UnimplementedError: 501,
        tf.errors.InternalError: 500,
    }
    for kind, status in kinds.items():
        assert errors.as_request_error(kind(None, None, "x"), "f").status == status
