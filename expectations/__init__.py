"""Great Expectations suites: is a dictionary release, a case batch or a training set fit for use?

    >>> validate_batch(batch).require()                                # doctest: +SKIP

Each function judges rows by the suite of its name (suites/*.json) and returns a Validation, which
names every row that fails with its reason; a rule that could not be evaluated raises.
"""

from expectations.batch import validate_batch
from expectations.release import validate_release
from expectations.training_set import validate_training_set
from expectations.validation import RuleResult, Validation

__all__ = ["RuleResult", "Validation", "validate_batch", "validate_release", "validate_training_set"]
