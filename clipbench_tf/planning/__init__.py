"""What a recipe costs before it is run: operations, memory, traffic, time (scripts/plan.py).

`plan.py` puts it together; read it first. `workload.py` is what a replica is given, `towers.py`,
`resnet.py` and `signals.py` are what its parts compute and keep, `communication.py` is what they
send, `memory.py` and `step_time.py` what that means for a device of `devices.py`.
"""
