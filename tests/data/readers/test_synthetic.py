"""Made-up pairs: their numbers decide them, and they look like pairs of photographs."""

import io
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf.data import sources
from clipbench_tf.data.readers import synthetic
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.pair import Pair, parse
from clipbench_tf.data.stream import records


def pairs(spec: str, part: int = 0, first: int = 0, count: int = 8) -> list[Pair]:
    return [Pair.of(record) for record in sources.load(spec).split("all").read(part, first, count)]


def test_a_pair_is_what_the_options_say():
    for pair in pairs("synthetic:100?size=32&words=5&captions=3&format=png"):
        picture = Image.open(io.BytesIO(pair.image))
        assert (picture.format, picture.size, picture.mode) == ("PNG", (32, 32), "RGB")
        assert [len(caption.split()) for caption in pair.captions] == [5, 5, 5]
        assert len(set(pair.captions)) == 3
        assert (pair.label, pair.problem) == (-1, "")
    plain = pairs("synthetic:100")[7]
    assert Image.open(io.BytesIO(plain.image)).format == "JPEG"
    assert Image.open(io.BytesIO(plain.image)).size == (224, 224)
    assert (plain.key, len(plain.captions)) == ("synthetic/7", 1)
    assert len(plain.captions[0].split()) == 12


def test_records_are_the_bytes_of_a_message_that_protobuf_and_tensorflow_read():
    reader = sources.load("synthetic:300?size=16&classes=300&captions=2").split("train")
    for number, record in enumerate(reader.read(0, 0, 300)):
        message, pair = tf.train.Example.FromString(record), Pair.of(record)
        assert message == tf.train.Example.FromString(pair.serialize())
        assert (pair.key, pair.label) == (f"synthetic/{number}", number)
    fields = parse(record)
    assert fields["captions"].numpy().tolist() == [text.encode() for text in pair.captions]
    assert (fields["image"].numpy(), fields["label"].numpy()) == (pair.image, 299)
    assert parse(sources.load("synthetic:1?size=16").split("all").read(0, 0, 1)[0])["label"] == -1


def test_a_number_is_the_same_pair_wherever_it_is_read_from():
    spec = "synthetic:20000?size=16&classes=7"
    whole = pairs(spec, 2, 0, 20000 - 2 * 8192)
    assert pairs(spec, 2, 100, 16) == whole[100:116]
    assert pairs("synthetic:16500?size=16&classes=7", 2, 100, 16) == whole[100:116]
    synthetic.pictures.cache_clear()
    assert pairs(spec, 2, 100, 16) == whole[100:116]
    assert whole[100].key == f"synthetic/{2 * 8192 + 100}"
    assert whole[100].label == (2 * 8192 + 100) % 7


def test_pairs_differ_and_every_word_and_picture_occurs():
    read = pairs("synthetic:4000?size=16", count=4000)
    assert len({pair.captions for pair in read}) == 4000
    words = Counter(word for pair in read for word in pair.captions[0].split())
    assert set(words) == set(synthetic.WORDS) and len(words) == 128
    pictures = Counter(pair.image for pair in read)
    assert len(pictures) == 64
    # Counts of equally likely pictures: 62.5 each, standard deviation 7.8; 6 of these.
    assert min(pictures.values()) > 16 and max(pictures.values()) < 110


def test_pictures_have_the_size_in_bytes_and_the_spectrum_of_photographs():
    for encoded in synthetic.pictures(224, "jpeg")[:8]:
        assert 15_000 < len(encoded) < 25_000
        grey = np.asarray(Image.open(io.BytesIO(encoded)).convert("L"), np.float64)
        power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
        distance = np.hypot(*np.meshgrid(np.fft.fftfreq(224), np.fft.fftfreq(224))) * 224
        radii = np.arange(3, 40)
        rings = [power[(distance >= r) & (distance < r + 1)].mean() for r in radii]
        slope = np.polyfit(np.log(radii + 0.5), np.log(rings), 1)[0]
        assert -2.5 < slope < -1.6  # power falls with the square of the frequency
        assert 30 < grey.std() < 80


@pytest.mark.parametrize("size", [8, 9, 64])
def test_all_pictures_of_a_pool_differ(size):
    assert len(set(synthetic.pictures(size, "png"))) == 64


def test_classes_have_names_of_their_own():
    dataset = sources.load("synthetic:100?size=16&classes=20000")
    assert len(set(dataset.classes)) == len(dataset.classes) == 20000
    assert all(name.strip() == name != "" for name in dataset.classes)
    assert sources.load("synthetic:100?size=16").classes == ()


def test_parts_of_a_billion_pairs():
    dataset = sources.load("synthetic:1_000_000_000?size=16")
    assert dataset.source == "synthetic:1_000_000_000?size=16"
    reader = dataset.split("train")
    assert (reader.examples, sum(reader.counts), max(reader.counts)) == (10**9, 10**9, 8192)
    assert len(reader.names) == len(set(reader.names)) == len(reader.counts)
    last = reader.read(len(reader.counts) - 1, reader.counts[-1] - 1, 1)
    assert Pair.of(last[0]).key == "synthetic/999999999"


def test_the_stream_of_records_has_every_number_once():
    keys = [
        Pair.of(r).key
        for r in records(sources.load("synthetic:50?size=8").split("all")).as_numpy_iterator()
    ]
    assert keys == [f"synthetic/{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("synthetic:", "number of pairs is ''.*1 to 1000000000"),
        ("synthetic:0", "number of pairs is '0'"),
        ("synthetic:-5", "number of pairs is '-5'"),
        ("synthetic:1e6", "number of pairs is '1e6'"),
        ("synthetic:1000000001", "number of pairs"),
        ("synthetic:5?size=0", "size is '0'; give a whole number from 8 to 8192"),
        ("synthetic:5?size=1.5", r"size is '1\.5'"),
        ("synthetic:5?words=0", "words is '0'"),
        ("synthetic:5?captions=0", "captions is '0'"),
        ("synthetic:5?classes=1", "classes is '1'"),
        ("synthetic:5?format=tiff", "format is 'tiff'; give jpeg, png, webp"),
        ("synthetic:5?colour=red", "option 'colour'; there are captions, classes, format, size"),
    ],
)
def test_what_makes_no_pairs_is_refused_with_what_does(spec, words):
    with pytest.raises(DatasetError, match=words):
        sources.load(spec)
