"""The Python API: a method built and trained without gin, exported, loaded and asked."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf import api
from clipbench_tf.export.card import ExportError
from clipbench_tf.features import unit
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png

LENGTH, BATCH, STEPS = 16, 4, 6
TEMPLATES = ("{}", "a {} thing")


def pairs() -> tf.data.Dataset:
    pictures = tf.constant([png(colour) for colour in COLOURS])
    return tf.data.Dataset.from_tensor_slices((pictures, tf.constant(NAMES)))


def batching(**arguments: object) -> api.Batching:
    return api.Batching(
        tokenizer=api.Tokenizer(context_length=LENGTH),
        image_views=api.ImageViews(size=SIZE, views=[api.View()], compiled=False),
        caption_views=[api.caption_ops.plain],
        **arguments,
    )


def built(*objectives) -> api.Method:
    tower = {"width": 8, "depth": 1, "heads": 2, "embed_dim": 6}
    return api.Method(
        image_encoder=api.VisionTransformer(image_size=SIZE, patch_size=4, **tower),
        text_encoder=api.TextTransformer(context_length=LENGTH, **tower),
        objectives=objectives,
    )


@pytest.fixture(scope="module")
def trained() -> tuple[api.Method, list[float]]:
    """A method that `fit` has trained on pairs, and the loss of each step."""
    made, method = batching(), built(api.ImageText(), api.FineGrained(width=5))
    recipe = api.Recipe(epochs=STEPS, warmup_epochs=1, peak_learning_rate=1e-2)
    recipe.compile(method, made.example(), steps_per_epoch=1)
    history = method.fit(
        made.batches_of(pairs().repeat(), BATCH),
        epochs=STEPS,
        steps_per_epoch=1,
        verbose=0,
        shuffle=False,
    )
    return method, history.history["loss"]


@pytest.fixture(
    scope="module",
    params=["cosine", pytest.param("late_interaction", marks=pytest.mark.slow)],
)
def model(request, trained, tmp_path_factory) -> api.ExportedModel:
    folder = tmp_path_factory.mktemp(request.param)
    method = trained[0]
    api.export(
        method,
        api.Tokenizer(context_length=LENGTH),
        folder / "saved_model",
        dataset="colours",
        classes=NAMES,
        templates=TEMPLATES,
        scorer=getattr(api, request.param)(method),
        image_size=SIZE,
        resize=1.0,
    )
    return api.load(folder)


def test_fit_trains_on_pairs(trained):
    method, losses = trained
    assert len(losses) == STEPS == int(method.optimizer.iterations.numpy())
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert int(method.position.numpy()[0]) == STEPS * BATCH


def test_batches_are_the_pairs_in_their_order_with_new_views_each_time():
    batches = list(batching().batches_of(pairs().repeat(2), 5))
    assert [batch["position"].numpy()[0] for batch in batches] == [0, 5]
    captions = batching().tokenizer.decode(batches[0]["ids"].numpy()[:, 0].tolist())
    assert tuple(captions) == NAMES
    np.testing.assert_array_equal(batches[0]["ids"], batches[1]["ids"])
    assert (batches[0]["images"].numpy() != batches[1]["images"].numpy()).any()


def test_pairs_that_are_something_else_are_refused():
    for elements in ((1.0, "a"), ("a",), ("a", "b", "c")):
        with pytest.raises(ValueError, match="encoded picture, caption"):
            batching().batches_of(tf.data.Dataset.from_tensors(elements), 1)


def test_too_few_pairs_and_no_caption_views_are_refused():
    with pytest.raises(ValueError, match=r"5 pairs, fewer than a batch of 6; repeat\(\) it"):
        batching().batches_of(pairs(), 6)
    for views in ([], api.caption_ops.plain):
        with pytest.raises(ValueError, match="list of at least one operation"):
            api.Batching(tokenizer=None, image_views=None, caption_views=views)


def test_towers_that_do_not_fit_are_refused():
    tower = {"width": 8, "depth": 1, "heads": 2}
    image = api.VisionTransformer(image_size=SIZE, patch_size=4, embed_dim=6, **tower)
    for text, message in (
        (api.TextTransformer(context_length=LENGTH, embed_dim=4, **tower), "width 6, .* of 4"),
        (api.TextTransformer(context_length=8, embed_dim=6, **tower), "16 positions, .* reads 8"),
    ):
        method = api.Method(image_encoder=image, text_encoder=text, objectives=[api.ImageText()])
        with pytest.raises(ValueError, match=message):
            method.build(batching().example())


def test_embeddings_are_those_of_the_towers(trained, model):
    images = model.encode_images([png(colour) for colour in COLOURS])
    pixels = np.stack([np.full([SIZE, SIZE, 3], colour, np.uint8) for colour in COLOURS])
    expected = unit(trained[0].image_encoder(pixels).embedding)
    np.testing.assert_allclose(images, expected, atol=1e-5)
    texts = model.encode_texts(NAMES)
    ids = api.Tokenizer(context_length=LENGTH)(tf.constant(NAMES))
    np.testing.assert_allclose(texts, unit(trained[0].text_encoder(ids).embedding), atol=1e-5)


def test_probabilities_are_those_of_the_served_signature(model):
    pictures = [png(colour) for colour in COLOURS]
    answers = tf.saved_model.load(str(model.folder)).signatures["serving_default"](
        image=tf.constant(pictures), k=tf.constant(len(NAMES))
    )
    probabilities = model.classify(pictures, NAMES)
    names = np.char.decode(answers["classes"].numpy().astype(bytes))
    for row, served, scores in zip(probabilities, names, answers["scores"].numpy(), strict=True):
        expected = dict(zip(served, scores, strict=True))
        np.testing.assert_allclose(row, [expected[name] for name in NAMES], rtol=1e-4, atol=1e-6)


def test_classes_and_templates_can_be_others(model):
    one = model.classify([png(COLOURS[0])], ["cat"], templates=["{}"])
    np.testing.assert_allclose(one, [[1.0]])
    two = model.classify([png(COLOURS[0])], ["cat", "dog"])
    assert two.shape == (1, 2) and np.isclose(two.sum(), 1.0)


def test_files_and_bytes_are_pictures_alike(model, tmp_path):
    path = tmp_path / "ein Bild é.png"
    path.write_bytes(png(COLOURS[1]))
    by_path, by_text, by_bytes = model.encode_images([path, str(path), path.read_bytes()])
    np.testing.assert_allclose(by_path, by_bytes, atol=1e-6)
    np.testing.assert_allclose(by_text, by_bytes, atol=1e-6)
    assert not np.allclose(by_bytes, model.encode_images([png(COLOURS[0])])[0], atol=1e-3)


def test_nothing_in_nothing_out(model):
    assert model.encode_images([]).shape == model.encode_texts([]).shape == (0, 6)
    assert model.classify([], ["cat", "dog"]).shape == (0, 2)


def test_what_is_no_picture_is_named(model, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    for pictures, name in (
        ([png(COLOURS[0]), tmp_path / "none.png"], "none.png"),
        ([png(COLOURS[0]), tmp_path / "no.png"], "no.png"),
        ([png(COLOURS[0])] * 130 + [b"no"], "Picture 130"),
    ):
        with pytest.raises(ValueError, match=f"{name}.*cannot be"):
            model.encode_images(pictures)
        with pytest.raises(ValueError, match=f"{name}.*cannot be"):
            model.classify(pictures, ["cat"])
    with pytest.raises(ValueError, match="at least one class"):
        model.classify([png(COLOURS[0])], [])


def test_one_item_alone_is_no_list(model):
    picture = png(COLOURS[0])
    for call in (
        lambda: model.encode_images(picture),
        lambda: model.encode_images("cat.png"),
        lambda: model.encode_texts("a cat"),
        lambda: model.classify([picture], "cat"),
        lambda: model.classify([picture], ["cat"], templates="a {}"),
    ):
        with pytest.raises(ValueError, match="Give a list"):
            call()
    with pytest.raises(ValueError, match="Picture 0 is a ndarray"):
        model.encode_images([np.zeros([8, 8, 3], np.uint8)])
    with pytest.raises(ValueError, match=r"'a cat' has no \{\} for the class name"):
        model.classify([picture], ["cat"], templates=["a cat"])


def test_arrays_and_generators_are_lists(model):
    by_list = model.encode_texts(["cat", "dog"])
    np.testing.assert_array_equal(model.encode_texts(name for name in ("cat", "dog")), by_list)
    classes = np.array(["cat", "dog"])
    assert model.classify((png(c) for c in COLOURS[:3]), classes).shape == (3, 2)


def test_an_export_needs_weights_and_lists_of_names(trained, tmp_path):
    common = {"dataset": "colours", "image_size": SIZE}
    tokenizer = api.Tokenizer(context_length=LENGTH)
    method, scorer = trained[0], api.cosine(trained[0])
    for made, classes, templates, message in (
        (built(api.ImageText()), NAMES, TEMPLATES, "no weights yet"),
        (method, "cat", TEMPLATES, "lists of strings"),
        (method, NAMES, ["a thing"], r"'a thing' has no \{\}"),
    ):
        with pytest.raises(ExportError, match=message):
            api.export(
                made,
                tokenizer,
                tmp_path / "saved_model",
                classes=classes,
                templates=templates,
                scorer=scorer,
                **common,
            )


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(ExportError, match="no folder"):
        api.load(tmp_path / "none")
    (tmp_path / "config.gin").touch()
    with pytest.raises(ExportError, match="has no saved_model/ yet; start its command again"):
        api.load(tmp_path)
