"""What a linear probe found: on all pictures, and with a few shots over several draws."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

from clipbench_tf.evaluation.zero_shot import SplitResult

RULE = (
    "Intervals of all pictures are for other test pictures (Wilson's); those of shots are for "
    "other draws of the shots (Student's t), and null for a single draw."
)


@dataclasses.dataclass(frozen=True)
class Trained:
    """One trained probe.

    Attributes:
        result: its accuracy.
        pictures: number that it was fitted on.
        short: number of classes that have pictures, but fewer than the shots.
        strength: C, scikit-learn's inverse strength of the penalty, for features of unit spread.
        chosen_on: number of pictures held out to choose the strength on; 0 if there were none.
        fits: number of fits, the search included.
        unconverged: those among them that reached the last iteration.
        converged: whether the final fit did not.
    """

    result: SplitResult
    pictures: int
    short: int
    strength: float
    chosen_on: int
    fits: int
    unconverged: int
    converged: bool


@dataclasses.dataclass(frozen=True)
class LinearResult:
    """The results of a linear probe on one split.

    Attributes:
        train_split: the split that it was fitted on.
        train_corrupt: its pictures left out because they cannot be decoded.
        train_classes: number of its classes.
        trained: by number of shots, or None for all pictures, the probe of each draw.
        feature_kind: what was probed, "pooled" or "embedding".
    """

    train_split: str
    train_corrupt: int
    train_classes: int
    trained: dict[int | None, tuple[Trained, ...]]
    feature_kind: str

    def top(self, shots: int | None, k: int) -> float:
        """Mean top-`k` accuracy over the draws in 0..1."""
        return float(np.mean([one.result.top(k) for one in self.trained[shots]]))

    def record(self) -> dict:
        """For a JSON record; fractions in 0..1, 95% intervals (`RULE`)."""
        fields: dict = {"probe": "linear", "features": self.feature_kind, "rule": RULE}
        fields |= {"train_split": self.train_split, "train_corrupt": self.train_corrupt}
        fields |= {"train_classes": self.train_classes, "shots": {}}
        for shots, draws in self.trained.items():
            if shots is None:
                fields["full"] = draws[0].result.record() | _facts(draws[0])
            else:
                fields["shots"][str(shots)] = _shots_record(draws)
        return fields

    def line(self) -> str:
        """Lines of text, one for all pictures and one for each number of shots."""
        return "\n".join(self._line(shots, draws) for shots, draws in self.trained.items())

    def _line(self, shots: int | None, draws: Sequence[Trained]) -> str:
        first = draws[0]
        if shots is None:
            head = f"linear probe, {first.result.line()}"
            tail = f"{first.pictures} pictures of {self.train_classes} classes"
        else:
            parts = []
            for k in first.result.credits:
                found = spread([one.result.top(k) for one in draws])
                text = f" (95% interval {found[0]:.1%} to {found[1]:.1%})" if found else ""
                parts.append(f"top-{k} {self.top(shots, k):.1%}{text}")
            many = f"{len(draws)} draws" if len(draws) > 1 else "one draw"
            head = (
                f"{shots}-shot linear probe, {first.result.split}: {', '.join(parts)} over {many}"
            )
            tail = f"{first.pictures} pictures each time"
            tail += f" ({first.short} of the classes with fewer)" if first.short else ""
        corrupt = f", {self.train_corrupt} corrupt left out" if self.train_corrupt else ""
        strengths = ", ".join(f"{one.strength:.3g}" for one in draws)
        chosen = "" if first.chosen_on else " (no picture was left to choose it on)"
        return (
            f"{head}; fitted on {tail} of {self.train_split}{corrupt}, C = {strengths}{chosen}"
            f"{_warning(draws)}"
        )


def spread(repeats: Sequence[float]) -> tuple[float, float] | None:
    """The 95% interval of the mean of a few repeats by Student's t, within 0..1; None for one."""
    if len(repeats) < 2:
        return None
    error = np.std(repeats, ddof=1) / np.sqrt(len(repeats))
    half = float(stats.t.ppf(0.975, len(repeats) - 1) * error)
    mean = float(np.mean(repeats))
    return max(0.0, mean - half), min(1.0, mean + half)


def _warning(draws: Sequence[Trained]) -> str:
    fits, unconverged = (sum(getattr(one, n) for one in draws) for n in ("fits", "unconverged"))
    if not unconverged:
        return ""
    final = sum(not one.converged for one in draws)
    return (
        f"; WARNING: {unconverged} of {fits} fits did not converge, {final} of them final ones: "
        "allow more iterations"
    )


def _facts(one: Trained) -> dict:
    """All but the result."""
    return {f.name: getattr(one, f.name) for f in dataclasses.fields(one) if f.name != "result"}


def _shots_record(draws: Sequence[Trained]) -> dict:
    fields: dict = {"repeats": len(draws)}
    for k in draws[0].result.credits:
        repeats = [one.result.top(k) for one in draws]
        fields |= {f"top{k}": float(np.mean(repeats)), f"top{k}_interval": spread(repeats)}
    return fields | {"draws": [one.result.record() | _facts(one) for one in draws]}
