"""What a recipe costs before it is run: operations, memory, traffic, time (scripts/plan.py).

`plan.py` combines the parts; read it first. In `costs/`, `workload.py` has the sizes of a replica's
step, `towers.py`, `resnet.py` and `signals.py` what its parts compute and keep, `communication.py`
what they receive, `memory.py` and `step_time.py` what that means for a device of `devices.py`.
"""
