# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What can be done with each family, as its `Family` value declares it: the cells of docs/models.md.

`tests/unit/backends/test_capabilities.py` tries every cell on a tiny model: what is declared works, what is refused is
refused with the reason given here. No torch.
"""

from collections.abc import Callable
from dataclasses import dataclass

from promvil_hf.backends.families import Family


@dataclass(frozen=True, slots=True)
class Cell:
    """`said` is "yes", "refused", or in a few words what is done instead; `why` is a sentence for what is not plain."""

    said: str = "yes"
    why: str = ""


REFUSED = "refused"
_YES = Cell()


def _patch_places(family: Family) -> Cell:
    return _YES if family.token_boxes else Cell(REFUSED, family.why_no_places)


def _shared_prefix(family: Family) -> Cell:
    if family.causal:
        return _YES
    why = family.encoder_decoder or family.keeps_state or family.whole_prompts
    return Cell("whole prompts", why)


def _packed_training(family: Family) -> Cell:
    if family.encoder_decoder:
        return Cell(REFUSED, family.encoder_decoder)
    return _YES if family.causal else Cell("one row a text", _shared_prefix(family).why)


def _attention_rows(family: Family) -> Cell:
    return Cell(why=family.keeps_state) if family.token_boxes else _patch_places(family)


def _vision_loss(family: Family) -> Cell:
    return Cell(REFUSED, family.encoder_decoder) if family.encoder_decoder else _patch_places(family)


def _always(family: Family) -> Cell:
    return _YES


@dataclass(frozen=True, slots=True)
class Capability:
    """One thing that can be done, in words, and the cell of a family."""

    about: str
    of: Callable[[Family], Cell]


CAPABILITIES: dict[str, Capability] = {
    "patch places": Capability("Each image token has a box in the original picture.", _patch_places),
    "shared prefix": Capability("A picture is read once for all prompts about it.", _shared_prefix),
    "packed training": Capability("All texts about a picture are trained in one row behind it.", _packed_training),
    "vision loss": Capability("Image tokens learn to predict the words for what they show (FiVL).", _vision_loss),
    "attention rows": Capability("Attention heads are ranked, and shown as heat over the picture.", _attention_rows),
    "4-bit": Capability("Loads with four bits a weight (nf4).", _always),
    "adapters": Capability("LoRA in the language model comes back as it was saved.", _always),
    "refusal": Capability("An answer that says there is no such thing is kept apart from one that cannot be read.", _always),
}
