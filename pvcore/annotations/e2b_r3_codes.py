"""Object identifiers and code lists of ICH E2B(R3) that reader and writer share."""

from __future__ import annotations

NS = "urn:hl7-org:v3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ICH = "2.16.840.1.113883.3.989.2.1"
CASE_ID = f"{ICH}.3.1"  # C.1.1 sender's safety report id
WORLDWIDE_ID = f"{ICH}.3.2"  # C.1.8.1
SENDER = f"{ICH}.3.11"  # N.2.r.2 message sender
RECEIVER = f"{ICH}.3.12"  # N.2.r.3 message receiver
BATCH_SENDER = f"{ICH}.3.13"  # N.1.3
BATCH_RECEIVER = f"{ICH}.3.14"  # N.1.4
BATCH_ID = f"{ICH}.3.22"  # N.1.2
CODES = f"{ICH}.1.19"  # observation codes
DRUGS = f"{ICH}.1.20"  # organizer codes
MEDDRA = "2.16.840.1.113883.6.163"

REACTION = "29"
FLAGS = {"death": "34", "life_threatening": "21", "hospitalisation": "33", "disabling": "35",
         "congenital_anomaly": "12", "other": "26"}  # fmt: skip
"""E.i.3.2 a-f: criterion -> observation code."""
FLAG_NAMES = {
    "death": "resultsInDeath", "life_threatening": "isLifeThreatening",
    "hospitalisation": "requiresInpatientHospitalization",
    "disabling": "resultsInPersistentOrSignificantDisability",
    "congenital_anomaly": "congenitalAnomalyBirthDefect", "other": "otherMedicallyImportantCondition",
}  # fmt: skip
OUTCOMES = {"1": "recovered", "2": "recovering", "3": "not recovered", "4": "recovered with sequelae",
            "5": "fatal", "0": "unknown"}  # fmt: skip
"""E.i.7, code system 2.16.840.1.113883.3.989.2.1.1.11."""
ROLES = {"1": "suspect", "2": "concomitant", "3": "interacting"}
"""G.k.1; 4 is a drug that was not administered."""
SEXES = {"1": "M", "2": "F"}
"""D.5, ISO 5218."""
AGE_UNITS = {"a": 1.0, "mo": 1 / 12, "wk": 7 / 365.25, "d": 1 / 365.25, "h": 1 / 8766, "{decade}": 10.0}
"""D.2.2b, UCUM: years in one unit."""
