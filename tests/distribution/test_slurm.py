"""The variables of a SLURM step, as `srun` sets them."""

import pytest

from clipbench_tf.distribution.slurm import binds_gpus, placement


def step(**changed: str) -> dict:
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gpu[098-101]",
        "SLURM_STEP_TASKS_PER_NODE": "1(x4)",
        "SLURM_PROCID": "2",
    } | changed


def hosts(place) -> list[str]:
    return [address.split(":")[0] for address in place.addresses]


def test_one_task_a_node():
    place = placement(step())
    assert hosts(place) == ["gpu098", "gpu099", "gpu100", "gpu101"]
    assert (place.index, place.local, place.node_tasks) == (2, 0, 1)
    assert len({address.split(":")[1] for address in place.addresses}) == 1


def test_several_tasks_a_node_have_ports_of_their_own():
    place = placement(
        step(
            SLURM_STEP_NODELIST="n9,n[10-11]",
            SLURM_STEP_TASKS_PER_NODE="1(x2),2",
            SLURM_PROCID="3",
        )
    )
    assert hosts(place) == ["n9", "n10", "n11", "n11"]
    assert (place.local, place.node_tasks) == (1, 2)
    assert len(set(place.addresses)) == 4


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ("a,b,c,d", "a b c d"),
        ("n[1-2,05],m", "n1 n2 n05 m"),
        ("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"),
        ("r[1-2]-ib,c[3-4].cluster", "r1-ib r2-ib c3.cluster c4.cluster"),
    ],
)
def test_lists_of_nodes(nodes, names):
    assert hosts(placement(step(SLURM_STEP_NODELIST=nodes))) == names.split()


def test_every_task_sees_the_same_addresses():
    places = [placement(step(SLURM_PROCID=str(n))) for n in range(4)]
    assert len({place.addresses for place in places}) == 1
    assert [place.index for place in places] == [0, 1, 2, 3]


def test_jobs_and_steps_have_ports_apart_within_the_range():
    ports = [
        int(placement(step(SLURM_JOB_ID=str(job), SLURM_STEP_ID=str(n))).addresses[0].split(":")[1])
        for job in range(99_990, 100_010)
        for n in range(3)
    ]
    assert len(set(ports)) == len(ports)
    assert min(ports) >= 10_000
    assert max(ports) + 16 < 32_768  # where Linux's own choices begin


def test_no_step_of_several_tasks():
    assert placement({}) is None
    assert placement(step(SLURM_STEP_NUM_TASKS="1")) is None
    # the batch script itself, which srun did not start
    assert placement({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"}) is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"SLURM_STEP_NODELIST": "n[1-4"}, "SLURM_STEP_NODELIST='n\\[1-4' is not a list of nodes"),
        ({"SLURM_STEP_NODELIST": "n[1-x]"}, "which is not a range"),
        ({"SLURM_STEP_NODELIST": "n[1-3]"}, "contradict each other: task 2 of 4, on 3 nodes"),
        ({"SLURM_STEP_TASKS_PER_NODE": "1(x"}, "SLURM_STEP_TASKS_PER_NODE='1\\(x' is not a list"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x4)"}, "contradict each other"),
        ({"SLURM_PROCID": "4"}, "contradict each other: task 4 of 4"),
        ({"SLURM_PROCID": "-1"}, "SLURM_PROCID='-1' is not a number"),
        ({"SLURM_PROCID": ""}, "no SLURM_PROCID: start the workers with srun"),
        ({"SLURMD_NODENAME": "gpu099"}, "runs task 2 on gpu099, .* srun --distribution=block"),
        ({"SLURM_LOCALID": "1"}, "--distribution=block"),
    ],
)
def test_what_makes_no_sense(changed, expected):
    with pytest.raises(ValueError, match=expected):
        placement(step(**changed))


def test_block_order_that_slurm_confirms():
    assert placement(step(SLURMD_NODENAME="gpu100", SLURM_LOCALID="0")).index == 2


@pytest.mark.parametrize(
    ("variables", "divided"),
    [
        ({}, False),
        ({"SLURM_GPUS_PER_TASK": "2"}, True),
        ({"SLURM_GPUS_PER_TASK": "2", "SLURM_GPU_BIND": "none"}, False),
        ({"SLURM_GPU_BIND": "verbose,single:1"}, True),
        ({"SLURM_GPU_BIND": "closest"}, False),
        ({"SLURM_TRES_PER_TASK": "cpu:8,gres/gpu:1"}, True),
        ({"SLURM_TRES_PER_TASK": "cpu:8"}, False),
    ],
)
def test_whether_slurm_divided_the_gpus(variables, divided):
    assert binds_gpus(variables) is divided
