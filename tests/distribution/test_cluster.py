"""TF_CONFIG and SLURM, read; what makes no sense names the variable and the remedy."""

import json

import pytest

from clipbench_tf.distribution import cluster
from clipbench_tf.distribution.cluster import Cluster, ClusterError

TWO = ["host0:12345", "host1:12345"]


def told(tasks, kind="worker", index=0) -> dict:
    return {
        "TF_CONFIG": json.dumps({"cluster": tasks, "task": {"type": kind, "index": index}}),
        "SLURM_STEP_NUM_TASKS": "9",  # TF_CONFIG goes first
    }


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"cluster": {}, "task": {}}'},
        told({"worker": TWO[:1]}),
        told({"chief": TWO[:1]}, "chief"),
    ],
)
def test_a_process_alone_has_no_cluster(variables):
    assert cluster.read(variables) is None


def test_workers_in_their_order():
    found = cluster.read(told({"worker": TWO}, index=1))
    assert found == Cluster(tuple(TWO), 1)
    assert found.address == "host1:12345"
    assert cluster.read(told({"worker": TWO}, index="1")) == found


def test_a_chief_is_worker_0():
    tasks = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    assert cluster.read(told(tasks, "chief", 0)) == Cluster(("a:1", "b:1", "c:1"), 0)
    assert cluster.read(told(tasks, "worker", 1)) == Cluster(("a:1", "b:1", "c:1"), 2)


def test_an_address_may_be_of_ipv6():
    assert cluster.split("[fe80::1]:80") == ("fe80::1", 80)
    assert cluster.split("10.0.0.1:80") == ("10.0.0.1", 80)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TF_CONFIG": "{'cluster'"}, 'is not JSON .* Example: TF_CONFIG=\'{"cluster"'),
        ({"TF_CONFIG": "[1]"}, "holds no cluster"),
        ({"TF_CONFIG": '{"task": {}}'}, "holds no cluster"),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": TWO}})}, "which task this is"),
        (told({"worker": TWO}, index=2), "task.index is 2, but the cluster lists 2 of type"),
        (told({"worker": TWO}, index=-1), "task.index is -1"),
        (told({"worker": TWO}, index="one"), "task.index is 'one'"),
        (told({"worker": TWO}, "chief"), "lists 0 of type 'chief'"),
        (told({"worker": TWO}, "evaluator"), "tasks of type 'evaluator'; only 'chief' and"),
        (told({"worker": TWO, "ps": ["c:1"]}), "tasks of type 'ps'"),
        (told({"chief": TWO, "worker": []}, "chief"), "lists 2 chiefs"),
        (told({"worker": TWO[:1] * 2}), "lists host0:12345 twice"),
        (told({"worker": "host0:12345"}), "cluster.worker must be a list"),
        (told({"worker": {"0": "host0:12345"}}), "cluster.worker must be a list"),
        (told({"worker": ["host0", "b:1"]}), "'host0' is not of the form host:port"),
        (told({"worker": ["grpc://host0:1", "b:1"]}), "not of the form host:port"),
        (told({"worker": ["a:0", "b:1"]}), "'a:0' is not of the form"),
        (told({"worker": ["a:65536", "b:1"]}), "'a:65536' is not of the form"),
    ],
)
def test_what_makes_no_sense(variables, expected):
    with pytest.raises(ClusterError, match=expected) as raised:
        cluster.read(variables)
    assert "TF_CONFIG" in str(raised.value)
    assert isinstance(raised.value, ValueError)


STEP = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_PROCID": "2",
}


def test_a_slurm_step_shares_the_gpus_of_a_node_among_its_tasks_unless_slurm_did():
    found = cluster.read(STEP)
    assert [a.split(":")[0] for a in found.addresses] == ["n9", "n9", "n10", "n10"]
    assert (found.index, found.share) == (2, (0, 2))
    assert cluster.read({**STEP, "SLURM_GPUS_PER_TASK": "4"}).share == (0, 1)


def test_slurm_variables_that_make_no_sense():
    with pytest.raises(ClusterError, match="no SLURM_STEP_NODELIST: start the workers with srun"):
        cluster.read({**STEP, "SLURM_STEP_NODELIST": ""})
