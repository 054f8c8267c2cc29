"""Stands for scripts/train.py: writes a run folder at once, or as the environment says.

RUN: the content of record.json, of the seed 0.
CONFIG: of config.gin.
FAIL: part of the run folder's path; such a run prints a line and ends with status 3.
WAIT: seconds until a run ends; SIGTERM ends it before, and a file `saved` says so.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    workdir = Path(next(a for a in arguments if a.startswith("--workdir=")).partition("=")[2])
    seeds = [a for a in arguments if a.startswith("--gin_bindings=pipeline.Pipeline.seed = ")]
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "pid").write_text(f"{os.getpid()} {sorted(os.sched_getaffinity(0))}")
    method = next(Path(a).stem for a in arguments if "methods/" in a)
    (workdir / "config.gin").write_text(os.environ["CONFIG"].format(method=method))
    if (wrong := os.environ.get("FAIL")) and wrong in str(workdir):
        print("a line before", flush=True)
        print(f"no memory for {workdir.name}", flush=True)
        sys.exit(3)

    def save(number, frame):
        (workdir / "saved").touch()
        sys.exit(143)

    signal.signal(signal.SIGTERM, save)
    with (workdir / "metrics.jsonl").open("w") as log:
        for step in range(10, 710, 10):
            entry = {"step": step, "loss": 5 - step / 200}
            if step % 350 == 0:
                entry["zero_shot/validation/top1"] = step / 7000
            log.write(json.dumps(entry) + "\n")
        log.write(json.dumps({"step": 700, "zero_shot/test/top1": 0.1}) + "\n")
    time.sleep(float(os.environ.get("WAIT", "0")))
    seed = int(seeds[0].rpartition(" ")[2])
    record = json.loads(os.environ["RUN"]) | {"seed": seed}
    record["results"][0]["top1"] += 0.01 * seed
    (workdir / "record.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1:])
