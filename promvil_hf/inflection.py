# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""English number, for nouns and simple noun phrases: `plural`, `singular` and `lemma`.

No dictionary is downloaded. Irregular nouns and a few closed lists stand below, everything else follows the
spelling rules. Both functions are idempotent, keep the case of the word and know nothing about models. Standard
library only.
"""

import re
from functools import lru_cache


_IRREGULAR = {
    "man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet", "tooth": "teeth",
    "goose": "geese", "mouse": "mice", "louse": "lice", "die": "dice", "ox": "oxen", "cactus": "cacti",
    "passerby": "passersby", "quiz": "quizzes", "axis": "axes", "oasis": "oases",
    **{word: word[:-2] + "ves" for word in ("knife", "wife", "housewife", "life")},
    **{word: word[:-1] + "ves" for word in "leaf loaf half calf shelf bookshelf elf wolf thief scarf hoof sheaf".split()},
    **{
        word: word + "es"
        for word in "potato tomato hero mango mosquito buffalo volcano tornado echo torpedo bus minibus gas".split()
    },
}  # fmt: skip
# A final e that the spelling rules would take away with the s: -ies, -oes, -ches, -shes and -xes usually hide none.
_ENDS_IN_E = frozenset(
    """
    movie cookie selfie zombie veggie brownie hoodie beanie birdie collie smoothie calorie prairie genie doggie
    goalie bookie rookie magpie necktie bowtie eerie foodie pixie eyrie shoe toe canoe hoe doe foe woe horseshoe
    snowshoe tiptoe mistletoe ache headache toothache niche quiche cache avalanche moustache mustache axe pickaxe
""".split()
)
_SINGULAR = {many: one for one, many in _IRREGULAR.items()} | {word + "s": word for word in sorted(_ENDS_IN_E)}
_SINGULAR |= {
    "persons": "person", "scarfs": "scarf", "hoofs": "hoof", "busses": "bus", "mens": "man", "womens": "woman",
    "childrens": "child", "peoples": "person", "heros": "hero",
}  # fmt: skip

# Plural only, or written alike in both numbers, or a stuff that is not counted: `plural` has nothing to add.
_UNCHANGED = frozenset(
    """
    sheep deer fish moose elk bison aircraft hovercraft spacecraft watercraft swine salmon trout shrimp squid offspring
    cattle police clothing furniture luggage baggage equipment jewelry jewellery laundry traffic
    grass water sand snow rice bread milk butter sugar salt flour mud dirt air smoke fog hair food meat corn
    broccoli cauliflower lettuce spinach celery pasta ketchup mustard gravel soil silverware glassware tableware
""".split()
)
_PLURAL_ONLY = frozenset(
    """
    eyeglasses sunglasses spectacles goggles binoculars pants jeans shorts trousers leggings tights pajamas pyjamas
    overalls slacks khakis scissors shears pliers tongs tweezers headphones suspenders clothes surroundings
    outskirts series species
""".split()
)
# One thing, although the last letter is an s; words in -ss need no list.
_ENDS_IN_S = frozenset(
    """
    bus minibus omnibus trolleybus gas lens iris canvas cactus octopus walrus virus campus circus status bonus
    genius focus crocus hippopotamus platypus hibiscus eucalyptus papyrus stylus abacus fungus lotus citrus hummus
    couscous rhinoceros atlas christmas asparagus tennis chassis axis oasis crisis pelvis bias surplus chaos
    molasses news texas paris gymnastics athletics mathematics physics
""".split()
)
_NOT_A_NOUN = frozenset(
    """
    us this his hers its is was has does as yes plus perhaps across towards besides sideways upstairs downstairs
    indoors outdoors always various previous
""".split()
)
_MAN_REGULAR = frozenset({"human", "german", "roman", "ottoman", "talisman", "caiman", "shaman"})
_MEN_ONE = frozenset({"specimen", "ramen", "abdomen", "stamen", "omen", "regimen", "amen", "semen", "hymen"})
_DETERMINER = re.compile(r"(?:a|an|the|one|another|each|every|its|his|her|their|my|your|our)\s+(?=\w)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")


def plural(phrase: str) -> str:
    """The simple noun phrase in the plural, without its determiner: "the man" gives "men".

    The last word is inflected. One that is plural already or has no other plural ("glasses", "people", "sheep") stays.

    >>> plural("a baseball glove"), plural("glass"), plural("glasses")
    ('baseball gloves', 'glasses', 'glasses')
    """
    phrase = phrase.strip()
    while (determiner := _DETERMINER.match(phrase)) is not None:
        phrase = phrase[determiner.end() :]
    words = list(_WORD.finditer(phrase))
    if not words:
        return phrase
    last = words[-1]
    return phrase[: last.start()] + _plural_word(last.group()) + phrase[last.end() :]


def lemma(noun: str) -> str:
    """The form two spellings of a noun are compared by: lower case, singular ("Buses" and "bus" give "bus")."""
    return _singular_lower(noun.strip().lower())


@lru_cache(maxsize=65536)
def _singular_lower(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word.endswith("men") and word not in _MEN_ONE:
        return word[:-3] + "man"
    if len(word) < 3 or word[-1] != "s" or word.endswith("ss") or word[-2].isspace():
        return word
    if word in _ENDS_IN_S or word in _PLURAL_ONLY or word in _NOT_A_NOUN:
        return word
    if word.endswith("es") and (
        word[:-2] in _ENDS_IN_S or word.endswith(("sses", "zzes", "xes", "ches", "shes", "oes"))
    ):
        one = word[:-2]
    elif word.endswith("ies") and len(word) > 4:
        one = word[:-3] + "y"
    else:
        one = word[:-1]
    return _SINGULAR.get(one, one)


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in _IRREGULAR:
        return _in_case_of(word, _IRREGULAR[lower])
    is_one = lower in _ENDS_IN_S or lower.endswith("ss") or not lower.endswith("s")
    if not is_one or not lower.isascii() or not lower.isalpha() or lower in _UNCHANGED or lower in _SINGULAR:
        return word
    if lower.endswith("man") and lower not in _MAN_REGULAR:
        many = lower[:-3] + "men"
    elif lower.endswith("men") and lower not in _MEN_ONE:
        many = lower
    elif lower.endswith(("s", "x", "ch", "sh", "z")):
        many = lower + "es"
    elif lower.endswith("y") and lower[-2:-1] not in ("", "a", "e", "i", "o", "u"):
        many = lower[:-1] + "ies"
    else:
        many = lower + "s"
    return _in_case_of(word, many)


def _in_case_of(pattern: str, word: str) -> str:
    if len(pattern) > 1 and pattern.isupper():
        return word.upper()
    return word.capitalize() if pattern[:1].isupper() else word
