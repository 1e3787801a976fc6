"""What a suspended run asks: the same form that Prefect's interface shows, for a terminal or a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pvcore.errors import Fault, InputError, PlatformError
from pvcore.platform.prefect_api import Platform


class AnswerError(InputError):
    """An answer that does not fit the form."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form: Markdown to read, and a JSON schema of what to fill in."""

    flow_run_id: str
    description: str
    schema: Mapping[str, Any]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in order of the form."""
        properties: Mapping[str, Mapping[str, Any]] = self.schema.get("properties", {})
        return tuple(sorted(properties, key=lambda name: properties[name].get("position", 0)))

    @property
    def required(self) -> tuple[str, ...]:
        """Those that must be filled in."""
        return tuple(name for name in self.fields if name in self.schema.get("required", ()))

    def choices(self, field: str) -> tuple[str, ...]:
        """The allowed values of a select; empty for a free field."""
        found: Mapping[str, Any] = self.schema["properties"][field]
        return tuple(found.get("enum", (found["const"],) if "const" in found else ()))


def waiting_form(platform: Platform, flow_run_id: str) -> Form:
    """The form that the run waits with. PlatformError when it does not wait for input (yet)."""
    row = platform.call("GET", f"/flow_runs/{flow_run_id}")
    keyset = ((row["state"] or {}).get("state_details") or {}).get("run_input_keyset") or {}
    schema = platform.run_input(flow_run_id, keyset["schema"]) if keyset else None
    if row["state_type"] != "PAUSED" or schema is None:
        raise PlatformError(f"run {row['name']} is {row['state_name']} and waits for no answer")
    description = platform.run_input(flow_run_id, keyset["description"])
    return Form(flow_run_id, description if isinstance(description, str) else "", schema)


def answer(platform: Platform, form: Form, values: Mapping[str, Any]) -> None:
    """Fill in the form and resume the run. AnswerError with every missing, unknown or impossible field."""
    faults = [Fault(name, "is missing") for name in form.required if not values.get(name)]
    faults += [Fault(name, "is no field of the form") for name in values if name not in form.fields]
    for name in form.fields:
        if name in values and (allowed := form.choices(name)) and values[name] not in allowed:
            faults.append(Fault(name, f"cannot be {values[name]!r}", f"one of {', '.join(allowed)}"))
    if faults:
        raise AnswerError(f"answer to run {form.flow_run_id}", faults)
    platform.resume(form.flow_run_id, values)


def typed(schema: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """What was typed as a deployment's form takes it: numbers and switches where it asks for them, else texts.

    `schema` is the JSON schema of its parameters. AnswerError with every value that is none, every unknown name and
    every one that is missing.
    """
    fields: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    values: dict[str, Any] = {}
    faults = [Fault(name, "is missing") for name in schema.get("required", ()) if name not in texts]
    for name, text in texts.items():
        if name not in fields:
            faults.append(Fault(name, "is no parameter", f"one of {', '.join(sorted(fields))}"))
            continue
        kind = fields[name].get("type", "string")
        try:
            values[name] = _READ.get(kind, str)(text)
        except (KeyError, ValueError):
            faults.append(Fault(name, f"expected {_WANTED[kind]}, found {text!r}"))
    if faults:
        raise AnswerError("parameters", faults)
    return values


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):  # JSON has no such number
        raise ValueError(text)
    return value


_READ: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "number": _number,
    "boolean": {"true": True, "false": False}.__getitem__,
}
_WANTED = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
