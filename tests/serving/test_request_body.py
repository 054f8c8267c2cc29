"""Bodies, whole and broken."""

import base64
import json
import resource

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.serving import request_body
from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.signatures import Signature, Tensor

TEXT = Signature("text", {"text": Tensor(tf.string, (None,))}, {})
NUMBERS = Signature(
    "numbers",
    {
        "f": Tensor(tf.float32, (None, 2)),
        "i": Tensor(tf.int32, (None,)),
        "u": Tensor(tf.uint8, (None,)),
        "b": Tensor(tf.bool, (None,)),
    },
    {},
)
MIXED = Signature(
    "mixed",
    {
        "k": Tensor(tf.int32, (), np.array(5, np.int32)),
        "text": Tensor(tf.string, (None,)),
    },
    {},
)
SIGNATURES = {one.name: one for one in (TEXT, NUMBERS, MIXED)} | {"serving_default": TEXT}


def read(body) -> request_body.Asked:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request_body.read(data, SIGNATURES.__getitem__)


def columns(**inputs) -> dict[str, np.ndarray]:
    return read({"signature_name": "numbers", "inputs": inputs}).inputs


def refused(body) -> str:
    with pytest.raises(RequestError) as error:
        read(body)
    assert error.value.status == 400
    return str(error.value)


def test_texts_are_their_bytes_in_utf8_and_b64_any_bytes():
    raw = bytes(range(256))
    asked = read({"instances": ["ä✨\0", {"b64": base64.b64encode(raw).decode()}, ""]})
    assert asked.by_row and asked.signature == "text"
    assert asked.inputs["text"].tolist() == ["ä✨\0".encode(), raw, b""]


def test_base64_may_lack_its_padding_and_have_line_breaks():
    assert read({"inputs": [{"b64": "Zm\n9v YmE"}]}).inputs["text"].tolist() == [b"fooba"]


def test_numbers_have_the_types_of_the_signature():
    found = columns(f=[[1, 2.5], [float("nan"), float("-inf")]], i=[-3, 4], u=[0, 255], b=[True])
    assert {name: value.dtype for name, value in found.items()} == {
        "f": np.float32,
        "i": np.int32,
        "u": np.uint8,
        "b": np.bool_,
    }
    np.testing.assert_array_equal(found["f"], [[1, 2.5], [np.nan, -np.inf]])
    assert found["u"].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("f", [["a", "b"]]),
        ("f", [[None, 1]]),
        ("f", [[1, 2], [3]]),
        ("f", [[1e39, 1]]),
        ("f", {"b64": "AAAA"}),
        ("i", [1.5]),
        ("i", [2**31]),
        ("i", [10**30]),
        ("i", ["1"]),
        ("i", [True, False]),
        ("f", [[1.0, True]]),
        ("f", [[10**400, 1]]),
        ("f", [[[[1, 2]], [3]]]),
        ("u", [-1]),
        ("u", [256]),
        ("b", [1]),
        ("b", ["true"]),
    ],
)
def test_what_is_no_number_of_the_type_is_refused_by_the_name_of_its_input(name, value):
    assert f"'{name}'" in refused({"signature_name": "numbers", "inputs": {name: value}})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1], "expected type: string"),
        ([None], "expected type: string"),
        ([{"b64": 5}], "expecting list of objects|named input|expected type: string|Missing|keys"),
        (["a", ["b"]], "expected type: string"),
        ([["a"], "b"], "list is expected"),
        ([["a", "b"], ["c"]], "one length"),
        ([{"b64": "@@@@"}], "base64 decode"),
        ([{"b64": "data:image/png;base64,AAAA"}], "data:image"),
        ([{"b64": "ZZZZZ"}], "base64 decode"),
        (["a", {"text": "b"}], "at item 1"),
        ([{"text": "a"}, "b"], "at item 1"),
        ([{"text": "a"}, {}], "element: 1"),
        ([{"text": "a", "more": 1}], "more"),
        ([{}], "element: 0"),
        ("a", "list"),
        ({"text": "a"}, "list"),
    ],
)
def test_rows_of_texts_that_are_none_are_refused(value, said):
    with pytest.raises(RequestError, match=said):
        read({"instances": value})


def test_one_long_string_among_numbers_does_not_fill_the_memory():
    value = [1] * 200_000 + ["x" * 5_000_000]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "'i'" in refused({"signature_name": "numbers", "inputs": {"i": value}})
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200_000  # kB; at the width of the string, all would take 4 TB


def test_half_a_surrogate_pair_is_refused_with_the_remedy():
    assert "b64" in refused(b'{"instances": ["\\ud800"]}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"instances"',
        b'{"instances": ["a"]',
        b'{"instances": ["a",]}',
        b"{'instances': ['a']}",
        b'{"instances": ' + b"[" * 100_000,
        b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"instances": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"instances": [' + b"9" * 5000 + b"]}",
        b'{"signature_name": "numbers", "inputs": {"i": [' + b"9" * 5000 + b"]}}",
        b'{"signature_name": "numbers", "inputs": {"i": [1e999]}}',
        b'{"signature_name": null, "instances": ["a"]}',
    ],
)
def test_a_body_that_is_no_request_is_refused_shortly(body):
    assert 10 < len(refused(body)) < 500


def test_of_keys_there_twice_the_last_one_counts():
    assert read(b'{"instances": ["a"], "instances": ["b"]}').inputs["text"].tolist() == [b"b"]


def test_an_input_with_a_default_may_be_absent_and_a_plain_list_is_for_the_other_one():
    for body in ({"instances": ["a"]}, {"instances": [{"text": "a"}]}, {"inputs": ["a"]}):
        asked = read({"signature_name": "mixed", **body})
        assert {name: value.tolist() for name, value in asked.inputs.items()} == {"text": [b"a"]}
    given = read({"signature_name": "mixed", "inputs": {"text": ["a"], "k": 3}}).inputs
    assert given["k"].shape == () and given["k"] == 3


def test_what_has_no_rows_belongs_into_columns():
    body = {"signature_name": "mixed", "instances": [{"text": "a", "k": 3}]}
    assert "'k'" in refused(body) and '"inputs"' in refused(body)
