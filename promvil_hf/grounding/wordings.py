# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which words name which relation: `relation_of("sitting to the left of", "man", "dog")` is "left of".

Verbs and small words that mean different places for different things ("with", "in", "has") are resolved by the kinds of the
two things. Words that are in no row are taken for nearness, and the relation says so. Text only.
"""

from functools import lru_cache

from promvil_hf.grounding.relations import RELATIONS, UNKNOWN, Relation, wearing
from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.kinds import ANIMATE, BODY, CLOTHES, HELD, VEHICLE, kind_of
from promvil_hf.nesting.tags import base_of, repaired


_ROWS = {  # name of a relation: its wordings, without articles
    "left of": "left of, to left of, on left of, at left of, left side of, left from, to left from, left to",
    "right of": "right of, to right of, on right of, at right of, right side of, right from, right to",
    "above": "above, over, up above, higher than, hanging over, overhead, high above, flying over",
    "below": "below, under, beneath, underneath, lower than, down below, bottom of",
    "on": """on, upon, onto, on top of, atop, ontop, ontop of, top of, up on, on to, across, along, down, up, through, on
        edge of, on side of, side of, on front of, off, throughout, over top of""",
    "in": """in, inside, into, within, inside of, in middle of, middle of, center of, in center of, among, amongst, amid,
        at, in corner of, on inside of, in midst of, in group of, out of""",
    "near": """near, close to, nearby, around corner of, near to, in vicinity of, not far from, to, toward, towards, past,
        and, plus, about""",
    "next to": """next to, beside, besides, by, alongside, adjacent to, by side of, side by side with, to side of, at side of,
        next, along side, along side of, together with, opposite, across from, opposite of""",
    "in front of": "in front of, infront of, infront, front of, before, ahead of, closer than, in foreground of",
    "behind": """behind, in back of, back of, at back of, on back of, beyond, after, in background of, following, past behind""",
    "around": "around, surrounding, encircling, all around, enclosing",
    "touching": """touching, against, attached to, connected to, tied to, leaning on, leaning against, hanging from, hanging off,
        from, stuck to, mounted to, hooked to, fastened to, up against, resting against, chained to, joined to""",
    "holding": """holding, carrying, holding up, holding onto, holding on to, grabbing, gripping, grasping, clutching, with hand
        on, using, swinging, reading, drinking from, eating, drinking, catching, throwing, hugging, petting, feeding,
        kicking, hitting, pulling, pushing, biting, licking, chewing, walking with, playing with, cutting, lifting,
        opening, playing, tossing, talking on, typing on, working on, leading, dragging, reaching for""",
    "part of": "part of, portion of, piece of, belonging to, part, of, 's",
    "has": """has, having, have, had, has on, with, w/, containing, featuring, full of, filled with, topped with, covered
        with, covered in, made of, made from, including, showing, decorated with, loaded with, displaying, consisting
        of""",
    "riding": "riding, riding on, driving, mounting, sitting atop, surfing, skating on, skiing on, riding in",
    "supporting": "supporting, carrying on top, holding up on top",
    "between": "between, in between, betwixt",
}
WORDINGS = {" ".join(wording.split()): name for name, row in _ROWS.items() for wording in row.split(",")}
_LONGEST = max(len(wording.split()) for wording in WORDINGS)

# How high clothes and parts are on whoever has them, 0 for the top: (words, height, spread).
_HEIGHTS = {
    word: (at, spread)
    for words, at, spread in (
        (
            """hat cap helmet beanie hood visor bandana headband headscarf veil turban crown wig glasses sunglasses
            goggles eyeglasses mask earring spectacles
            head face hair eye ear nose mouth horn beard mustache moustache cheek
            tooth forehead ponytail bangs""",
            0.1,
            0.15,
        ),
        ("tie bowtie scarf necklace collar neck chin shoulder backpack", 0.25, 0.15),
        (
            """shirt t-shirt tshirt tee coat jacket sweater sweatshirt hoodie suit vest jersey blouse top tank cardigan blazer
            tuxedo chest arm""",
            0.38,
            0.22,
        ),
        ("pants jeans shorts skirt trunk leggings tights capris slacks khakis trousers knee leg", 0.68, 0.22),
        ("shoe boot sandal sneaker sock ski skis skateboard snowboard foot hoof paw skate slipper", 0.92, 0.2),
    )
    for word in words.split()
}
_CONTAINERS = frozenset(
    "bowl cup plate glass bottle box basket bag vase jar tray pot bucket can mug pan slice piece pile stack".split()
)
_WORN = frozenset("wear dress clothe don sport".split())
_DROPPED = lexicon.AUXILIARIES | lexicon.BE | lexicon.RELATIVES | lexicon.DETERMINERS | lexicon.POSSESSIVES
_DROPPED = (_DROPPED | frozenset("'s 're it its both".split())) - {"has", "have", "had", "having", "another"}
_ADVERBS = lexicon.ADVERBS - frozenset("away apart together overhead right".split())
_BY_KIND = frozenset("with in on of 's has have having had w/ from at".split())
_ATTENTION = frozenset("look watch face stare gaze glance point talk speak listen wave smile play wait".split())
# What is done to a thing by touching it, where no row says more.
_BY_HAND = lexicon.AGENT_VERBS - _ATTENTION - frozenset(
    """walk run jump swim fly laugh show pose leave try attempt think sing shop work move travel go come chase enter
    approach""".split()
)
_PAST_ENDS = ("ed", "en", "n", "ld")


@lru_cache(maxsize=65536)
def relation_of(words: str, subject: str = "", evidence: str = "") -> Relation:
    """The relation that words between two nouns name ("is sitting to the left of"), said of `subject`."""
    plain = _plain(words)
    if words.strip().lower() == "whose":
        return _small_word("has", [], subject, evidence)
    if not plain:
        return UNKNOWN if words.strip() else _by_kind(evidence, subject)
    inverse = _passive(plain, subject, evidence)
    if inverse is not None:
        return inverse
    base = base_of(plain[0])
    if plain[0] == "worn":
        return _worn(subject).inverse
    if base_of(plain[-1]) in _WORN:  # "sitting wearing"
        return _worn(evidence)
    if base in _WORN or (plain[0] in ("in", "with", "has", "have", "having", "w/") and kind_of(evidence) == CLOTHES):
        if kind_of(subject) in ANIMATE or base in _WORN:
            return _worn(evidence)
    wording, start = _wording(plain)
    if wording is None:
        is_by_hand = base_of(plain[-1]) in _BY_HAND and plain[-1].endswith(("ing", "s"))
        return RELATIONS["touching"] if is_by_hand and len(plain) <= 2 else UNKNOWN
    name, before_it = WORDINGS[wording], plain[:start]
    if before_it and not _is_posture(before_it, wording):
        return UNKNOWN
    if wording in _BY_KIND:
        return _small_word(wording, before_it, subject, evidence)
    return RELATIONS[name]


def _plain(words: str) -> list[str]:
    """Without articles, forms of "be" and adverbs: "that is sitting right next to the" gives "sitting next to"."""
    spelled = words.lower().replace("’", "'").replace("' s", "'s").strip(" ,;-")
    tokens = [word for word in map(repaired, spelled.split()) if word not in _DROPPED or word == "'s" == spelled]
    if len(tokens) > 1:  # ", and holding": a list of relations names its last one here
        tokens = [word for word in tokens if word not in ("and", "or", "&", ",", ";", "-")]
    kept = []
    for place, word in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        if word in _ADVERBS or (word.endswith("ly") and word not in lexicon.NOT_ADVERBS):
            continue
        if word == "right" and following not in ("of", "side", "from", "to", "hand"):
            continue
        if word in ("far", "immediate", "very", "hand", "direct", "lefthand", "righthand", "extreme") and following:
            continue
        kept.append({"leftside": "left", "rightside": "right"}.get(word, word))
    if kept[:1] == ["to"] and kept[1:2] in (["left"], ["right"], ["side"]):
        kept = kept[1:]
    return kept


def _wording(words: list[str]) -> tuple[str | None, int]:
    """The longest wording that the words end in, and where it begins; a verb with one, where nothing ends so."""
    for start in range(max(len(words) - _LONGEST, 0), len(words)):
        wording = " ".join(words[start:])
        if wording in WORDINGS:
            return wording, start
    verb = " ".join((f"{base_of(words[0])}", *words[1:])) if words else ""
    for wording in WORDINGS:
        first, *others = wording.split()
        if base_of(first) and " ".join((base_of(first), *others)) == verb:
            return wording, 0
    return None, 0


def _is_posture(words: list[str], wording: str) -> bool:
    """Whether the words before a preposition say how something is there and not what it does to the other thing."""
    bases = {base_of(word) for word in words} - {""}
    if bases & _ATTENTION:
        return False
    known = lexicon.PREPOSITIONS | lexicon.DIRECTIONS
    if wording in ("to", "for", "about", "of"):  # "similar to" and "pinned to" name no place
        return all(word in known for word in words)
    known |= lexicon.ADJECTIVES
    return all(base_of(word) or word in known for word in words) and not (wording == "with" and bases & lexicon.AGENT_VERBS)


def _passive(words: list[str], subject: str, evidence: str) -> Relation | None:
    """ "held by", "worn on", "surrounded by": the other thing does it."""
    if len(words) < 2 or words[-1] != "by" or not (words[-2].endswith(_PAST_ENDS) and base_of(words[-2])):
        return None
    base = base_of(words[-2])
    if base in _WORN:
        return _worn(subject).inverse
    for wording, name in WORDINGS.items():
        if " " not in wording and base_of(wording) == base:
            return RELATIONS[name].inverse
    name = {"surround": "around", "cover": "above", "follow": "behind"}.get(base)
    return RELATIONS[name].inverse if name else None


def _worn(evidence: str) -> Relation:
    at = _HEIGHTS.get(evidence) or _HEIGHTS.get(lemma(evidence))
    return RELATIONS["wearing"] if at is None else Relation("wearing", wearing(*at))


def _small_word(wording: str, before_it: list[str], subject: str, evidence: str) -> Relation:
    """Words that mean other places for other things: a man with a hat, with a racket, with a woman."""
    subject_kind, evidence_kind = kind_of(subject), kind_of(evidence)
    if wording in ("with", "w/", "has", "have", "having", "had"):
        if evidence_kind in (CLOTHES, BODY):
            return _worn(evidence)
        if subject_kind in ANIMATE and evidence_kind == HELD:
            return RELATIONS["holding"]
        if evidence_kind in ANIMATE or (subject_kind in ANIMATE and wording in ("with", "w/")):
            return RELATIONS["near"] if subject_kind in ANIMATE or wording in ("with", "w/") else RELATIONS["has"]
        return RELATIONS["has"]
    if wording == "on" and subject_kind in ANIMATE and evidence_kind == VEHICLE and not before_it:
        return RELATIONS["riding"]
    on_somebody = wording in ("on", "in") and subject_kind == CLOTHES and evidence_kind in ANIMATE | {BODY}
    if on_somebody or (subject_kind == BODY and wording in ("on", "of", "'s", "from", "in")):
        return _worn(subject).inverse if evidence_kind in ANIMATE else RELATIONS["part of"]
    if wording in ("of", "'s") and evidence_kind in ANIMATE and subject_kind in (CLOTHES, HELD):
        return (_worn(subject) if subject_kind == CLOTHES else RELATIONS["holding"]).inverse
    if wording == "of" and subject in _CONTAINERS:
        return RELATIONS["has"]
    if wording == "at":
        return RELATIONS["next to"]
    return RELATIONS[WORDINGS[wording]]


def _by_kind(evidence: str, subject: str) -> Relation:
    """Two nouns side by side without a word: "man hand", "woman red shirt"."""
    subject_kind, evidence_kind = kind_of(subject), kind_of(evidence)
    if subject_kind == BODY and evidence_kind in ANIMATE:
        return _worn(subject).inverse
    if evidence_kind == CLOTHES and subject_kind in ANIMATE:
        return _worn(evidence)
    return UNKNOWN
