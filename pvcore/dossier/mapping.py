"""Where an auditor finds what two frames ask for, and what stays with the company. It claims nothing.

Wordings: 21 CFR part 11 as in the eCFR (https://www.ecfr.gov/current/title-21/chapter-I/subchapter-A/part-11),
quoted in parts; the seven steps of FDA, "Considerations for the Use of Artificial Intelligence to Support
Regulatory Decision-Making for Drug and Biological Products", draft guidance, January 2025, section IV.
"""

from __future__ import annotations

from typing import NamedTuple

SOURCES = (
    "21 CFR part 11, Electronic Records; Electronic Signatures: "
    "ecfr.gov/current/title-21/chapter-I/subchapter-A/part-11",
    "FDA, Considerations for the Use of Artificial Intelligence to Support Regulatory Decision-Making for Drug and "
    "Biological Products, draft guidance for industry, January 2025 (a draft: not for implementation)",
)
CLAIM = (
    "These tables say where to look. They are no claim of compliance: whether a rule applies, and whether it is met, "
    "is for the people who answer for the system and for its use."
)


class Part(NamedTuple):
    """One clause or step: what it asks, where this page or the platform speaks of it, what it does not cover.

    `sections` are ids of headings on the page.
    """

    clause: str
    asks: str
    sections: tuple[str, ...]
    offered: str
    remains: str


PART11 = (
    Part(
        "11.10(a)",
        "“Validation of systems to ensure accuracy, reliability, consistent intended performance, and the ability "
        "to discern invalid or altered records.”",
        ("decision", "results", "behaviour", "reproduce"),
        "Measured performance of this version against criteria set beforehand; pv verify finds altered records, a "
        "rebuild gives the same bytes.",
        "Validation of the platform as installed, by a plan of your own.",
    ),
    Part(
        "11.10(b)",
        "“The ability to generate accurate and complete copies of records in both human readable and electronic "
        "form …”",
        ("reproduce",),
        "This page and its PDF; report, decision, policy and data by their digests, as JSON and Parquet.",
        "Readable copies over your retention period.",
    ),
    Part(
        "11.10(e)",
        "“Secure, computer-generated, time-stamped audit trails”; changes “shall not obscure previously recorded "
        "information.”",
        ("approval", "reproduce"),
        "The ledger: entries are only added, each names the digest of the one before. pv history shows it.",
        "The clock of the machines; retention; who reviews the trail.",
    ),
    Part(
        "11.10(f)",
        "“Operational system checks to enforce permitted sequencing of steps and events …”",
        ("decision", "approval"),
        "A version is registered after it was judged, asked for after it passed, promoted after it was signed.",
        "Steps outside the platform.",
    ),
    Part(
        "11.10(g)",
        "“Authority checks to ensure that only authorized individuals can use the system, electronically sign a "
        "record …”",
        ("approval",),
        "Who may sign is in the policy by role, with a key; checked when it is signed and again at the switch.",
        "Access to machines and store; giving and revoking keys.",
    ),
    Part(
        "11.10(k)",
        "Controls over systems documentation: distribution and use, and “revision and change control procedures”.",
        ("use", "training", "reproduce"),
        "Recipe, policy and this page are kept under their digests with the version they belong to.",
        "Procedures and the distribution of your own documents.",
    ),
    Part(
        "11.50",
        "Signed records show the printed name of the signer, the date and time, and the meaning of the signature, "
        "on screen and on paper.",
        ("approval",),
        "All three stand in the ledger and in the appendix of signatures of a printed page.",
        "That names and keys belong to the persons.",
    ),
    Part(
        "11.70",
        "Signatures “shall be linked to their respective electronic records” so that they cannot be “excised, "
        "copied, or otherwise transferred”.",
        ("approval", "reproduce"),
        "A signature covers the digests of version, report and policy, and the request; for another one it does not "
        "verify.",
        "Keeping private keys private.",
    ),
)
CREDIBILITY = (
    Part(
        "1", "Define the question of interest", ("use",),
        "The question, in the words of intended_use.", "The question is yours to define.",
    ),
    Part(
        "2", "Define the context of use for the AI model", ("use",),
        "Context, users, oversight and what it is not for, in the words of intended_use.",
        "The context is yours, with the other evidence in it.",
    ),
    Part(
        "3", "Assess the AI model risk", ("use",),
        "Model influence and decision consequence, in the words of intended_use.",
        "The judgement of the risk, and how much evidence it asks for.",
    ),
    Part(
        "4", "Develop a plan to establish the credibility of AI model output within the context of use",
        ("decision", "data", "training"),
        "The policy: criteria and margins set before the evaluation, named by digest; data, model and training.",
        "Whether the criteria fit the risk.",
    ),
    Part(
        "5", "Execute the plan", ("results", "slices", "guardrails", "behaviour"),
        "Held-out results with intervals, groups, guardrails, behaviour tests.", "Evidence from your own use.",
    ),
    Part(
        "6", "Document the results of the credibility assessment plan and discuss deviations from the plan",
        ("decision", "failures", "approval"),
        "This page: every criterion with its outcome and reason, the failures, who approved and why.",
        "A discussion of deviations.",
    ),
    Part(
        "7", "Determine the adequacy of the AI model for the context of use", ("approval",),
        "The signed decision of an approver, with its reason.",
        "The determination, now and as data drift: it holds for this version alone.",
    ),
)  # fmt: skip
