"""metrics.jsonl: one JSON object for each logged step."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

from clipbench_tf.callbacks.scalar_log import ScalarLog
from clipbench_tf.callbacks.throughput import Throughput
from clipbench_tf.checkpoints.disk import Attempts


class MetricsLog(ScalarLog):
    """Appends `{"step": ..., "wall_time": ..., name: value, ...}` lines to a file.

    Numbers that are not finite become null, since JSON has none such; `wall_time` is in seconds
    since 1970. What is written for one step at several times ends up in one object. A failed write
    (full disk, for example) loses that entry, and training continues.

    Args:
        path: the file; created with its folder if need be, else appended to. A line that a kill
            left half-written is removed.
        resumed_at: the step that a run is resumed at, whose entries of later steps are removed, as
            they will be written again; None to keep all.
        every, total_steps, throughput, steps_per_epoch: see `ScalarLog`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        resumed_at: int | None = None,
        every: int = 10,
        total_steps: int | None = None,
        throughput: Throughput | None = None,
        steps_per_epoch: float | None = None,
    ) -> None:
        super().__init__(
            every=every,
            total_steps=total_steps,
            throughput=throughput,
            steps_per_epoch=steps_per_epoch,
        )
        self._path = path = Path(path)
        self._entry: dict[str, float | None] = {}
        self._begin = self._end = 0  # of the last entry, in bytes
        self._attempts = Attempts()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        last = math.inf if resumed_at is None else resumed_at
        with path.open("r+b") as file:
            for line in file:
                entry = _entry(line)
                if entry is None or entry["step"] > last:
                    break
                self._entry = entry
                self._begin, self._end = self._end, self._end + len(line)
            file.truncate(self._end)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes `values` as the object of `step`, or adds them to it if it is the last one."""
        if self._entry.get("step") != step:
            self._entry = {"step": step, "wall_time": round(time.time(), 3)}
            self._begin = self._end
        self._entry |= {name: _number(value) for name, value in values.items()}
        line = json.dumps(self._entry, allow_nan=False).encode() + b"\n"

        def put() -> None:
            with self._path.open("r+b") as file:
                file.truncate(self._begin)
                file.seek(self._begin)
                file.write(line)

        loss = f"From step {step} on, steps are missing in {self._path}"
        written = self._attempts.succeeds(put, loss)
        # If the write failed, the next entry overwrites whatever part of it reached the file.
        self._end = self._begin + (len(line) if written else 0)


def _number(value: float) -> float | None:
    """`value` to 8 significant digits, about as many as a float32 has; null if not finite."""
    return float(f"{value:.8g}") if math.isfinite(value) else None


def _entry(line: bytes) -> dict | None:
    """The object in `line`, or None if it is not whole."""
    try:
        entry = json.loads(line)
    except ValueError:  # also for bytes that are no UTF-8
        return None
    whole = line.endswith(b"\n") and isinstance(entry, dict) and "step" in entry
    return entry if whole else None
