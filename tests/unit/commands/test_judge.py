# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What `promvil judge` says of a model against people, and of people against each other."""

from promvil_hf import pages
from promvil_hf.commands.inspect_fivl import QUESTIONS
from promvil_hf.commands.judge import compared, compared_people


def verdicts(judge, answers):
    given = {f"row-{k}/0/0": {"key": answer} for k, answer in enumerate(answers)}
    return pages.Verdicts("fivl", judge, QUESTIONS, tuple(given), given, {})


def test_precision_recall_and_agreement_are_printed_for_models_and_for_people():
    ann, bo = verdicts("Ann", ["yes", "yes", "no", "no"]), verdicts("Bo", ["yes", "no", "no", "cannot tell"])
    judged = {f"row-{k}/0/0": {"important": k != 3, "crop": True, "inverse": False} for k in range(4)}
    printed = compared(judged, ann)
    line = next(line for line in printed.splitlines() if line.startswith("important ~ key"))
    assert "against the verdicts of Ann" in printed
    assert "same in 75.0% [" in line and "precision 66.7% [" in line and "recall 100.0% [" in line
    assert "kappa 0.50 [" in line
    assert "crop ~ mask: nothing that both judged" in printed
    printed = compared_people(bo, ann)
    assert printed.splitlines()[0] == "Bo against Ann"
    assert "precision 100.0% [" in printed and "recall 50.0% [" in printed and "good: nothing that both judged" in printed
