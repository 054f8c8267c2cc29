"""Outputs as JSON."""

import base64
import json

import numpy as np
import pytest

from clipbench_tf.serving import answer
from clipbench_tf.serving.errors import RequestError


def test_one_output_is_a_list_and_several_are_objects():
    x, y = np.array([[1, 2], [3, 4]], np.int32), np.array([0.5, 1.5], np.float32)
    assert json.loads(answer.rows({"x": x})) == {"predictions": [[1, 2], [3, 4]]}
    assert json.loads(answer.columns({"x": x})) == {"outputs": [[1, 2], [3, 4]]}
    both = {"x": x, "y": y}
    assert json.loads(answer.rows(both)) == {
        "predictions": [{"x": [1, 2], "y": 0.5}, {"x": [3, 4], "y": 1.5}]
    }
    assert json.loads(answer.columns(both)) == {"outputs": {"x": [[1, 2], [3, 4]], "y": [0.5, 1.5]}}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_numbers_come_back_as_they_were_to_the_last_bit(dtype):
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(dtype) * dtype(1e-3)
    for text in (answer.rows({"x": values}), answer.columns({"x": values})):
        (back,) = json.loads(text).values()
        np.testing.assert_array_equal(np.array(back, dtype), values)


def test_a_float_is_written_as_shortly_as_it_can_be():
    assert answer.rows({"x": np.array([0.1, 0.2], np.float32)}) == b'{"predictions":[0.1,0.2]}'


def test_numbers_that_json_does_not_know_have_python_s_names():
    values = np.array([[np.nan, 1.0], [np.inf, -np.inf]], np.float32)
    assert b"NaN" in answer.rows({"x": values}) and b"-Infinity" in answer.columns({"x": values})
    both = answer.rows({"x": values, "n": np.array([1, 2])})
    np.testing.assert_equal(json.loads(both)["predictions"][1], {"n": 2, "x": [np.inf, -np.inf]})


def test_texts_are_texts_and_bytes_are_base64():
    value = np.array([["ä".encode(), b"b"], [b"", b"\xff"]], object)
    assert json.loads(answer.columns({"x": value})) == {
        "outputs": [["ä", "b"], ["", {"b64": base64.b64encode(b"\xff").decode()}]]
    }
    named = json.loads(answer.rows({"x_bytes": value[:1]}))
    assert named == {"predictions": [[{"b64": "w6Q="}, {"b64": "Yg=="}]]}


def test_truth_values_and_single_numbers():
    assert answer.columns({"x": np.array([True, False])}) == b'{"outputs":[true,false]}'
    assert answer.columns({"x": np.array(3, np.int64)}) == b'{"outputs":3}'


def test_no_rows():
    empty = {"x": np.zeros([0, 3], np.float32), "y": np.array([], object)}
    assert json.loads(answer.columns(empty)) == {"outputs": {"x": [], "y": []}}
    assert json.loads(answer.rows(empty)) == {"predictions": []}


@pytest.mark.parametrize("other", [np.array(1.0), np.zeros(3)])
def test_outputs_without_common_rows_cannot_be_predictions(other):
    with pytest.raises(RequestError, match="'inputs'"):
        answer.rows({"x": np.zeros(2), "y": other})


def test_parts_of_a_joined_answer_are_written_too():
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert json.loads(answer.rows({"x": table[:, 1:3]}))["predictions"][2] == [9, 10]
