import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method


@pytest.fixture(params=[cosine, late_interaction])
def encoders(request):
    method, tokenizer = tiny_method()
    return MethodEncoders(
        method, tokenizer=tokenizer, scorer=request.param(method), image_size=SIZE
    )


def test_texts_are_cut_after_the_longest_without_changing_them(encoders):
    texts = tf.constant([*NAMES, "", "!!!"])
    short = encoders.texts(texts)
    full = encoders.method.text_encoder(encoders.tokenizer(texts))
    length = short.tokens.shape[1]
    assert length == 7  # "black hole in the sky" between start and end
    np.testing.assert_allclose(short.embedding, full.embedding, atol=1e-5)
    np.testing.assert_allclose(short.tokens, full.tokens[:, :length], atol=1e-5)
    np.testing.assert_array_equal(short.mask, full.mask[:, :length])
    assert encoders.texts(tf.constant([], tf.string)).embedding.shape == (0, 6)


def test_texts_stay_whole_where_padding_counts(encoders):
    encoders.scorer.whole_texts = True
    assert encoders.texts(tf.constant(["red"])).tokens.shape[1] == 16


def test_scores_follow_the_weights(encoders):
    images = tf.constant([png(colour) for colour in COLOURS])
    prompts = tf.constant([[name, f"a {name}"] for name in NAMES])

    def scores():
        representation, valid = encoders.represent_images(images)
        assert valid.numpy().all()
        return encoders.score(representation, encoders.represent_classes(prompts)).numpy()

    first = scores()
    assert first.shape == (5, 5)
    assert np.all(np.abs(first) <= 1 + 1e-6)
    assert np.std(first) > 1e-3
    for variable in encoders.method.trainable_variables:
        variable.assign(variable + 0.1)
    assert not np.allclose(first, scores(), atol=1e-3)


def test_image_features_are_the_pooled_output_of_the_tower(encoders):
    images = tf.constant([png(COLOURS[0]), b"no image", png(COLOURS[2])])
    features, valid = encoders.image_features(images)
    np.testing.assert_array_equal(valid, [True, False, True])
    pooled = encoders.method.image_encoder(encoders.pixels(images[::2])[0]).pooled
    assert (encoders.feature_kind, features.dtype, features.shape) == ("pooled", tf.float32, (3, 8))
    np.testing.assert_allclose(features[::2], pooled, atol=1e-5)


def test_arrays_are_as_good_as_tensors(encoders):
    pixels = np.zeros([2, SIZE, SIZE, 3], np.uint8)
    expected = encoders.images(tf.constant(pixels)).embedding
    np.testing.assert_array_equal(encoders.images(pixels).embedding, expected)
    assert encoders.texts(np.array(NAMES, object)).embedding.shape == (5, 6)


def test_texts_are_scored_by_the_scorer(encoders):
    images, _ = encoders.represent_images(tf.constant([png(colour) for colour in COLOURS]))
    classes = encoders.represent_classes(tf.constant([[name] for name in NAMES[:3]]))
    expected = encoders.scorer.score_texts(classes, images)
    scores = encoders.score_texts(classes, images)
    assert scores.shape == (3, 5)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_cosine_scores_equal_those_of_the_embeddings():
    method, tokenizer = tiny_method()
    encoders = MethodEncoders(method, tokenizer=tokenizer, scorer=cosine(method), image_size=SIZE)
    images = tf.constant([png(colour) for colour in COLOURS])
    prompts = np.array([[name, f"a {name}"] for name in NAMES])
    representation, _ = encoders.represent_images(images)
    got = encoders.score(representation, encoders.represent_classes(tf.constant(prompts)))
    batch = {
        "images": tf.repeat(tf.constant(COLOURS, tf.uint8)[:, None, None, None], SIZE, axis=2),
        "ids": tf.reshape(tokenizer(prompts.reshape(-1)), [len(NAMES), 2, -1]),
    }
    batch["images"] = tf.repeat(batch["images"], SIZE, axis=3)
    features = method(batch)
    image = features.images[0].embedding.numpy()
    image /= np.linalg.norm(image, axis=1, keepdims=True)
    texts = np.stack([text.embedding.numpy() for text in features.texts], axis=1)
    texts /= np.linalg.norm(texts, axis=2, keepdims=True)
    classes = texts.mean(axis=1)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    np.testing.assert_allclose(got, image @ classes.T, atol=1e-5)


class Counted:
    """Counts the calls of a function from Python, which for a graph are its traces."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments, **options):
        self.calls += 1
        return self.function(*arguments, **options)


def test_one_graph_of_each_tower_and_score_serves_all_shapes_callers_and_scopes(
    encoders, two_replicas
):
    counted = {}
    for owner, name in (
        (encoders.method.image_encoder, "call"),
        (encoders.method.text_encoder, "call"),
        (encoders.scorer, "score"),
        (encoders.scorer, "score_texts"),
    ):
        counted[owner, name] = Counted(getattr(owner, name))
        setattr(owner, name, counted[owner, name])
    encoders = MethodEncoders(
        encoders.method, tokenizer=encoders.tokenizer, scorer=encoders.scorer, image_size=SIZE
    )

    def ask(count, names):
        images, _ = encoders.represent_images(tf.constant([png(COLOURS[0])] * count, tf.string))
        encoders.image_features(tf.constant([png(COLOURS[1])] * (count + 1)))
        encoders.images(encoders.pixels(tf.constant([png(COLOURS[2])] * (count + 2)))[0])
        encoders.texts(tf.constant(list(names)))
        classes = encoders.represent_classes(tf.constant([[name, f"a {name}"] for name in names]))
        assert encoders.score(images, classes).shape == (count, len(names))
        assert encoders.score_texts(classes, images).shape == (len(names), count)

    with two_replicas.scope():
        ask(1, NAMES[:1])
        ask(3, NAMES)
    ask(2, NAMES[1:3])
    ask(0, NAMES)
    of_texts = encoders.scorer.name == "cosine"  # whose `score_texts` is made of `score`
    assert [one.calls for one in counted.values()] == [1, 1, 1 + of_texts, 1]
    # A graph of somebody else has a copy of its own.
    traced = tf.function(lambda image: encoders.image_features(image)[0], autograph=False)
    assert traced(tf.constant([png(COLOURS[0])])).shape == (1, 8)
    assert [one.calls for one in counted.values()] == [2, 1, 1 + of_texts, 1]
