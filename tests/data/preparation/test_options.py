"""Options of a preparation: what cannot be meant is refused, with the remedy."""

import pytest

from clipbench_tf.data.preparation.options import Options, differences


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"filter": "good"}, "none, quality"),
        ({"validation": 2.0}, "give 0.02, say"),
        ({"drop_duplicates": ("pictures",)}, "key, across, picture, caption:N"),
        ({"drop_duplicates": ("caption:0",)}, "caption:N"),
        ({"size": 8}, "give 16 or more"),
        ({"shard_pairs": 0}, "give 1 or more"),
        ({"size": 64, "smallest": 65}, "correct one"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, expected):
    with pytest.raises(ValueError, match=expected):
        Options("emoji", **options)


def test_the_limit_of_captions_is_read_from_the_kinds():
    assert Options("emoji").caption_limit is None
    assert Options("emoji", drop_duplicates=("key", "caption:12")).caption_limit == 12


def test_differences_name_each_option_that_differs():
    one, other = Options("a", size=64).as_json(), Options("a", filter="quality").as_json()
    assert differences(one, one) == ""
    found = differences(one, other)
    assert found == "filter: 'none' there, 'quality' now; size: 64 there, None now"
