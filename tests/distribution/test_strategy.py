"""Seeds, precision and strategy."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.distribution import cluster
from clipbench_tf.distribution.cluster import ClusterError
from clipbench_tf.distribution.strategy import PRECISIONS, STRATEGIES, own_gpus, prepare
from clipbench_tf.objectives.image_text import ImageText
from tests.method.small_method import batch, compiled


def weights() -> np.ndarray:
    layer = keras.layers.Dense(5)
    layer.build((None, 4))
    return layer.kernel.numpy()


def test_the_seed_decides_the_initial_weights():
    prepare(seed=3)
    first = weights()
    prepare(seed=3)
    np.testing.assert_array_equal(weights(), first)
    assert not np.array_equal(weights(), first)  # the second layer has numbers of its own
    prepare(seed=4)
    assert not np.array_equal(weights(), first)


@pytest.mark.parametrize(
    ("precision", "compute"),
    [
        ("float32", "float32"),
        pytest.param("mixed_bfloat16", "bfloat16", marks=pytest.mark.bfloat16),
        ("mixed_float16", "float16"),
    ],
)
def test_towers_compute_in_the_precision_and_all_else_in_float32(precision, compute):
    assert precision in PRECISIONS
    prepare(precision=precision)
    method = compiled([ImageText()])
    features = method.call(batch(), training=True)  # as in a training step
    for one in (*features.images[0], features.texts[0].embedding, features.texts[0].tokens):
        assert one.dtype == compute
    assert features.scale.dtype == "float32"
    assert {v.dtype for v in method.trainable_variables} == {"float32"}
    assert method.objectives[0](features).dtype == "float32"


def test_an_unknown_precision_is_refused_with_those_there_are():
    before = keras.config.dtype_policy().name
    with pytest.raises(ValueError, match="'fp8' is none of auto, float32, mixed_bfloat16"):
        prepare(precision="fp8")
    assert keras.config.dtype_policy().name == before


def test_the_strategy_is_the_one_in_scope(two_replicas):
    assert prepare(precision="float32") is tf.distribute.get_strategy()
    assert prepare(precision="float32").num_replicas_in_sync == 1
    with two_replicas.scope():
        assert prepare(precision="float32") is two_replicas


def test_strategies_of_one_process():
    assert STRATEGIES == ("auto", "one_device", "mirrored", "multi_worker")
    assert prepare(strategy="one_device", precision="float32").num_replicas_in_sync == 1
    mirrored = prepare(
        strategy="mirrored", precision="float32"
    )  # on the two CPU devices of these tests
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
    assert mirrored.num_replicas_in_sync == 2


def test_mirrored_needs_several_devices(monkeypatch):
    monkeypatch.setattr(tf.config, "get_logical_device_configuration", lambda device: None)
    with pytest.raises(ClusterError, match=r"found no GPU, and one CPU .* scripts/launch\.py"):
        prepare(strategy="mirrored", precision="float32")


def test_an_unknown_strategy_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'ddp' is none of auto, one_device, mirrored, multi_w"):
        prepare(strategy="ddp", precision="float32")


def test_multi_worker_alone_says_how_to_start_workers():
    with pytest.raises(ClusterError, match=r"launch\.py --workers=N .* SLURM .* TF_CONFIG"):
        prepare(strategy="multi_worker", precision="float32")


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_workers_do_not_train_apart(strategy, monkeypatch):
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    told = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    monkeypatch.setenv("TF_CONFIG", told)
    with pytest.raises(ClusterError, match=r"describes 2 workers, .* Choose 'multi_worker'"):
        prepare(strategy=strategy, precision="float32")


class Gpus:
    """As many GPUs as are wanted, in place of `tf.config`."""

    def __init__(self, monkeypatch, number: int):
        self.visible, self.growing = [f"GPU {n}" for n in range(number)], []
        config, everything = tf.config, list(self.visible)
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: list(self.visible))
        monkeypatch.setattr(config, "list_physical_devices", lambda kind: list(everything))
        monkeypatch.setattr(config, "set_visible_devices", self._show)
        monkeypatch.setattr(config, "get_logical_device_configuration", lambda device: None)
        monkeypatch.setattr(config.experimental, "set_memory_growth", self._grow)
        self.threads = []
        monkeypatch.setattr(
            config.threading, "set_intra_op_parallelism_threads", self.threads.append
        )

    def _show(self, devices, kind):
        self.visible = devices

    def _grow(self, device, enable):
        assert enable
        self.growing.append(device)


def test_one_process_uses_all_gpus(monkeypatch):
    gpus, made = Gpus(monkeypatch, 2), []
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", made.append)
    prepare(precision="float32")
    assert made == [["GPU:0", "GPU:1"]]
    assert gpus.growing == ["GPU 0", "GPU 1"]


@pytest.mark.parametrize("number", [0, 1])
def test_one_gpu_needs_no_strategy_and_leaves_one_thread_to_an_operation(number, monkeypatch):
    gpus = Gpus(monkeypatch, number)
    assert prepare(precision="float32") is tf.distribute.get_strategy()
    assert gpus.threads == [1] * number


def slurm_step(monkeypatch, index: int, **more: str) -> None:
    step = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "n[1-2]",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
        "SLURM_PROCID": str(index),
    }
    for name, value in {**step, **more}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("more", "own"),
    [({}, ["GPU 4", "GPU 5", "GPU 6", "GPU 7"]), ({"SLURM_GPUS_PER_TASK": "8"}, None)],
)
def test_tasks_on_one_node_share_its_gpus(monkeypatch, more, own):
    gpus, made = Gpus(monkeypatch, 8), {}
    everything = list(gpus.visible)
    slurm_step(monkeypatch, 3, **more)
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda **options: made.update(options)
    )
    assert own_gpus(cluster.read()) == len(own or everything)  # what workers compare before
    gpus.growing.clear()
    prepare(precision="float32")
    assert gpus.visible == gpus.growing == (own or everything)
    resolver = made["cluster_resolver"]
    assert resolver.cluster_spec().num_tasks("worker") == 4
    assert (resolver.task_type, resolver.task_id) == ("worker", 3)
    assert resolver.num_accelerators() == {"GPU": len(gpus.visible)}
    kinds = tf.distribute.experimental.CommunicationImplementation
    assert made["communication_options"].implementation == kinds.NCCL


def test_more_tasks_than_gpus_on_a_node(monkeypatch):
    Gpus(monkeypatch, 1)
    slurm_step(monkeypatch, 0)
    with pytest.raises(ClusterError, match="2 workers share a machine with 1 GPUs"):
        prepare(precision="float32")
