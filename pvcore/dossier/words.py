"""What the dossier says in plain words: limits, metrics, rules and classes."""

from __future__ import annotations

LIMITS = (
    "The model suggests; a qualified person decides. It must not close, downgrade or submit a case itself.",
    "It was judged on held-out cases from the same sources as its training data. Other sources, languages or "
    "products may give other results.",
    "What is right here is what the annotators agreed on. Where they err together, so does the model.",
    "Slices with few cases can show harm but cannot certify its absence.",
    "Near-duplicates are kept on one side of the split by the similarity of their wording; paraphrases may "
    "escape it.",
)
BESIDE = {
    "word_weights.safetensors": "Words are weighed beside the network (`word_weights.safetensors`), and the results "
    "here are those of both. What reads the adapter alone (PEFT, transformers) gives other answers. Who has the file "
    "can test which words two or more narratives share.",
    "wordings.safetensors": "What was coded before stands beside the terms' names (`wordings.safetensors`), and the "
    "results here are those with it. What reads the adapter alone (PEFT, transformers) gives other answers. Who has "
    "the file can test whether a wording was among them.",
}
"""File of an adapter that is heard beside its network -> what that means for who has the folder."""
NAMES = {"roc_auc": "ROC AUC", "f1": "F1", "pt_accuracy": "PT accuracy",
         "precision_at_2pc": "precision at 2% prevalence",
         **{f"{what}_f1{how}": f"{what} F1{how.replace('_', ' ')}"
            for what in ("span", "drug", "reaction", "relation") for how in ("", "_overlap")}}  # fmt: skip
METRICS = {
    "accuracy": "share of cases answered as the annotators did",
    "recall": "of the truly positive cases, the share that is found (sensitivity)",
    "specificity": "of the truly negative cases, the share that is left alone",
    "precision": "of the cases called positive, the share that is so",
    "f1": "one number for recall and precision (their harmonic mean)",
    "average_precision": "how well positive cases are ranked first; chance is their share",
    "roc_auc": "how often a positive case ranks above a negative one; chance is 0.5",
    "criteria_average_precision": "the same of each seriousness criterion, averaged over those that at least "
    "5 cases meet",
    "criteria_recall": "of the cases that meet a criterion, the share that is found; averaged as above",
    "under_triage": "of the cases that are expedited, the share called less urgent than they are (lower is better)",
    "over_triage": "of the cases that could be, the share called more urgent than they are (lower is better)",
    "cost": "mean cost of an answer, a class too low weighing 5 times one too high (lower is better)",
    "weighted_kappa": "agreement beyond chance; a class further off weighs more",
    "macro_f1": "F1 of each class, and their mean: rare classes count as much as common ones",
    "precision_at_2pc": "of the pairs called interacting, the share that is so where 2% of all pairs interact",
    "accuracy_at_1": "the first term suggested is the annotators' LLT",
    "accuracy_at_5": "the annotators' LLT is among the first five suggested",
    "pt_accuracy": "the first term suggested belongs to the annotators' PT",
    "span_f1": "spans marked exactly as the annotators did, those missed and those too many in one number",
    "drug_f1": "the same of drugs",
    "reaction_f1": "the same of reactions",
    "span_f1_overlap": "the same, where touching the annotators' span is enough",
    "drug_f1_overlap": "the same of drugs, where touching is enough",
    "reaction_f1_overlap": "the same of reactions, where touching is enough",
    "relation_f1": "pairs of drug and reaction as the annotators drew them, both marked exactly",
    "coverage": "share of cases that are answered; the others are withheld for a person to look at",
    "selective_accuracy": "of the answers that are given, the share that is right",
    "calibration_error": "how far confidence is from the share of right answers; 0 is best",
}
GUARDRAILS = {
    "unlike training": "the text is further from the training data than held-out texts usually are",
    "unsure token": "a token or word of the answer was less probable than usual",
    "confidence": "the calibrated confidence is lower than the policy asks for",
    "unsupported term": "the answer names a drug or event that the source does not report, or only denies",
    "lost term": "the answer lost a suspect drug or a reaction of the case that its source reports",
    "wording": "an unsure term that shares no wording with the verbatim",
}
RULES = {
    "floor": "reaches the floor with its whole interval",
    "floor kept": "the value has not fallen below the floor",
    "non-inferiority": "interval of the difference stays above minus the margin",
    "superiority": "interval of the difference lies above the gain that is asked for",
    "no harm": "no sign of harm (corrected over the slices) where, uncorrected, a loss of the margin would have shown",
    "zero tolerance": "no case of the slice is answered as the policy does not tolerate",
    "slice": "the slice has held-out cases, and enough of them",
    "uses": "the held-out cases have not decided too often",
    "behaviour": "the share of behaviour tests that was passed reaches the minimum",
    "behaviour kept": "not fewer behaviour tests passed than the champion's, by more than the margin",
    "policy": "the policy says what is asked",
}
OUTCOMES = {
    "pass": "The candidate met every criterion that was set before the evaluation.",
    "fail": "At least one criterion was not met. The candidate cannot be promoted.",
    "inconclusive": "No criterion was clearly missed, but the held-out cases are too few to tell. "
    "The candidate cannot be promoted on this evidence.",
}
MIGRATION = {
    "unchanged": "code, name and hierarchy are as before",
    "renamed": "the same code has a new name",
    "hierarchy_refreshed": "the term moved in the hierarchy; its code stands",
    "recoded": "moved to another code by the migration policy",
    "needs_review": "no rule applies; a coder has to decide",
    "unknown_code": "the code is in neither dictionary",
}
SECTIONS = {
    "decision": "Decision",
    "use": "Use and limits",
    "results": "Results",
    "slices": "Groups",
    "guardrails": "Guardrails",
    "behaviour": "Behaviour tests",
    "failures": "Failures",
    "data": "Data",
    "dictionary": "MedDRA",
    "training": "Training",
    "approval": "Approval",
    "reproduce": "Reproduce",
    "mapping": "For auditors",
}
"""Id of a heading -> its short title."""
INTENDED = (
    "question_of_interest", "context_of_use", "users", "oversight", "model_influence", "decision_consequence",
)  # fmt: skip
"""What of an intended use stands in a table."""
EMPTY = "not recorded"
