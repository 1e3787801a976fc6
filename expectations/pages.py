"""A Validation as pages: markdown for the Prefect interface, one self-contained HTML file for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvcore.plain import inert

if TYPE_CHECKING:
    from expectations.validation import RuleResult, Validation
    from pvcore.errors import Fault

SHOWN = 50
"""Faults on the markdown page; all of them are in the JSON and the HTML."""


def markdown(validation: Validation) -> str:
    """The verdict, every rule with its rows, and the first SHOWN faults and warnings."""
    lines = [f"## {verdict(validation)}", "", sentence(validation), ""]
    lines += _faults("Faults", validation.failures) + _faults("Warnings", validation.warnings)
    lines += ["| table | rule | severity | rows | failed | result |", "|---|---|---|---:|---:|---|"]
    lines += [
        f"| {r.table} | {r.rule} | {r.severity} | {r.rows:,} | {r.failed:,} | {state(r)} |"
        for r in validation.rules
    ]
    lines += [f"\nNot applied: {inert(text)}." for text in validation.skipped]
    return "\n".join([*lines, "", f"`{validation.engine}`, suite `{validation.suite_digest[:12]}`"])


def verdict(validation: Validation) -> str:
    """One line: what was judged, and how it ended."""
    outcome = "fit for use" if validation.success else "refused"
    return f"{inert(validation.subject)}: {outcome}"


def sentence(validation: Validation) -> str:
    """The counts in words."""
    rows = ", ".join(f"{number:,} {name}" for name, number in validation.statistics.items())
    return (
        f"{validation.evaluated} of {validation.expected} rules evaluated over {rows}: "
        f"{len(validation.failures):,} faults, {len(validation.warnings):,} warnings."
    )


def state(result: RuleResult) -> str:
    """How one rule ended. A rule that had nothing to look at says so."""
    if result.failed:
        return "failed" if result.severity == "critical" else result.severity
    return "holds" if result.rows else "nothing to look at"


def _faults(title: str, faults: tuple[Fault, ...]) -> list[str]:
    if not faults:
        return []
    lines = [f"### {title}", "", "| where | what | what to do |", "|---|---|---|"]
    lines += [f"| {inert(f.where)} | {inert(f.what)} | {inert(f.advice)} |" for f in faults[:SHOWN]]
    more = [f"\n... and {len(faults) - SHOWN:,} more"] if len(faults) > SHOWN else []
    return [*lines, *more, ""]


def html(validation: Validation) -> str:
    """The whole finding on one page that needs nothing else."""
    import jinja2

    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(PAGE)
    return template.render(v=validation, sentence=sentence(validation), state=state)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Validation of {{ v.subject }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #e4e7eb }
th { font-weight: 600 } td.n, th.n { text-align: right } .failed { color: #c0392b; font-weight: 600 }
.warning { color: #b36b00 } .holds { color: #00795c } .quiet { color: #8a8f98; font-size: 13px }
td { overflow-wrap: anywhere }
</style>
<h1>{{ v.subject }}: <span class="{{ 'holds' if v.success else 'failed' }}">
{{- 'fit for use' if v.success else 'refused' }}</span></h1>
<p>{{ sentence }}</p>
{% for title, faults in (("Faults", v.failures), ("Warnings", v.warnings)) if faults %}
<h2>{{ title }}</h2>
<table>
<tr><th>where<th>what<th>what to do</tr>
{% for f in faults %}
<tr><td>{{ f.where }}<td>{{ f.what }}<td>{{ f.advice }}</tr>
{% endfor %}
</table>
{% endfor %}
<h2>Rules</h2>
<table>
<tr><th>table<th>rule<th>severity<th class="n">rows<th class="n">failed<th>result</tr>
{% for r in v.rules %}
<tr><td>{{ r.table }}<td>{{ r.rule }}<td>{{ r.severity }}<td class="n">{{ "{:,}".format(r.rows) }}
<td class="n">{{ "{:,}".format(r.failed) }}<td class="{{ state(r) }}">{{ state(r) }}
{%- if r.observed %} ({{ r.observed }}){% endif %}</tr>
{% endfor %}
</table>
{% for text in v.skipped %}
<p>Not applied: {{ text }}.</p>
{% endfor %}
<p class="quiet">{{ v.engine }}, suite {{ v.suite }} {{ v.suite_digest }}</p>
</html>
"""
