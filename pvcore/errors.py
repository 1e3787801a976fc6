"""The errors a user can meet, as one tree.

PvError                     exit code 1; every message says what, where and what to do next
├── InputError              2  a file does not hold what it should; carries every fault found
│   ├── ReleaseError           a MedDRA release
│   └── BatchError             a batch of cases or annotations
├── ConfigError             2  settings, a recipe or a policy
├── NotFound                3  a version, key, batch or run that does not exist
├── RegistryError           4
│   ├── StoreRefused           the object store does not keep the put-if-absent contract
│   ├── LedgerBroken           the chain of records does not verify
│   ├── NumberTaken            another version got the number that this one's documents name
│   ├── SignatureRefused       who, what, when or for what the signature is does not fit
│   ├── RequestClosed          a request for approval that was rejected, carried out or has expired
│   └── StaleChampion          the alias moved since the decision was made
├── LeakageError            5  a training set shares a cluster with a held-out set
├── TrainingError           6  a base, a specification or a step that cannot be trained
├── GateError               7  an evaluation that cannot be decided as asked
├── PlatformError           8  the Prefect server, a worker or a run
└── CaseWasRead             9  what was to be proved absent is there
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: where (file, table, row, case), what it is, and what to do next."""

    where: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.advice})" if self.advice else "")


class PvError(Exception):
    """Base of all errors that a user can cause; `exit_code` is what `pv` ends with."""

    exit_code = 1


class InputError(PvError):
    """A file that does not hold what it should. `faults` lists all of them, not the first."""

    exit_code = 2

    def __init__(self, source: str, faults: Iterable[Fault], advice: str = "") -> None:
        self.source = source
        self.faults = tuple(faults)
        self.advice = advice
        super().__init__(source, self.faults, advice)

    def __str__(self) -> str:
        shown = "\n".join(f"  {fault}" for fault in self.faults[:50])
        more = f"\n  ... and {len(self.faults) - 50} more" if len(self.faults) > 50 else ""
        noun = "fault" if len(self.faults) == 1 else "faults"
        tail = f"\n{self.advice}" if self.advice else ""
        return f"{self.source}: {len(self.faults)} {noun}\n{shown}{more}{tail}"


class ReleaseError(InputError):
    """A MedDRA release that is truncated, mixed, tampered with or not the one asked for."""


class BatchError(InputError):
    """A batch of cases or annotations that cannot be read as what it claims to be."""


class ConfigError(PvError):
    """Settings, a recipe or a policy that cannot be used as written."""

    exit_code = 2


class NotFound(PvError):
    """A version, key, batch or run that does not exist."""

    exit_code = 3


class RegistryError(PvError):
    """The registry refuses, or cannot prove, what was asked."""

    exit_code = 4


class StoreRefused(RegistryError):
    """An object store that accepts put-if-absent and overwrites all the same."""


class LedgerBroken(RegistryError):
    """A ledger whose chain of digests does not hold."""


class NumberTaken(RegistryError):
    """A version whose documents name a number that another version got meanwhile."""


class SignatureRefused(RegistryError):
    """A signature that is altered, foreign, expired, revoked, or made for something else."""


class RequestClosed(RegistryError):
    """A request for approval that was rejected, carried out or has expired."""


class StaleChampion(RegistryError):
    """A promotion that expects to replace a champion which is no longer the champion."""


class LeakageError(PvError):
    """A training set that shares a cluster of near-identical cases with a held-out set."""

    exit_code = 5


class TrainingError(PvError):
    """A base, a specification or a step that cannot be trained."""

    exit_code = 6


class GateError(PvError):
    """An evaluation that cannot be decided as the policy asks."""

    exit_code = 7


class PlatformError(PvError):
    """The Prefect server, a worker or a run that does not do its part."""

    exit_code = 8


class CaseWasRead(PvError):
    """A case of which absence was asked, and which training read: never to be taken for an absence."""

    exit_code = 9
