"""What the factors of a suite mean for its plots: colours, groups, an axis of numbers."""

from collections.abc import Sequence

from clipbench_tf.leaderboard.board import Board, Row
from clipbench_tf.leaderboard.entry import Level
from clipbench_tf.leaderboard.plots.style import Look, look


class Parts:
    """The places of a suite's factors.

    Attributes:
        axis: of the last factor whose levels are different numbers; None where there is none.
        colour: of the first factor beside `axis`; None where there is no other.
        group: of the last factor beside `colour`, by which rows are put together; None as well.
        looks: by level of the factor `colour`, the same in all plots of a suite.
    """

    def __init__(self, board: Board) -> None:
        self.factors = board.suite.factors
        places = range(len(self.factors))
        self._levels = [_distinct([row.levels[n] for row in board.rows]) for n in places]
        numeric = [n for n in places if _numbers(self._levels[n])]
        self.axis = numeric[-1] if numeric else None
        self.colour = next((n for n in places if n != self.axis), None)
        self.group = next((n for n in reversed(places) if n != self.colour), None)
        coloured = [None] if self.colour is None else self._levels[self.colour]
        self.looks = {level: look(number) for number, level in enumerate(coloured)}

    def look(self, row: Row) -> Look:
        """That of a row."""
        return self.looks[None if self.colour is None else row.levels[self.colour]]

    def grouped(self, board: Board, place: int | None) -> dict[Level | None, list[Row]]:
        """The rows by their level of the factor at `place`, in the suite's order."""
        groups: dict[Level | None, list[Row]] = {}
        for row in board.rows:
            groups.setdefault(None if place is None else row.levels[place], []).append(row)
        return groups

    def name(self, row: Row, *without: int | None) -> str:
        """A row for people, but for the factors at some places."""
        named = [self.told(n, v) for n, v in enumerate(row.levels) if n not in without]
        return ", ".join(named)

    def told(self, place: int | None, level: Level | None) -> str:
        """A level for people; a number comes with the name of its factor."""
        if place is None:
            return ""
        return (
            str(level)
            if isinstance(level, str)
            else f"{self.factors[place]}\N{NO-BREAK SPACE}{level}"
        )


def _distinct(levels: Sequence[Level]) -> list[Level]:
    return list(dict.fromkeys(levels))


def _numbers(levels: Sequence[Level]) -> bool:
    real = [isinstance(v, int | float) and not isinstance(v, bool) for v in levels]
    return len(levels) > 1 and all(real)
