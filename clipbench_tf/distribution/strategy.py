"""What must be set before the first layer exists: strategy, seeds, precision."""

import contextlib

import keras
import tensorflow as tf

from clipbench_tf import hardware
from clipbench_tf.distribution import cluster
from clipbench_tf.distribution.cluster import Cluster, ClusterError
from clipbench_tf.invocation import command

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")


def prepare(
    *, strategy: str = "auto", precision: str = "auto", seed: int = 0
) -> tf.distribute.Strategy:
    """Makes the strategy; sets the random seed of the weights and the Keras dtype policy.

    Call it before any other TensorFlow operation runs: making the strategy connects the workers.

    Args:
        strategy: one of `STRATEGIES`. `auto` is multi_worker where TF_CONFIG or SLURM describes
            several workers, mirrored where this process sees several GPUs, else one_device, which
            keeps the strategy in scope.
        precision: one of `PRECISIONS`; objectives compute in float32 under all of them. `auto` is
            what the devices are fastest in (`hardware.fastest`).
        seed: random seed of the initial weights.

    Raises:
        ValueError: for an unknown strategy or precision.
        ClusterError: for a strategy that the environment does not allow.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy {strategy!r} is none of {', '.join(STRATEGIES)}.")
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r} is none of {', '.join(PRECISIONS)}.")
    made = _strategy(strategy)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(hardware.fastest().policy if precision == "auto" else precision)
    return made


def _strategy(name: str) -> tf.distribute.Strategy:
    workers = cluster.read()
    if workers is not None and name not in ("auto", "multi_worker"):
        raise ClusterError(
            f"The strategy {name!r} is for one process, but TF_CONFIG or SLURM describes "
            f"{len(workers.addresses)} workers, which would all write into one run folder. Choose "
            f"'multi_worker' or 'auto', or start one task."
        )
    if name == "auto" and tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    gpus = own_gpus(workers)
    if gpus:
        one_thread_an_operation()
    if name == "multi_worker" or workers is not None:
        return _multi_worker(workers, gpus)
    if name == "mirrored" or (name == "auto" and gpus > 1):
        return _mirrored(gpus)
    return tf.distribute.get_strategy()


def one_thread_an_operation() -> None:
    """Beside GPUs, the CPU makes batches only, many pictures at once: each operation on one thread.

    To share out an operation on a picture costs more than it gains: on two cores, pictures a second
    rise by 1.6 (benchmarks/input_pipeline.py). Left as it is once TensorFlow runs.
    """
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)


def _multi_worker(workers: Cluster | None, gpus: int) -> tf.distribute.Strategy:
    """A strategy of `gpus` replicas in each worker, or one on its CPU if it has no GPU."""
    if workers is None:
        raise ClusterError(
            "The strategy 'multi_worker' needs several workers, but the environment describes "
            f"none. Start them with {command('launch')} --workers=N on one machine, with srun in "
            "a SLURM job of several tasks, or set TF_CONFIG for each."
        )
    kinds = tf.distribute.experimental.CommunicationImplementation
    return tf.distribute.MultiWorkerMirroredStrategy(
        cluster_resolver=tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(workers.addresses)}),
            task_type="worker",
            task_id=workers.index,
            num_accelerators={"GPU": gpus},
            rpc_layer="grpc",
        ),
        communication_options=tf.distribute.experimental.CommunicationOptions(
            implementation=kinds.NCCL if gpus else kinds.RING
        ),
    )


def _mirrored(gpus: int) -> tf.distribute.Strategy:
    """A strategy on all GPUs, or on all CPU devices if these are several and there is no GPU."""
    kind, number = ("GPU", gpus) if gpus else ("CPU", _logical("CPU"))
    if kind == "CPU" and number == 1:
        raise ClusterError(
            "The strategy 'mirrored' found no GPU, and one CPU device. Choose 'auto', or start "
            f"several processes with {command('launch')} --workers=N."
        )
    return tf.distribute.MirroredStrategy([f"{kind}:{n}" for n in range(number)])


def own_gpus(workers: Cluster | None) -> int:
    """Hides the GPUs of other workers on this machine, lets memory grow; returns how many remain.

    Raises:
        ClusterError: if there are fewer GPUs than workers.
    """
    part, parts = workers.share if workers else (0, 1)
    # Physical devices, as a second call would divide the visible ones again.
    listed = tf.config.list_physical_devices if parts > 1 else tf.config.get_visible_devices
    gpus = listed("GPU")
    if gpus and parts > 1:
        each = len(gpus) // parts
        if not each:
            raise ClusterError(
                f"{parts} workers share a machine with {len(gpus)} GPUs. Start one task a node "
                f"(--ntasks-per-node=1), which uses all its GPUs."
            )
        gpus = gpus[part * each : (part + 1) * each]
        tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        # Refused once TensorFlow runs, and for a GPU that is split into logical devices.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    return _logical("GPU")


def _logical(kind: str) -> int:
    """Number of visible logical devices of `kind`; initialises none."""
    devices = tf.config.get_visible_devices(kind)
    return sum(len(tf.config.get_logical_device_configuration(d) or [None]) for d in devices)
