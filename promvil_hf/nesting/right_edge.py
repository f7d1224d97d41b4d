# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which phrase on the right edge of the tree a relation belongs to: who can wear a hat, what stands on a table.

Touches nothing but the lexicon and the tags.
"""

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.kinds import ANIMATE, BODY, CLOTHES, HELD, PERSON, THING, VEHICLE
from promvil_hf.nesting.levels import Node
from promvil_hf.nesting.tags import ADJ, COMMA, CONJ, DIR, OWNER, PARTICIPLE, PREP, PRON, VERB, base_of


_BODY_OR_CLOTHES = frozenset({BODY, CLOTHES})
_PERSON = frozenset({PERSON})
_VEHICLE = frozenset({VEHICLE})
_REACH = 24  # phrases on the right edge that one relation may look back over
_DONE_BY_HAND = frozenset("wear hold carry ride read use drive throw swing".split())
_PREFERS_LIVING = frozenset("sit stand lie lay lean face rest".split())
_NOT_OF_BODY = _DONE_BY_HAND | frozenset("sit stand walk look smile run play".split())
_PARTICLES = frozenset("off up out down away".split())
_FILLED = lexicon.CONTAINERS | frozenset("fork spoon hand hands mouth table shelf cart".split())
_NEAR = frozenset("next beside near by nearby".split())
_FURNITURE = frozenset("table desk counter countertop shelf tray stove bench bed couch".split())
_IN_HAND = frozenset(
    "remote controller phone cellphone camera racket racquet bat umbrella toothbrush book newspaper laptop frisbee".split()
)
_OF_CONTAINERS = frozenset("lid cap label handle straw spoon fork knife tong tongs ladle chopstick".split())
_SHOWS = frozenset("picture photo photograph painting drawing reflection shadow image statue sticker mural".split())
_TABLES = frozenset("table desk counter countertop plate tray".split())
_HAS = frozenset("has have had having".split())
_UTENSILS = frozenset("knife fork spoon chopsticks".split())
_PATHS = frozenset("down along across through".split())
_MOVES = ANIMATE | _VEHICLE
_NOT_OF_PLACES = frozenset("wrap dress wear hold carry drape clothe".split())
_CARRYING = frozenset(
    "wearing holding carrying wears holds carries riding rides using swinging throwing catching".split()
)


class RightEdge(list[Node]):
    """The phrases that a later one can hang on, root first. Places on it are indices; `last` is the lowest that counts."""

    def __init__(self, words: list[str], tags: list[str]):
        super().__init__()
        self.words, self.tags = words, tags

    def widen(self, place: int, end: int) -> None:
        """Let the phrase at a place reach to `end`, and make it the last one of the edge."""
        self[place].end = max(self[place].end, end)
        del self[place + 1 :]

    def find(self, kinds: frozenset[str], last: int) -> int:
        """The lowest place on the edge that holds one of `kinds`, -1 for none; it looks no further than a sentence
        ever reaches.
        """
        return next((i for i in range(last, max(last - _REACH, -1), -1) if self[i].kind in kinds), -1)

    def nearest(self, kinds: frozenset[str], last: int) -> int:
        found = self.find(kinds, last)
        return last if found < 0 else found

    def actor(self, actions: list[int], last: int, has_object: bool) -> int:
        """Who does it: a living being wears and holds, anything hangs and covers."""
        last = self._shared(last)
        if actions and self.words[actions[0]] == "missing":
            return last
        if last > 0 and self._is_purpose(last):
            last -= 1  # "a tanker meant to carry oil parked by a wall"
        if actions and self._acts_itself(last) and not any(base_of(self.words[i]) in _NOT_OF_BODY for i in actions):
            return last
        is_owned = self.words[self[last].start] in lexicon.POSSESSIVES
        if actions and not has_object and is_owned and self.words[actions[0]].endswith("ed"):
            return last  # "the bird with its head turned to the side"
        bases = [base_of(self.words[i]) for i in actions]
        if any(base in _DONE_BY_HAND for base in bases):
            index = self.find(_PERSON, last)
            if index >= 0:
                return index
        if any(base in lexicon.AGENT_VERBS or not base for base in bases):
            index = self.find(_MOVES if self[last].kind in _VEHICLE else ANIMATE, last)
            if index < 0:
                index = self.nearest(_VEHICLE, last)
            return 0 if index == last and self._is_place(last) else index
        if self._is_place(last) and any(base in _NOT_OF_PLACES for base in bases):
            return self.nearest(ANIMATE, last)
        if self[last].kind in _BODY_OR_CLOTHES or any(base in _PREFERS_LIVING for base in bases):
            index = self.find(ANIMATE, last)
            if index >= 0:
                return index
            if last > 0 and self._holds_up(last):
                return last - 1  # "a glass on a table sitting next to a plate"
            if has_object and last > 0 and self.words[self[last].relation[0]] == "with":
                return last - 1
        return last

    def agreeing(self, behind: list[str], last: int) -> int:
        """ "A pizza with leaves on top that is ...": the lowest phrase that "is", or "are", can be said of; an order is said of
        what has it, not of its parts.
        """
        index = last
        if behind[0] in lexicon.OF_ONE or behind[0] in lexicon.OF_MANY:
            while index >= 0 and not self._agrees(index, behind[0] in lexicon.OF_MANY):
                index -= 1
            index = last if index < 0 else index
        is_had = index > 0 and self.words[self[index].relation[1] - 1] == "with"
        return index - 1 if is_had and any(word in lexicon.ORDERS for word in behind) else index

    def _agrees(self, place: int, is_of_many: bool) -> bool:
        head = self.words[self[place].head]
        return (lemma(head) != head) is is_of_many or head in lexicon.OF_EITHER or self[place].joined

    def holder(self, gap: list[int], node: Node | None, last: int) -> int:
        """What a preposition belongs to."""
        words, tags = self.words, self.tags
        first = next((words[i] for i in gap if tags[i] == PREP), "")
        is_said_of = tags[gap[0]] == ADJ and words[gap[0]] not in lexicon.ORDERS
        if first == "of" and self._shows_elsewhere(last):
            return last - 1  # "a picture on a wall of a dog"
        if first == "of" or is_said_of or (first == "full" and words[self[last].head] in _FILLED):
            return last  # "a spoon full of soup", "slices visible under the cheese"
        if first == "except":
            return 0
        if node is None:
            return self._holder_of_place(gap, first, last)
        if last > 0 and first == "with" and words[self[last].relation[1] - 1] in _HAS:
            return last - 1  # "a van that has black doors with a number"
        if last > 0 and first == "with" and words[self[last].head] in _UTENSILS:
            return last - 1
        if first == "with" and lemma(words[node.head]) in lexicon.MARKS and self[last].kind not in ANIMATE:
            return last - 1 if last > 0 and self._is_done_to(last) and self[last].kind != CLOTHES else last
        if first == "for" and node.start == node.head and node.kind == THING:
            return 0  # "a plane in the airport for repair"
        if last > 0 and first == "along" and any(words[i] == "with" for i in gap):
            return last - 1  # "posing for a photo along with a woman"
        if last > 0 and self._is_content(last) and (first != "with" or lemma(words[node.head]) in _OF_CONTAINERS):
            return last - 1  # "a bottle of oil with a red lid"
        if first == "on" and node.kind == BODY:  # "a shirt and a pillow on his lap", "carrying a child on her back"
            return last - 1 if last > 0 and self[last].kind in ANIMATE and self._is_done_to(last) else last
        if last > 1 and first == "in" and node.kind == BODY and self[last].joined:  # "a hat and a phone in her hand"
            return last if self[last - 1].kind in _BODY_OR_CLOTHES else last - 2
        if last > 0 and first == "to" and node.kind == BODY and self._is_done_to(last):
            return last - 1  # "holding a phone to her ear"
        if last > 0 and first in ("at", "in", "on") and node.kind not in _BODY_OR_CLOTHES:
            if "between" in words[slice(*self[last].relation)]:
                return last - 1  # "standing between two players at a court"
        last = self._shared(last)
        is_order = words[gap[0]] in lexicon.ORDERS and self[last].kind not in ANIMATE
        if last > 0 and (first in _NEAR or is_order) and self._is_at_place(last):
            return last - 1  # "a dog laying in the straw next to a cat", "a bottle on a table next to a plate"
        if first == "by" and last > 0 and self._is_place(last) and self.tags[self[last].relation[0]] == PARTICIPLE:
            return last - 1  # "pulled on the water by a kite"
        if last > 0 and first == "by":
            if "by" in words[slice(*self[last].relation)] or (node.kind != BODY and self._is_done_to(last)):
                return last - 1  # "leading a cow by a rope"
        if last > 0 and first in ("into", "onto") and tags[self[last].relation[1] - 1] in (PARTICIPLE, VERB):
            return last - 1  # "putting a cake into an oven"
        if last > 0 and first == "on" and self[last].kind == PERSON and words[node.head] in _TABLES:
            return last - 1  # "a plate in front of the woman on the table"
        if first == "at" and (self[last].kind == BODY or words[self[last].head] == "back"):
            return self.nearest(ANIMATE, last)  # "carrying a child on her back at the zoo"
        if first in _PATHS and words[node.head] in lexicon.PLACES:
            return self.nearest(_MOVES, last)
        if last > 0 and first == "with" and base_of(words[self[last].relation[1] - 1]) == "play":
            return last - 1  # "playing tennis with a racket"
        if first in ("with", "without") or (first == "in" and node.kind == CLOTHES):
            if self._is_place(last) and node.kind in _BODY_OR_CLOTHES | {HELD}:
                return self.nearest(ANIMATE, last)
            if self._is_place(last) and node.kind in _MOVES and self.find(ANIMATE, last) < 0:
                return max(last - 1, 0)
            if last > 0 and words[node.head] in _IN_HAND and self._is_at_place(last):
                return last - 1  # "a man sitting on a sofa with a remote"
            of_the_living = node.kind in _BODY_OR_CLOTHES or node.kind in ANIMATE or self[last].kind in _BODY_OR_CLOTHES
            return self.nearest(ANIMATE, last) if of_the_living else last
        if last > 0 and node.kind not in _BODY_OR_CLOTHES and self._is_carried(self[last]):
            is_part = words[node.start] in ("the", "its") and words[node.head] not in lexicon.SURFACES
            if not (is_part and self[last - 1].kind not in ANIMATE and first in ("on", "in", "at")):
                return last - 1  # "a laptop with a prompt on the screen": the screen is the laptop's own
        return last

    def _holder_of_place(self, gap: list[int], first: str, last: int) -> int:
        """What words without a thing belong to: "on the left", "inside", "off"."""
        words, tags = self.words, self.tags
        if any(words[i] in lexicon.TIMES or (words[i] in lexicon.IMAGE_WORDS and first == "in") for i in gap):
            return 0
        on_side = any(tags[i] == DIR or words[i] in lexicon.ORDERS for i in gap)
        if last > 0:
            if tags[gap[0]] == OWNER:
                return last - 1  # "the chair to the woman 's right"
            if self._is_done_to(last) and all(words[i] in _PARTICLES for i in gap):
                return last - 1  # "shearing the wool off"
            if tags[gap[-1]] == PRON and self[last].kind == CLOTHES:
                return self.nearest(ANIMATE, last)  # "with a woman wearing a dress behind it"
            if self[last].joined and (tags[gap[-1]] == PRON or words[gap[-1]] == "inside"):
                return max(last - 2, 0)  # "with a cup and a plate in it"
            if self._is_content(last):
                return last - 1  # "a bowl of soup on the left"
            if self._is_place(last) and any(tags[i] == DIR for i in gap):
                return last - 1
        return self.nearest(ANIMATE, last) if self[last].kind in (CLOTHES, HELD, BODY) and on_side else last

    def _shows_elsewhere(self, place: int) -> bool:
        """Whether it only says where a picture or a reflection is: "a picture on a wall"."""
        if place < 1 or lemma(self.words[self[place - 1].head]) not in _SHOWS or self.words[self[place].start] == "the":
            return False
        return self.words[self[place].relation[1] - 1] in ("on", "in")

    def _is_done_to(self, place: int) -> bool:
        """Whether somebody does something to it: "leading a cow"."""
        last_word = self[place].relation[1] - 1
        return self.tags[last_word] in (PARTICIPLE, VERB) and base_of(self.words[last_word]) in lexicon.AGENT_VERBS

    def _is_purpose(self, place: int) -> bool:
        """ "Meant to carry oil": what is said behind it is said of what is meant so."""
        tied = range(*self[place].relation)
        return any(self.words[i] == "to" and self.tags[i - 1] == PARTICIPLE and self.tags[i + 1] == VERB for i in tied[1:-1])

    def _acts_itself(self, place: int) -> bool:
        """ "With its paw touching a ball": a part of the body, and whose it is."""
        node = self[place]
        is_had = self.words[node.start] in lexicon.POSSESSIVES and self.words[node.relation[1] - 1] == "with"
        return place > 0 and node.kind == BODY and is_had

    def is_whole(self, place: int) -> bool:
        """Whether a part of it is what the phrase above names: "the half of the cake"."""
        node = self[place]
        is_of = place > 0 and self.words[node.relation[0]] == "of" and node.kind not in ANIMATE
        return is_of and self.words[self[place - 1].head] in lexicon.PARTS

    def _is_place(self, place: int) -> bool:
        return self.words[self[place].head] in lexicon.PLACES

    def _is_content(self, place: int) -> bool:
        return self.words[self[place - 1].head] in lexicon.CONTAINERS and self.words[self[place].relation[0]] == "of"

    def _is_at_place(self, place: int) -> bool:
        """Whether it only says where a living being, or what stands on furniture, is."""
        is_in = self.words[self[place].relation[1] - 1] in ("in", "on", "at")
        return is_in and (self[place - 1].kind in _MOVES or self.words[self[place].head] in _FURNITURE | lexicon.CONTAINERS)

    def _holds_up(self, place: int) -> bool:
        node = self[place]
        return self.words[node.head] in lexicon.SURFACES and self.words[node.relation[0]] in ("on", "at", "in")

    def _shared(self, last: int) -> int:
        """A modifier behind "a cat and a dog" belongs to both, behind "a dress with long sleeves" to the dress, and behind
        "without the sauce" to nothing that is missing.
        """
        if last > 0 and self.words[self[last].relation[1] - 1] == "without":
            return last - 1
        if last > 0 and self[last - 1].kind == CLOTHES and lemma(self.words[self[last].head]) in lexicon.MARKS:
            return last - 1
        if (
            last > 0
            and self[last].joined
            and not self._is_apart(last)
            and not self[last].children
            and all(child.joined for child in self[last - 1].children)
        ):
            return last - 1
        return last

    def _is_apart(self, place: int) -> bool:
        """Whether a comma parts it from the one thing before it: "white icing , and red berries on the top"."""
        before = self[place].relation[0] - 1
        is_after_comma = self.tags[before] == COMMA and self.tags[before + 1] == CONJ
        return is_after_comma and sum(child.joined for child in self[place - 1].children) == 1

    def _is_carried(self, node: Node) -> bool:
        """Worn, held or had: a place behind it is the place of its carrier."""
        tied = range(*node.relation)
        words = [self.words[i] for i in tied]
        if "with" in words or node.kind == CLOTHES or (bool(words) and words[-1] in _CARRYING):
            return True
        return bool(words) and (
            (words[0] == "of" and node.kind not in ANIMATE)
            or (
                self.tags[tied[-1]] in (PARTICIPLE, VERB)
                and node.kind not in ANIMATE
                and base_of(words[-1]) in lexicon.AGENT_VERBS
            )
        )
