"""What a suite compares, and what the names in it stand for at a scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clipbench_tf import config
from clipbench_tf.leaderboard.entry import Level, SuiteFacts, row_label
from clipbench_tf.leaderboard.fairness import TOUCHES

Parts = Sequence[str]  # gin files, and bindings where there is a "="


class SuiteError(ValueError):
    """A suite that cannot run; the message names the suite and the remedy."""


class Scale:
    """What the levels of factors stand for.

    Args:
        common: gin files and bindings of all rows, last of all: the recipe.
        levels: those of each level by its name, as in {'CLIP': ['methods/clip.gin']}.
    """

    def __init__(self, *, common: Parts, levels: Mapping[Level, Parts]) -> None:
        self.common, self.levels = list(common), dict(levels)


class Suite:
    """A table: rows that differ in the levels of a few factors, and in nothing else.

    Args:
        title: what is compared, for people.
        factors: what rows differ in, for example ('method', 'image encoder').
        rows: the level of each factor, a sequence for each row, in the order of the table.
        common: levels of all rows, behind their own, for example ['ViT-B/32'].
        baselines: the level of a factor that its other levels are compared with.
        touches: of factors that `fairness.TOUCHES` does not know, the parameters that may differ.
        levels: of levels that the scale does not know, or not so, their gin files and bindings.
        scale: gives the other levels.

    Raises:
        SuiteError: if a row has not as many levels as there are factors, stands twice, or has a
            level that nobody knows.
    """

    def __init__(
        self,
        *,
        title: str,
        factors: Sequence[str],
        rows: Sequence[Sequence[Level]],
        scale: Scale,
        common: Sequence[Level] = (),
        baselines: Mapping[str, Level] | None = None,
        touches: Mapping[str, Sequence[str]] | None = None,
        levels: Mapping[Level, Parts] | None = None,
    ) -> None:
        self.title, self.factors = title, tuple(factors)
        self.rows = [tuple(row) for row in rows]
        self.common, self.baselines = list(common), dict(baselines or {})
        self.scale, self.levels = scale, {**scale.levels, **(levels or {})}
        self.touches = {name: tuple(some) for name, some in {**TOUCHES, **(touches or {})}.items()}
        self._check()

    def _check(self) -> None:
        if not self.rows:
            raise SuiteError("suite.Suite.rows is empty; name the levels of one row or more.")
        for row in self.rows:
            if len(row) != len(self.factors):
                raise SuiteError(
                    f"The row {row_label(row)} has {len(row)} levels for the factors "
                    f"{', '.join(self.factors)}; give one for each."
                )
            if self.rows.count(row) > 1:
                raise SuiteError(f"The row {row_label(row)} stands twice; remove one.")
        for level in [*self.common, *(level for row in self.rows for level in row)]:
            if level not in self.levels:
                raise SuiteError(
                    f"The scale has no level {level!r}, only {', '.join(map(str, self.levels))}. "
                    f"Bind suite.Suite.levels = {{{level!r}: ['a.gin']}}."
                )
        for name in self.factors:
            if name not in self.touches:
                raise SuiteError(
                    f"Nothing is known of the factor {name!r}. Bind suite.Suite.touches = "
                    f"{{{name!r}: ('optimization.recipe.Recipe.peak_learning_rate',)}}, with the "
                    f"parameters that its levels may change."
                )
        for name, level in self.baselines.items():
            place = self.factors.index(name) if name in self.factors else None
            if place is None or level not in [row[place] for row in self.rows]:
                raise SuiteError(f"The baseline {name!r}: {level!r} is in no row; correct it.")

    def parts(self, row: Sequence[Level]) -> tuple[list[str], list[str]]:
        """The gin files and the bindings of `row`; later ones win, bindings over files.

        Its own come first, then those of `common`, then those of the scale.
        """
        levels = [part for level in (*row, *self.common) for part in self.levels[level]]
        found = [*levels, *self.scale.common]
        return [p for p in found if "=" not in p], [p for p in found if "=" in p]

    def facts(self, name: str, scale: str) -> SuiteFacts:
        """What its records say of it."""
        return SuiteFacts(
            name=name,
            scale=scale,
            title=self.title,
            factors=self.factors,
            baselines=self.baselines,
            touches={name: self.touches[name] for name in self.factors},
        )


def load(suite: str, scale: str) -> tuple[Suite, SuiteFacts]:
    """The suite of a gin file, at a scale.

    Args:
        suite: name of a shipped one, such as "table4", or a gin file.
        scale: name of a shipped one, such as "emoji", or a gin file.

    Raises:
        ConfigError: for a missing file, or a name that nothing reads.
        SuiteError: if it cannot run as it is.
    """
    files = [_file(scale, "scales"), _file(suite, "suites")]
    config.parse(files, ["suite.Suite.scale = @suite.Scale()"])
    built = config.build("suite.Suite")
    config.check_used()
    return built, built.facts(Path(suite).stem, Path(scale).stem)


def _file(name: str, folder: str) -> str:
    return name if name.endswith(".gin") else f"{folder}/{name}.gin"
