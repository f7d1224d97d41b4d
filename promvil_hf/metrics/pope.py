# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""POPE: yes or no, with a third class for answers that are neither.

The rule that turns an answer into yes, no or unknown is an argument, because it decides the number: LLaVA's own
rule calls everything that is not a no a yes, even an empty answer; a comparison of whole strings calls "Yes."
wrong. An unknown answer is wrong in the accuracy and, where the truth is yes, missed in the recall; its rate stands
beside them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from promvil_hf.metrics.choice import first_word


YesNo = bool | None  # None: unknown


@dataclass(frozen=True, slots=True)
class PopeScore:
    f1: float
    accuracy: float
    precision: float
    recall: float
    yes_rate: float
    unknown_rate: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int  # said no, is yes; unknown answers are not in here
    unknown_yes: int  # unknown answers to questions whose answer is yes
    unknown_no: int
    rows: int
    rule: str


def strict_yes_no(answer: str) -> YesNo:
    """Yes or no if that is the first word and the first sentence does not also say the other; else unknown."""
    return first_word(answer, {"yes"}, {"no"})


def llava_yes_no(answer: str) -> YesNo:
    """LLaVA's rule: no if "No", "no" or "not" is a word of what stands before the first period, else yes. Never
    unknown.
    """
    words = answer.split(".")[0].replace(",", "").split(" ")
    return not {"No", "no", "not"} & set(words)


def pope_score(
    answers: Sequence[str], labels: Sequence[str | bool], rule: Callable[[str], YesNo] = strict_yes_no
) -> PopeScore:
    """Scores of the positive class yes. `labels` are "yes" / "no" or booleans, in the order of the answers."""
    if len(answers) != len(labels):
        raise ValueError(f"You passed {len(answers)} answers and {len(labels)} labels: match them by id first.")
    truth = truths(labels)
    said = [rule(answer) for answer in answers]
    unknown = np.fromiter((answer is None for answer in said), bool, len(said))
    yes = np.fromiter((answer is True for answer in said), bool, len(said))
    no = ~yes & ~unknown
    rows = len(answers)
    right, wrong = int((yes & truth).sum()), int((yes & ~truth).sum())
    return PopeScore(
        f1=_share(2 * right, 2 * right + wrong + int((truth & ~yes).sum())),
        accuracy=_share(right + int((no & ~truth).sum()), rows),
        precision=_share(right, right + wrong),
        recall=_share(right, int(truth.sum())),
        yes_rate=_share(int(yes.sum()), rows),
        unknown_rate=_share(int(unknown.sum()), rows),
        true_positives=right,
        false_positives=wrong,
        true_negatives=int((no & ~truth).sum()),
        false_negatives=int((no & truth).sum()),
        unknown_yes=int((unknown & truth).sum()),
        unknown_no=int((unknown & ~truth).sum()),
        rows=rows,
        rule=getattr(rule, "__name__", str(rule)),
    )


def truths(labels: Sequence[str | bool]) -> np.ndarray:
    """Labels as booleans, (rows,)."""
    return np.fromiter((_label(label, row) for row, label in enumerate(labels)), bool, len(labels))


def _label(label: str | bool, row: int) -> bool:
    if isinstance(label, (bool, np.bool_)):
        return bool(label)
    if isinstance(label, str) and label.strip().lower() in ("yes", "no"):
        return label.strip().lower() == "yes"
    raise ValueError(f"Label {row} is {label!r}: POPE's labels are 'yes' and 'no' (or True and False).")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
