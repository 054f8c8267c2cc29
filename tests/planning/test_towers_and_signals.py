"""Operations and saved bytes of the cost model against TensorFlow's own graph of the step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.optimal_transport import OptimalTransport
from clipbench_tf.objectives.similarity.token_similarity import token_similarity
from clipbench_tf.objectives.text_mlm import TextMLM
from clipbench_tf.planning.costs import memory, signals
from tests.planning import small
from tests.planning.graphs import StepGraph

IN_BFLOAT16 = [pytest.mark.bfloat16, pytest.mark.slow]
PRECISIONS = ["float32", pytest.param("mixed_bfloat16", marks=IN_BFLOAT16)]
PLAIN = {
    "image_text": lambda: [],
    "multi_view": lambda: [MultiView()],
    "image_simclr": lambda: [ImageSimCLR(image_views=(0, 1), widths=(256, 256, 64))],
    "image_simsiam": lambda: [ImageSimSiam()],
    "text_mlm": lambda: [TextMLM()],
    "nearest_neighbor": lambda: [NearestNeighbor(size=512)],
    "one_way": lambda: [NearestNeighbor(size=512, symmetric=False, text_views=(1,))],
    "optimal_transport": lambda: [OptimalTransport()],
}
MASKED = small.PAIRS * small.LENGTH


def graph_of(made) -> StepGraph:
    return StepGraph(made, small.batch(), unknown=MASKED)


@pytest.fixture(params=PRECISIONS)
def _precision(request):
    keras.config.set_dtype_policy(request.param)


@pytest.mark.parametrize(
    ("_precision", "name"),
    [
        *(("float32", name) for name in PLAIN),
        pytest.param("mixed_bfloat16", "image_text", marks=pytest.mark.bfloat16),
        *(
            pytest.param("mixed_bfloat16", name, marks=IN_BFLOAT16)
            for name in PLAIN
            if name != "image_text"
        ),
    ],
    indirect=["_precision"],
)
@pytest.mark.usefixtures("_precision")
def test_products_are_exact_and_what_is_kept_within_one_percent(name):
    made = small.method(*PLAIN[name]())
    found, graph = small.costs(made), graph_of(made)
    forward, backward = graph.flops()
    np.testing.assert_allclose(found.forward, forward, rtol=1e-6)
    np.testing.assert_allclose(found.backward, backward, rtol=1e-6)
    kept = graph.saved()
    np.testing.assert_allclose(found.saved, kept["activations"], rtol=0.01)
    np.testing.assert_allclose(found.narrow_weights, kept["weights"], rtol=1e-6)


@pytest.mark.usefixtures("_precision")
def test_products_are_nearly_all_operations():
    graph = graph_of(small.method())
    assert 1 <= sum(graph.flops(None)) / sum(graph.flops()) < 1.05


def test_without_padding_all_but_attention_sees_fewer_rows():
    """Beside plain products, which the graph knows, attention's are those with padding."""
    made = small.method()
    whole = memory.text_tower(made, small.work(made))
    attention = 3 * 2 * 2.0 * small.PAIRS * small.VIEWS * small.LENGTH**2 * 48
    projection = 2.0 * small.PAIRS * small.VIEWS * 48 * 32
    third = memory.text_tower(made, small.work(made, text_positions=small.LENGTH / 3))
    fixed = attention + projection
    np.testing.assert_allclose(third.forward - fixed, (whole.forward - fixed) / 3)
    assert 0.3 * whole.saved < third.saved < 0.7 * whole.saved
    made.packs_texts = True
    graph = StepGraph(made, small.batch(), unknown=small.PAIRS * small.VIEWS * small.LENGTH // 3)
    images = memory.image_tower(made, small.work(made))
    scores = memory.signal(made.objectives[0], made, small.work(made))
    forward, backward = graph.flops({"MatMul", "Conv2D", "Conv2DBackpropFilter"})
    patches = 3 * 2 * 2.0 * small.PAIRS * small.VIEWS * 17**2 * 64  # attention in the image tower
    attend = attention + patches
    expected = images.forward + third.forward + scores.forward - attend
    np.testing.assert_allclose(forward, expected, rtol=1e-6)
    expected = images.backward + third.backward + scores.backward - 2 * attend
    np.testing.assert_allclose(backward, expected, rtol=1e-6)


@pytest.mark.usefixtures("_precision")
def test_recomputed_blocks():
    made = small.method(recompute=True)
    found, graph = small.costs(made), graph_of(made)
    forward, backward = graph.flops()
    np.testing.assert_allclose([found.forward, found.backward], [forward, backward], rtol=1e-6)
    np.testing.assert_allclose(found.saved, graph.saved()["activations"], rtol=0.01)
    assert found.saved < 0.2 * small.costs(small.method()).saved


@pytest.mark.usefixtures("_precision")
def test_a_convnet_within_a_thousandth():
    made = small.method(image=small.resnet())
    found, graph = small.costs(made), graph_of(made)
    np.testing.assert_allclose([found.forward, found.backward], graph.flops(), rtol=1e-3)
    np.testing.assert_allclose(found.saved, graph.saved()["activations"], rtol=0.01)
    np.testing.assert_allclose(found.narrow_weights, graph.saved()["weights"], rtol=1e-6)


@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("image", [small.vit, small.resnet])
def test_bytes_moved_between_operations_within_a_quarter(image):
    made = small.method(image=image())
    np.testing.assert_allclose(small.costs(made).moved, sum(graph_of(made).moved()), rtol=0.25)


def test_a_frozen_patch_embedding_has_no_gradient():
    image = small.vit(frozen_patches=True)
    made = small.method(image=image)
    found, graph = small.costs(made), graph_of(made)
    np.testing.assert_allclose([found.forward, found.backward], graph.flops(), rtol=1e-6)
    np.testing.assert_allclose(found.saved, graph.saved()["activations"], rtol=0.01)


@pytest.mark.parametrize("image", [small.vit, small.resnet])
def test_a_locked_tower_has_no_gradient_and_keeps_nothing(image):
    made = small.method(image=image(), locked={"image": 0})
    found, graph = small.costs(made), graph_of(made)
    np.testing.assert_allclose([found.forward, found.backward], graph.flops(), rtol=1e-3)
    np.testing.assert_allclose(found.saved, graph.saved()["activations"], rtol=0.01)
    assert memory.optimizer(made) == 8 + 8 * (made.text_encoder.count_params() + 1)


def test_chunks_encode_twice_and_keep_one_chunk():
    made = small.method()
    whole = memory.image_tower(made, small.work(made))
    parts = memory.image_tower(made, small.work(made, chunks=4))
    assert parts.forward == whole.forward
    assert parts.backward == whole.backward + whole.forward
    features = 2 * 4 * 32 * (32 + 64 * (1 + 16))
    np.testing.assert_allclose(parts.saved, whole.saved / 4 + features)


def test_fine_grained_products_are_those_of_equation_4():
    """Its products are inside compiled loops; `token_similarity` has the same in plain ops."""
    made = small.method(FineGrained(width=8))
    fine = made.objectives[1]
    found = signals.costs(fine, made, small.work(made))
    patches, words = 16, small.LENGTH
    assert [signals.kept(fine, n) for n in (patches, words)] == [4, 6]
    similarity = sum(products(*sizes) for sizes in ((patches, 6), (words, 4)))
    mappings = 2.0 * 16 * 8 * (patches * 64 + words * 48)
    scores = 2.0 * 16**2 * patches * words * 8
    np.testing.assert_allclose(found.forward, mappings + scores + similarity)
    np.testing.assert_allclose(found.backward, 2 * (mappings + similarity))


def products(queries: int, keys: int) -> float:
    """Operations for 16 items with so many tokens of width 8, by TensorFlow's registry."""

    def spec(n: int, dtype: tf.DType, *width: int) -> tf.TensorSpec:
        return tf.TensorSpec([16, n, *width], dtype)

    graph = (
        tf.function(token_similarity)
        .get_concrete_function(
            spec(queries, tf.float32, 8),
            spec(queries, tf.bool),
            spec(keys, tf.float32, 8),
            spec(keys, tf.bool),
        )
        .graph
    )
    (product,) = [op for op in graph.get_operations() if op.type == "MatMul"]
    (rows, columns), width = product.outputs[0].shape, product.inputs[0].shape[1]
    return 2.0 * (rows or 16 * queries) * (columns or 16 * keys) * width
