"""What a validation found: Validation, its rules and faults, and its ways to JSON and to a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from pvcore.errors import BatchError, Fault, InputError, ReleaseError
from pvcore.records import canonical

Severity = Literal["critical", "warning", "info"]
ERRORS: Mapping[str, type[InputError]] = {"release": ReleaseError, "batch": BatchError}
FORMAT = 1


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule as it was evaluated. `rows` it looked at (those with a value), `failed` of them.

    A rule over the whole table (its number of rows, a mean) has `rows` 1 and the value in `observed`.
    Only critical rules refuse; the others are shown.
    """

    table: str
    rule: str
    severity: Severity
    rows: int
    failed: int
    observed: str = ""


@dataclass(frozen=True)
class Validation:
    """A release, batch or training set judged by a suite.

    `expected` is the number of rules in the suite's file that apply, and `evaluated` how many Great
    Expectations answered: `run.evaluate` raises where they differ. `skipped` says which tables of the
    suite do not apply here, and why. Nothing of it is left to chance, and only the warning of a case
    received in the future looks at the clock.
    """

    suite: str
    subject: str
    rules: tuple[RuleResult, ...]
    expected: int
    failures: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    skipped: tuple[str, ...] = ()
    statistics: Mapping[str, int] = field(default_factory=dict)
    suite_digest: str = ""
    engine: str = ""

    @property
    def evaluated(self) -> int:
        return len(self.rules)

    @property
    def success(self) -> bool:
        """Whether no critical rule failed."""
        return not any(rule.failed for rule in self.rules if rule.severity == "critical")

    def require(self) -> None:
        """Raise ReleaseError, BatchError or InputError with all faults, unless this is a success."""
        if not self.success:
            advice = f"Nothing of this {self.suite.replace('_', ' ')} was used."
            raise ERRORS.get(self.suite, InputError)(self.subject, self.failures, advice)

    def to_json(self) -> bytes:
        """Canonical JSON: the same findings are the same bytes."""
        return canonical(
            {
                "format": FORMAT,
                "suite": self.suite,
                "suite_digest": self.suite_digest,
                "engine": self.engine,
                "subject": self.subject,
                "success": self.success,
                "evaluated": self.evaluated,
                "expected": self.expected,
                "rules": [asdict(rule) for rule in self.rules],
                "failures": [asdict(fault) for fault in self.failures],
                "warnings": [asdict(fault) for fault in self.warnings],
                "skipped": list(self.skipped),
                "statistics": dict(self.statistics),
            }
        )

    def markdown(self) -> str:
        """A page for a Prefect artifact: the verdict, the rules, and the first faults."""
        from expectations.pages import markdown

        return markdown(self)

    def to_html(self) -> str:
        """The whole finding as one self-contained page."""
        from expectations.pages import html

        return html(self)
