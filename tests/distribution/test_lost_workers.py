"""Who is lost, by what TensorFlow said when workers were killed or stopped; tried with 2 and 4."""

import socket

import pytest

from clipbench_tf.distribution import lost_workers

RESET = (
    "Collective ops is aborted by: recvmsg:Connection reset by peer\nAdditional GRPC error "
    "information from remote target /job:worker/replica:0/task:2 while calling "
    "/tensorflow.WorkerService/RecvBuf:\n:UNKNOWN:Error received from peer  {grpc_status:14}\n"
    "The error could be from a previous operation. Restart your program to reset."
)
PASSED_ON = (
    ':UNKNOWN:Error received from peer  {grpc_status:14, grpc_message:"Collective ops is aborted '
    "by: Collective ops is aborted by: recvmsg:Connection reset by peer\\nAdditional GRPC error "
    "information from remote target /job:worker/replica:0/task:2 while calling "
    "/tensorflow.WorkerService/RecvBuf:\\n:UNKNOWN:Error received\\nAdditional GRPC error "
    'information from remote target /job:worker/replica:0/task:3 while calling RecvBuf"}'
)
HEARTBEATS = (
    "Graph execution error:\n\nDetected at node bn3/CollectiveReduceV2\n\nCollective ops is "
    "aborted by: Error reported from /job:worker/task:3: The following tasks are unhealthy "
    "(stopped sending heartbeats):\n/job:worker/replica:0/task:1\n/job:worker/replica:0/task:2\n"
    "The tasks have crashed. Check the task logs for an earlier error."
)
CHIEF = (
    "Collective ops is aborted by: Deadline Exceeded\n\nRPC: "
    "/tensorflow.CoordinationService/Heartbeat\nThe error could be from a previous operation."
)


@pytest.mark.parametrize(
    ("text", "lost", "words"),
    [
        (RESET, [2], "recvmsg:Connection reset by peer"),
        (PASSED_ON, [2], "recvmsg:Connection reset by peer"),
        (
            HEARTBEATS,
            [1, 2],
            "Error reported from /job:worker/task:3: The following tasks are unhealthy (stopped "
            "sending heartbeats)",
        ),
        (CHIEF, [0], "Deadline Exceeded"),
        ("Collective ops is aborted by: no idea", [], "no idea"),
    ],
)
def test_the_lost_and_why(text, lost, words):
    assert lost_workers.named(text) == lost
    assert lost_workers.root_cause(text) == words


def test_who_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert lost_workers.listens(address)
    assert not lost_workers.listens(address)
