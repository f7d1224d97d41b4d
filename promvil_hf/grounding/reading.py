# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What each phrase of an expression asks for, in parts that boxes can answer: a noun, qualities, choices, relations.

`readings(decompose("the second man from the left without a hat"))` gives a noun (man), a place (second from the left) and a
denied relation (wearing) to one more reading (hat). Words that went into none of these are named in `unread`. Text only.
"""

import re
from dataclasses import dataclass, field, replace

from promvil_hf.grounding.relations import RELATIONS, Relation
from promvil_hf.grounding.wordings import relation_of
from promvil_hf.inflection import lemma
from promvil_hf.nesting import Nesting, Place, decompose, lexicon, places
from promvil_hf.nesting.places import NEAREST
from promvil_hf.nesting.tags import ADJ, DET, DIR, NOUN, NUM, PARTICIPLE, PRON, VERB, tag


COLOURS = frozenset(
    """red orange yellow green blue purple pink brown black white gray grey tan beige maroon teal turquoise navy golden
    blond""".split()
)
SIZES = {  # word: (which measure, which end of it, how strictly)
    **dict.fromkeys("biggest largest hugest".split(), ("area", 1, 2)),
    **dict.fromkeys("bigger larger big large huge giant gigantic enormous".split(), ("area", 1, 1)),
    **dict.fromkeys("smallest tiniest littlest".split(), ("area", -1, 2)),
    **dict.fromkeys("smaller small tiny little littler".split(), ("area", -1, 1)),
    **dict.fromkeys("tallest highest".split(), ("height", 1, 2)),
    **dict.fromkeys("taller tall".split(), ("height", 1, 1)),
    **dict.fromkeys("shortest".split(), ("height", -1, 2)),
    **dict.fromkeys("shorter short".split(), ("height", -1, 1)),
    **dict.fromkeys("widest longest fattest".split(), ("width", 1, 2)),
    **dict.fromkeys("wider longer wide long fat".split(), ("width", 1, 1)),
}
_NUMBERS = {word: number for number, word in enumerate("one two three four five six seven eight nine ten".split(), 1)}
_NAMES = frozenset({"hot dog", "potted plant", "stop sign"})
_BEFORE_NOUN = (ADJ, NUM, DET, DIR, PARTICIPLE)
_TO_NEAREST = frozenset("closest nearest closer nearer farthest furthest away".split())
_SAID_OF_PERSONS = frozenset("he she him her who someone somebody anyone everyone i you they them".split())
_CLAUSES = frozenset(("", "that", "which", "whom", "who", "where"))
_SPOKEN = lexicon.DETERMINERS | lexicon.AUXILIARIES | lexicon.BE | lexicon.RELATIVES | lexicon.CONJUNCTIONS
_SPOKEN |= lexicon.POSSESSIVES | lexicon.PRONOUNS | frozenset("of , . - / 's there".split())


@dataclass(frozen=True, slots=True)
class Link:
    """A relation to one reading, or for "between" to two; `denied` where it must not hold."""

    relation: Relation
    to: tuple[int, ...]
    words: str
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One phrase. `among` is the reading whose things it chooses from ("the bigger of the two elephants")."""

    phrase: str
    noun: str
    described: str  # the noun with its qualities, for detectors that read them
    head: str
    colours: tuple[str, ...] = ()
    denied_colours: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()  # that no box shows: for detectors that read them
    places: tuple[Place, ...] = ()
    denied_places: tuple[Place, ...] = ()
    links: tuple[Link, ...] = ()
    count: int = 0  # 0: not said
    is_plural: bool = False
    among: int | None = None
    unread: tuple[str, ...] = ()


def readings(nesting: Nesting) -> tuple[Reading, ...]:
    """One for each phrase of the nesting, in its order, and behind them what is denied."""
    return tuple(_Reader(nesting).read())


def unread(nesting: Nesting) -> tuple[Nesting, tuple[Reading, ...]]:
    """The whole expression as one phrase, of which only the head noun is read: what a detector by itself is asked for."""
    text, top = nesting.text, nesting.top
    whole = replace(top, text=text, level=1, span=(0, len(nesting.tokens)), chars=(0, len(text)), anchors=(), relations=())
    read = readings(nesting)[len(nesting.phrases) - 1]
    part = Reading(text, read.noun, text, read.head, count=read.count, is_plural=read.is_plural)
    return replace(nesting, phrases=(whole,)), (part,)


