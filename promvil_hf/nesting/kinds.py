# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The kind of thing a noun names, where attachment depends on it. Standard library only."""

from functools import lru_cache

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon


PERSON, ANIMAL, VEHICLE, CLOTHES, BODY, HELD, THING = "person animal vehicle clothes body held thing".split()
ANIMATE = frozenset({PERSON, ANIMAL})
_KINDS = {
    **dict.fromkeys(lexicon.HELD, HELD),
    **dict.fromkeys(lexicon.VEHICLES, VEHICLE),
    **dict.fromkeys(lexicon.BODY, BODY),
    **dict.fromkeys(lexicon.CLOTHING, CLOTHES),
    **dict.fromkeys(lexicon.ANIMALS, ANIMAL),
    **dict.fromkeys(lexicon.PERSONS, PERSON),
}


@lru_cache(maxsize=65536)
def kind_of(noun: str) -> str:
    """person, animal, vehicle, clothes, body, held or thing."""
    found = _KINDS.get(noun) or _KINDS.get(lemma(noun))
    if found is None and noun.endswith(("man", "woman", "men", "women", "boy", "girl")) and len(noun) > 5:
        return PERSON
    return found or THING
