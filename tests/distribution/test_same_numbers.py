"""One process, two workers and four train the same numbers."""

from pathlib import Path

import numpy as np
import pytest

from tests.distribution.processes import finish, module, start

# A gradient jumps where rounding turns over a ReLU or the winner of a maximum; weights do not.
GRADIENT_NORM = 0.05
# By tower and by number of workers. SLIP and DeFILIP together have every term.
METHODS = {
    "vit": {2: ("clip", "slip", "filip", "declip", "defilip"), 4: ("defilip",)},
    "resnet": {2: ("slip", "defilip"), 4: ("slip",)},
}


def trained(folder: Path, workers: int, steps: int, *cases: str) -> list[list[dict]]:
    """What each worker has after `steps` steps, for each case."""
    folder.mkdir()
    command = module("tests.distribution.same_numbers", folder, steps, *cases)
    for status, output in finish(start(workers, command)):
        assert status == 0, output[-3000:]
    names = [case.replace(":", "-") for case in cases]
    return [[dict(np.load(folder / f"{n}.{w}.npz")) for w in range(workers)] for n in names]


def assert_same(alone: dict, several: list[dict], steps: int) -> None:
    traffic = [name for name in several[0] if name.startswith("logged traffic/")]
    assert traffic
    assert len(alone["logged loss"]) == steps
    assert alone["logged loss"][-1] != alone["logged loss"][0]
    for worker in several:
        assert set(worker) == {*alone, *traffic}
        for name, value in alone.items():
            if name.endswith("/position"):  # each worker has a stream of its own
                continue
            found = worker[name]
            # Among each other, they agree to the last digit.
            np.testing.assert_array_equal(found, several[0][name], err_msg=name)
            if name.startswith("variable adamw"):
                continue
            rtol = GRADIENT_NORM if name == "logged gradient_norm" else 1e-5
            # Not weights, but what was computed with them, with the rounding of them all.
            computed = "/moving_" in name or name.endswith("/queue")
            atol = 1e-3 if computed else 1e-5
            np.testing.assert_allclose(found, value, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("tower", METHODS)
def test_workers_train_50_steps_of_every_method_as_one_process(tower, tmp_path):
    def of(workers: int, methods: tuple[str, ...]) -> list[list[dict]]:
        return trained(tmp_path / str(workers), workers, 50, *(f"{m}:{tower}" for m in methods))

    alone = dict(zip(METHODS[tower][2], of(1, METHODS[tower][2]), strict=True))
    for workers, methods in METHODS[tower].items():
        for method, several in zip(methods, of(workers, methods), strict=True):
            assert_same(alone[method][0], several, 50)


@pytest.mark.slow
def test_compiled_towers_of_two_workers_train_as_one_process_without(tmp_path):
    [[alone]] = trained(tmp_path / "1", 1, 5, "clip:vit")
    [two] = trained(tmp_path / "2", 2, 5, "clip:vit:method.Method.xla = True")
    assert_same(alone, two, 5)
