# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Names that misspell a common noun by one letter: an expression with one would teach the slip."""

from functools import lru_cache

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon


_LEAST = 6  # letters: shorter words have too many English neighbours
_COMMON = frozenset(
    """
    airplane avocado backpack balcony banana baseball basket bathroom bathtub bedroom bicycle blanket blueberry
    branch bridge broccoli bucket building button cabinet calendar candle canopy carpet carrot ceiling cheese chimney
    church cloud coffee cookie counter container computer concrete crosswalk cucumber cupboard curtain cushion dashboard
    desert doughnut drawer elephant engine faucet feather fence fireplace flower fountain freezer fridge frosting garage
    garden giraffe handle headlight helmet highway hydrant intersection jersey kettle keyboard kitchen ladder laptop lettuce
    license luggage magazine meadow microwave mirror monitor motorcycle mountain mushroom napkin necklace necktie
    onion orange painting passenger pasture pavement pepper picture pillow pineapple platform platter player playground
    poster potato propeller railing railroad railway raspberry refrigerator restaurant ribbon runway sandwich saucer sausage
    scissors shadow shower sidewalk skateboard skyscraper snowboard spectator stadium staircase station statue
    street strawberry suitcase sunglasses surface surfboard surfer tablecloth telephone television tennis toilet tomato
    toothbrush traffic trailer umbrella utensil vegetable window windshield zebra
""".split()
)
_KNOWN = frozenset(
    word
    for words in (
        _COMMON, lexicon.PERSONS, lexicon.ANIMALS, lexicon.VEHICLES, lexicon.CLOTHING, lexicon.BODY, lexicon.HELD,
        lexicon.ADJECTIVES, lexicon.MATERIALS, lexicon.PLACES, lexicon.SURFACES, lexicon.CONTAINERS, lexicon.MARKS,
        lexicon.MEASURES,
    )
    for word in words
)  # fmt: skip


def _with_one_out(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(1, len(word))]


def _swapped(word: str) -> list[str]:
    return [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(1, len(word) - 1)]


_LONG = frozenset(word for word in _KNOWN if len(word) >= _LEAST and word.isalpha())
_SLIPS = frozenset(slip for word in _LONG for slip in (*_with_one_out(word), *_swapped(word))) - _KNOWN


@lru_cache(maxsize=65536)
def is_misspelt(word: str) -> bool:
    """Whether a letter of a common noun is missing, written twice or in its neighbour's place.

    >>> is_misspelt("moutain"), is_misspelt("mountains"), is_misspelt("fountain")
    (True, False, False)
    """
    one = lemma(word)
    if len(one) < _LEAST - 1 or {word, one} & _KNOWN:
        return False
    doubled = (one[:i] + one[i + 1 :] for i in range(1, len(one)) if one[i] == one[i - 1])
    return one in _SLIPS or any(slip in _LONG for slip in doubled)
