"""Element names and code lists of ICH E2B(R2) that reader and writer share."""

from __future__ import annotations

FLAGS = {
    "death": "seriousnessdeath", "life_threatening": "seriousnesslifethreatening",
    "hospitalisation": "seriousnesshospitalization", "disabling": "seriousnessdisabling",
    "congenital_anomaly": "seriousnesscongenitalanomali", "other": "seriousnessother",
}  # fmt: skip
"""A.1.5.2: criterion -> element, in the standard's order."""
OUTCOMES = {"1": "recovered", "2": "recovering", "3": "not recovered", "4": "recovered with sequelae",
            "5": "fatal", "6": "unknown"}  # fmt: skip
"""B.2.i.8."""
ROLES = {"1": "suspect", "2": "concomitant", "3": "interacting"}
"""B.4.k.1."""
SEXES = {"1": "M", "2": "F"}
"""B.1.5."""
AGE_UNITS = {"801": 1.0, "802": 1 / 12, "803": 7 / 365.25, "804": 1 / 365.25, "805": 1 / 8766, "800": 10.0}
"""B.1.2.2.b: years in one unit (year, month, week, day, hour, decade)."""
