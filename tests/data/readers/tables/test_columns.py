"""Which columns are taken, and what is asked where it cannot be told."""

import pytest

from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.tables.columns import Columns, chosen


@pytest.mark.parametrize(
    ("names", "image", "caption"),
    [
        (["filepath", "title"], "filepath", "title"),  # open_clip
        (["file_name", "text"], "file_name", "text"),  # imagefolder of Hugging Face
        (["caption", "filename", "url"], "filename", "caption"),  # DeCLIP's label file
        (["id", "file_name", "caption"], "file_name", "caption"),  # COCO
        (["image", "caption"], "image", "caption"),  # Flickr8k
        (["Image Path", " CAPTION "], "Image Path", " CAPTION "),
        (["path", "image", "title", "description", "text"], "image", "text"),
        (["img", "captions"], "img", "captions"),
    ],
)
def test_columns_are_found_by_name(names, image, caption):
    assert chosen(names, {}, "t.csv") == Columns(image, (caption,))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b"], r"no column looks like one for image=; it has 'a', 'b'.*\?image=0&caption=1"),
        (["image", "b"], r"no column looks like one for caption=; it has 'image', 'b'"),
        (["image", "filename", "text"], r"'image', 'filename' may all be the column for image="),
        (["image", "title", "description"], r"'title', 'description' may .* for caption="),
        (["image", "text", "text"], r"'text', 'text' may all"),
        (["URL", "caption"], r"no column of picture files, but URLs in 'URL': .*img2dataset"),
    ],
)
def test_columns_that_cannot_be_told_are_listed(names, message):
    with pytest.raises(DatasetError, match=message) as caught:
        chosen(names, {}, "t.csv")
    assert str(caught.value).startswith("t.csv")


def test_columns_are_named_by_options():
    names = ["image", "a", "b,c", "d", "0"]
    options = {"image": "a", "caption": "b,c", "key": "d", "label": "0"}
    assert chosen(names, options, "t.csv") == Columns("a", ("b,c",), "d", "0")
    options = {"caption": "d,a"}
    columns = chosen(names, options, "t.csv")
    assert columns == Columns("image", ("d", "a"))
    assert columns.numbered(names) == Columns(0, (3, 1))


def test_numbers_are_for_a_table_without_a_header():
    names = ["x.jpg", "a cat", "7"]
    options = {"image": "0", "caption": "1", "label": "2"}
    columns = chosen(names, options, "t.csv")
    assert columns == columns.numbered(names) == Columns(0, (1,), label=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "picture"}, r"t has no column 'picture', which image= names; it has 'image'"),
        ({"caption": "text,what"}, "no column 'what', which caption= names"),
        ({"image": "9", "caption": "1"}, "no column '9'"),
        ({"image": "image,text"}, "image=image,text names several columns; give one"),
        ({"image": "0"}, "all columns by name, or, .* all by number"),
        ({"image": "image", "caption": "1"}, "all by number"),
        ({"label": "twice"}, "t has 2 columns 'twice'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(DatasetError, match=message):
        chosen(["image", "text", "twice", "twice"], options, "t")


def test_numbers_are_no_columns_of_json_lines():
    with pytest.raises(DatasetError, match="no column '0'"):
        chosen(["image", "text"], {"image": "0", "caption": "1"}, "t.jsonl", numbers=False)