@dataclass(slots=True, eq=False)
class _Reader:
    nesting: Nesting
    is_denied: bool = False  # it is what another phrase denies, and denies nothing itself
    words: list[str] = field(init=False)
    tags: list[str] = field(init=False)
    found: list[Reading] = field(default_factory=list)
    extra: list[Reading] = field(default_factory=list)

    def __post_init__(self):
        text = self.nesting.text
        self.words = [text[start:end].lower() for start, end in self.nesting.tokens]
        self.tags = tag(self.words)

    def read(self) -> list[Reading]:
        places_of: dict[int, list[Place]] = {}
        for place in places(self.nesting):
            places_of.setdefault(place.phrase, []).append(place)
        for index in range(len(self.nesting.phrases)):
            self.found.append(self._phrase(index, places_of.get(index, [])))
        return self.found + self.extra

    def _tokens(self, chars: tuple[int, int]) -> set[int]:
        return {i for i, (start, end) in enumerate(self.nesting.tokens) if chars[0] <= start and end <= chars[1]}

    def _phrase(self, index: int, phrase_places: list[Place]) -> Reading:
        phrase = self.nesting.phrases[index]
        inner = {i for anchor in phrase.anchors for i in range(*self.nesting.phrases[anchor].span)}
        outer = [i for i in range(*phrase.span) if i not in inner]
        head = self._head(phrase.head, outer)
        start = head
        while start - 1 in outer and (self.tags[start - 1] == NOUN or self._is_name(start - 1, head)):
            start -= 1
        noun = " ".join([*self.words[start:head], _one(self.words[head])]) if head >= 0 else ""
        if head >= 0 and (self.tags[head] == PRON or noun in _SAID_OF_PERSONS):
            noun = "person" if self.words[head] in _SAID_OF_PERSONS else ""
        first = start
        while first - 1 in outer and (self.tags[first - 1] in _BEFORE_NOUN or self._joins_qualities(first - 1)):
            first -= 1
        read = set(range(start, head + 1)) if head >= 0 else set()
        denials = [] if self.is_denied else [i for i in outer if self.words[i] in lexicon.DENIES or self.words[i] == "no"]
        of_places = {i: place for place in phrase_places for i in self._tokens(place.chars)}
        qualities = [i for i in range(first, start) if i not in of_places]
        among, links, used = self._links(index, outer, noun or phrase.head, of_places, head)
        read |= used | set(of_places) | set(qualities)
        if among is not None:
            noun = self.found[among].noun
            qualities.append(head)
        is_before = bool(denials) and denials[0] < first
        colours = tuple(self.words[i] for i in qualities if self.words[i] in COLOURS)
        behind = [] if is_before or not denials else self._denied(denials, outer, read, noun or phrase.head, phrase.span[1])
        read |= set(denials) | {i for _, taken in behind for i in taken}
        trailing = tuple(self.words[i] for i in outer if i not in read and self.words[i] in COLOURS)
        said = [self.words[i] for i in qualities if self.tags[i] == ADJ and self.words[i] not in SIZES and i != head]
        return Reading(
            phrase=phrase.text,
            noun=noun,
            described=" ".join([*said, noun]),
            head=self.words[head] if head >= 0 else phrase.head,
            colours=() if is_before else colours + trailing,
            denied_colours=colours if is_before else (),
            sizes=tuple(self.words[i] for i in sorted({*qualities, *outer}) if self.words[i] in SIZES),
            qualities=tuple(word for word in said if word not in COLOURS),
            places=tuple(place for place in phrase_places if not self._denies(denials, place)),
            denied_places=tuple(place for place in phrase_places if self._denies(denials, place)),
            links=tuple(links) + tuple(link for link, _ in behind),
            count=next((_NUMBERS[self.words[i]] for i in qualities if self.words[i] in _NUMBERS), 0),
            is_plural=head >= 0 and _one(self.words[head]) != self.words[head],
            among=among,
            unread=self._unread(outer, read),
        )

    def _is_name(self, i: int, head: int) -> bool:
        """ "Parking meter", "hot dog": no quality, but a part of the name."""
        gerund = lexicon.GERUND_COMPOUNDS.get(self.words[i], ())
        return self.words[head] in gerund or f"{self.words[i]} {_one(self.words[head])}" in _NAMES

    def _joins_qualities(self, i: int) -> bool:
        """ "black and white cat"."""
        return self.words[i] == "and" and self.tags[i - 1 : i] == [ADJ]

    def _head(self, head: str, outer: list[int]) -> int:
        """Its place among the words of the phrase that belong to no inner one."""
        last = head.lower().split()[-1] if head else ""
        found = [i for i in outer if self.words[i] == last or self.words[i] == head.lower()]
        return found[0] if found else -1

    def _links(self, index: int, outer: list[int], noun: str, of_places: dict[int, Place], head: int):
        """What the phrase may be chosen from, its relations, and the words they took."""
        phrase, links, used, among = self.nesting.phrases[index], [], set(), None
        between: list[int] = []
        is_choice = head >= 0 and (self.tags[head] in (ADJ, NUM) or self.words[head] in ("one", "ones"))
        for anchor, words in zip(phrase.anchors, phrase.relations):
            target = self.nesting.phrases[anchor]
            tied = self._relation_tokens(words, target.span, outer)
            used |= tied
            is_many = self.found[anchor].is_plural and words.lower() in ("in", "from", "between")
            from_many = is_many or words.lower().split()[-1:] == ["of"]
            if is_choice and among is None and from_many:
                among = anchor
                continue
            if any(self.words[i] in _TO_NEAREST for i in tied):
                links.append(Link(NEAREST_TO, (anchor,), words))
                continue
            relation, behind = self._clause(words, target.span[1], outer, noun, self.found[anchor], of_places)
            used |= behind
            denied = any(word in lexicon.DENIES or word == "no" for word in words.lower().split())
            is_second = len(between) == 1 and words.lower() in ("and", "&", ",")  # "between the car" and here "and the dog"
            if is_second or (relation.name == "between" and not self.found[anchor].is_plural):
                between.append(anchor)
                if len(between) < 2:
                    continue
                links.append(Link(RELATIONS["between"], tuple(between[-2:]), words, denied))
                continue
            links.append(Link(relation, (anchor,), words, denied))
        if len(between) == 1:
            links.append(Link(RELATIONS["near"], (between[0],), "between"))
        return among, links, used

    def _clause(self, words: str, end: int, outer: list[int], noun: str, anchor: Reading, of_places) -> tuple[Relation, set[int]]:
        """The relation of an anchor; of a clause about it ("that the man is holding") the other way round."""
        behind: list[int] = []
        i = end
        while i in outer and i not in of_places:
            behind.append(i)
            i += 1
        if words.lower() in _CLAUSES and any(self.tags[i] in (VERB, PARTICIPLE) for i in behind):
            said = relation_of(" ".join(self.words[i] for i in behind), anchor.noun, noun)
            return said.inverse, set(behind)
        return relation_of(words, noun.split()[-1] if noun else "", anchor.head), set()

    def _relation_tokens(self, words: str, span: tuple[int, int], outer: list[int]) -> set[int]:
        """Where the words that tie an anchor stand: before it, or for an owner behind it."""
        if words.startswith(("'", "’")):
            return {span[1]} & set(outer)
        count = len(re.findall(r"[\w'’/-]+", words))
        return {i for i in range(span[0] - count, span[0]) if i in outer} if count else set()

    def _denies(self, denials: list[int], place: Place) -> bool:
        """ "Not on the right", but of "not wearing a hat on the right" only the hat."""
        first = min(self._tokens(place.chars), default=0)
        return any(i < first and NOUN not in self.tags[i:first] for i in denials)

    def _denied(self, denials: list[int], outer: list[int], read: set[int], noun: str, end: int) -> list[tuple[Link, set[int]]]:
        """ "without a hat", "not on the bench": what is said not to hold, read as if it was said to."""
        links = []
        for first in denials:
            rest = []
            i = first + 1
            while i in outer and i < end and i not in read and i not in denials:
                rest.append(i)
                i += 1
            if not rest:
                continue
            lead = "with " if self.words[first] in ("no", "without") else ""
            said = _Reader(decompose(f"{noun} {lead}{' '.join(self.words[i] for i in rest)}"), is_denied=True)
            inner = said.read()
            top = inner[len(said.nesting.phrases) - 1]
            offset = len(self.nesting.phrases) + len(self.extra)
            if not top.links:
                continue
            self.extra += [_moved(one, offset) for one in inner]
            for link in top.links:
                to = tuple(place + offset for place in link.to)
                links.append((Link(link.relation, to, f"{self.words[first]} {link.words}", not link.denied), {first, *rest}))
        return links

    def _unread(self, outer: list[int], read: set[int]) -> tuple[str, ...]:
        left = [i for i in outer if i not in read and self.words[i] not in _SPOKEN and self.tags[i] != DIR]
        used = {i for i in left if self.words[i] in SIZES or self.words[i] in COLOURS or self.words[i] in lexicon.IMAGE_WORDS}
        used |= {i for i in left if self.words[i] in lexicon.PREPOSITIONS or self.words[i] in ("side", "hand", "far")}
        return tuple(self.words[i] for i in left if i not in used)


def _one(noun: str) -> str:
    """In the singular; what is worn in pairs stays as it is ("glasses" are no glass)."""
    return noun if noun in lexicon.OF_EITHER or noun in lexicon.CLOTHING else lemma(noun)


NEAREST_TO = Relation(NEAREST, RELATIONS["near"].measure)


def _moved(reading: Reading, offset: int) -> Reading:
    links = tuple(Link(link.relation, tuple(to + offset for to in link.to), link.words, link.denied) for link in reading.links)
    return replace(reading, links=links, among=None if reading.among is None else reading.among + offset)
