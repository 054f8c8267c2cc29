"""The table of the paper with rows of our own."""

from clipbench_tf.data.statistics import table2
from clipbench_tf.data.statistics.caption_statistics import CaptionStatistics


def summary(*captions: str):
    statistics = CaptionStatistics()
    for caption in captions:
        statistics.add(caption)
    return statistics.result()


def test_a_row_for_each_data_set_and_the_two_of_the_paper() -> None:
    table = table2.markdown(
        {"mine|1": summary("a dog", "a dog and ein hund in 2012"), "b": summary()}
    )
    assert table.splitlines() == [
        "| Dataset | Examples | Caption length | En-word ratio | Unique tokens |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| mine\\|1 | 2 | 4.5±2.5 | 0.83 | 7 |",
        "| b | 0 | 0.0±0.0 | 0.00 | 0 |",
        "| YFCC15M-V2 (paper) | 15,388,848 | 16.7±29.2 | 0.92 | 770,996 |",
        "| YFCC15M-V1 (paper) | 14,747,529 | 26.1±69.6 | 0.72 | 8,262,556 |",
    ]


def test_the_papers_rows_agree_with_its_text() -> None:
    """Section 4.2: V2 has 0.6 million pairs more; the vocabulary of V1 is one order larger."""
    v2, v1 = table2.PAPER
    assert round((v2.examples - v1.examples) / 1e6, 1) == 0.6
    assert 10 < v1.unique_tokens / v2.unique_tokens < 11
