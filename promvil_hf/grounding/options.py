# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How an expression is grounded: which lower phrases go into which prompt, and what the published code does besides.

The defaults mend what is known to be wrong in the published code; `GroundingOptions.reference()` brings all of
it back by name. No torch.
"""

from dataclasses import dataclass
from typing import Literal, get_args


Mode = Literal["progressive", "all", "direct", "one_shot", "oracle"]


@dataclass(frozen=True, slots=True)
class GroundingOptions:
    """The defaults, and beside each what `reference()` says.

    `mode` says which found boxes go into the prompt of a phrase. "progressive": those of the phrases in it that are one
    level below, as the published code does. "all": those of every phrase in it. "direct": those of the phrases directly
    in it, of whatever level, as models are trained on chains. "one_shot": none; only the whole expression is asked for,
    as the base model is used. "oracle": the boxes that the query brings, in place of found ones.

    `constrained` lets Kosmos-2 write only well-formed boxes: two cells that span a rectangle, then another box or the
    end. It is faster, and changes answers wherever the model would have said something else; a share of well-formed
    answers (`parse_rate`) then says nothing about the model. `max_boxes` ends such an answer early.
    """

    mode: Mode = "progressive"
    constrained: bool = False
    max_boxes: int | None = None  # for `constrained`; None: as many as `max_new_tokens` has room for
    max_new_tokens: int = 64  # reference: 32, which cuts off answers with many boxes
    plural_parts: bool = True  # a simple phrase inside the expression is asked in the plural, as the model was trained
    plural_top: bool = False  # reference: True, "the man" alone is asked as "men"
    largest_evidence: float | None = None  # reference: 0.8 of the picture; larger boxes are left out of prompts
    second_level_joint: str | None = None  # reference: "; " joins the evidence of level 2; training joins with ", "
    question: str = "Question: {question} Short Answer:"
    max_answer_tokens: int = 64

    def __post_init__(self):
        if self.mode not in get_args(Mode):
            raise ValueError(f"You passed mode={self.mode!r}: choose one of {', '.join(map(repr, get_args(Mode)))}.")
        if self.max_boxes is not None and not self.constrained:
            raise ValueError(
                f"You passed max_boxes={self.max_boxes} without constrained=True: only constrained decoding can count "
                "boxes while they are written."
            )
        least = 3 if self.constrained else 1  # a box is two cells and what follows them
        if self.max_new_tokens < least or self.max_answer_tokens < 1 or (self.max_boxes or 1) < 1:
            raise ValueError(
                f"You passed max_new_tokens={self.max_new_tokens}, max_answer_tokens={self.max_answer_tokens} and "
                f"max_boxes={self.max_boxes}: an answer needs room for one box, which is {least} tokens here, and a "
                "question's for one token."
            )
        if "{question}" not in self.question:
            raise ValueError(f"You passed question={self.question!r}: say with {{question}} where the question goes.")

    @classmethod
    def reference(cls, mode: Mode = "progressive") -> "GroundingOptions":
        """As the published code: plural for a lone simple phrase, no evidence above 80 % of the picture, "; " at level 2,
        32 tokens."""
        return cls(mode, plural_top=True, largest_evidence=0.8, second_level_joint="; ", max_new_tokens=32)
