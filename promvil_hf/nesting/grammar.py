# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The rule grammar: tagged words in, a tree of noun phrases out.

One pass from left to right. A chunk is a simple noun phrase; the words between two chunks decide where the
later one hangs on the right edge of the tree (`right_edge`). Directions ("the left",
"front") and counting nouns ("a group of") are no phrases of their own. Touches nothing but the lexicon; linear in the
number of words.
"""

from collections.abc import Iterable

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.chunks import STARTS_CHUNK, Chunk, is_absent, is_part, read_chunk, verb_group
from promvil_hf.nesting.kinds import ANIMATE, BODY, CLOTHES, THING, kind_of
from promvil_hf.nesting.levels import Node, spread_coordination
from promvil_hf.nesting.right_edge import RightEdge
from promvil_hf.nesting.tags import (
    ADJ,
    ADV,
    AUX,
    COMMA,
    CONJ,
    DET,
    NOUN,
    NUM,
    OWNER,
    PARTICIPLE,
    POSS,
    PREP,
    PRON,
    REL,
    STOP,
    THERE,
    VERB,
    WH,
    base_of,
)


_VERBAL = (AUX, VERB, PARTICIPLE)


def read_tree(words: list[str], tags: list[str]) -> Node:
    """The noun phrases of one expression as a tree; its root stands for the whole expression."""
    return _Reader(words, tags).read()


class _Reader:
    """The right edge of the growing tree (`edge`, root first) and the words since the last phrase (`gap`)."""

    def __init__(self, words: list[str], tags: list[str]):
        self.words, self.tags = words, tags
        self.edge = RightEdge(words, tags)
        self.gap = 0  # first word after the last phrase that is settled
        self.subject: Node | None = None  # of a clause whose verb has not come yet
        self.is_fronted = False  # the root so far is only a place: "on the table is a cup"
        self.is_question = False
        self.asks_yes_no = False
        self.has_predicate = False
        self.fallback = -1

    def read(self) -> Node:
        words, tags, count = self.words, self.tags, len(self.words)
        i = self._open_question()
        direction = False
        while i < count:
            now = tags[i]
            if now in STARTS_CHUNK or (words[i] in lexicon.INTENSIFIERS and tags[i + 1 : i + 2] == [ADJ]):
                chunk = read_chunk(words, tags, i)
                followed_by_of = chunk.end < count and words[chunk.end] == "of"
                if chunk.head < 0:
                    if i > 1 and words[i - 1] == "in" and self.gap == i - 1 and self.edge and tags[i] == ADJ:
                        self.edge[-1].end = self.gap = i = chunk.end  # "the woman in gray"
                        continue
                    if not self.edge and i == 0 and ADJ in tags[: chunk.end]:  # "tallest in the group"
                        chunk = Chunk(i, chunk.end, chunk.end - 1, False, True)
                        i = self._add(chunk)
                        continue
                    if direction:
                        self._settle(i)
                        direction = False
                elif (
                    chunk.is_thing
                    or (not self.edge and i == 0 and (not followed_by_of or is_part(words, tags, chunk)))
                    or (followed_by_of and self.edge and tags[i - 1] == CONJ and is_part(words, tags, chunk))
                ):
                    if direction and not (words[i - 1] == "of" or tags[i - 1] in (CONJ, PREP)):
                        self._settle(i)
                    i = self._add(chunk)
                    direction = False
                    continue
                else:
                    direction = True
                    self.fallback = chunk.head
                i = chunk.end
                continue
            if now == STOP:
                self._settle(i, is_last=i == count - 1)
                direction = False
                if self.edge:
                    del self.edge[1:]
                self.subject = None
                self.gap = i + 1
            elif direction and now != CONJ and words[i] != "of":
                if not (now == PREP and tags[i - 1] == CONJ):
                    i += now == PRON and words[i - 1] == "of"  # "with a can on top of it"
                    self._settle(i)
                    direction = False
                    continue
            i += 1
        self._settle(count, is_last=True)
        return self._finish()

    # --- questions ---

    def _open_question(self) -> int:
        """Make the question word the root; the index of the first word behind it."""
        words, tags = self.words, self.tags
        count = len(words)
        first = 0
        while first < count and tags[first] == PREP:
            first += 1
        if first >= count or not (tags[first] == WH or (tags[first] == AUX and first == 0)):
            return 0
        self.is_question = True
        self.asks_yes_no = tags[first] == AUX and words[first] in lexicon.BE and tags[first + 1 : first + 2] != [THERE]
        end, head = first + 1, first
        if tags[first] == WH and end < count and tags[end] in STARTS_CHUNK and words[first] not in lexicon.ASKS_ALONE:
            chunk = read_chunk(words, tags, end)
            if chunk.head >= 0 and tags[end] not in (DET, POSS):
                end, head = chunk.end, chunk.head
        self.edge.append(Node(0, end, head))
        self.gap = end
        return end

    def _finish(self) -> Node:
        if not self.edge:
            head = (
                self.fallback
                if self.fallback >= 0
                else max((i for i, now in enumerate(self.tags) if now not in (STOP, COMMA)), default=0)
            )
            return Node(0, len(self.words), head)
        root = self.edge[0]
        if self.asks_yes_no and not self.has_predicate:
            self._lift_predicate(root)
        spread_coordination(root)
        return root

    def _lift_predicate(self, root: Node) -> None:
        """ "Is the man [left of the car]?": without another predicate, the subject's last modifier is asked about."""
        if len(root.children) != 1:
            return
        subject = root.children[0]
        if subject.children and subject.children[-1].relation[0] >= subject.end and not subject.children[-1].joined:
            root.children.append(subject.children.pop())

    # --- adding a phrase ---

    def _add(self, chunk: Chunk) -> int:
        """Hang the phrase that begins with `chunk` on the tree; the index of the first word behind it."""
        words, tags, count = self.words, self.tags, len(self.words)
        start = chunk.start
        node = self._node(chunk)
        end = chunk.end
        while end + 1 < count and tags[end] == OWNER and tags[end + 1] in STARTS_CHUNK:
            owned = read_chunk(words, tags, end + 1)
            if owned.head < 0:
                break
            if words[owned.head] in ("left", "right") and not owned.is_thing and self.edge:
                break
            if not owned.is_thing and (self.edge or words[owned.head] not in lexicon.BODY_SIDES):
                end = node.end = owned.end  # "the elephant 's side" is where the elephant is
                break
            owner = node
            owner.relation = (end, end + 1)
            node = Node(end, owned.end, owned.head, kind_of(words[owned.head]), children=[owner])
            end = owned.end
        node.relation = (self.gap, start)
        is_quality = (
            self.is_question
            and end + 1 >= count
            and not chunk.has_determiner
            and chunk.head == start
            and lemma(words[start]) == words[start]
            and start > self.gap
            and self._only_is(range(self.gap, start))
        )
        if not is_quality:  # "What food is not tasty?": an unknown word behind "is"
            self._attach(node, start, end)
        self.gap = end
        return end

    def _node(self, chunk: Chunk) -> Node:
        """The phrase of a chunk, with its owner apart where the apostrophe is missing: "birds wings", "mans hand",
        "man hand".
        """
        words, tags, head = self.words, self.tags, chunk.head
        node = Node(chunk.start, chunk.end, head, BODY if words[head] == "back" else kind_of(words[head]))
        for i in range(chunk.start, head):
            if (
                tags[i] == NOUN
                and kind_of(words[i]) in ANIMATE
                and words[i] not in lexicon.MEASURES
                and (lemma(words[i]) != words[i] or (i + 1 == head and node.kind == BODY))
            ):
                node.start = i + 1
                node.children.append(Node(chunk.start, i + 1, i, kind_of(words[i]), (i + 1, i + 1)))
                break
        return node

    def _attach(self, node: Node, start: int, end: int) -> None:
        words, tags, edge = self.words, self.tags, self.edge
        if not edge:
            self._attach_first(node, start)
            return
        for i in range(self.gap + 1, start):
            if tags[i] == COMMA and self._has(range(self.gap, i), PARTICIPLE, PRON):
                self._settle(i)  # "with her tongue sticking out , holding a cup"
            elif tags[i] == PARTICIPLE and (
                tags[i - 1] == PARTICIPLE or (words[i - 1] == "on" and edge[-1].kind == CLOTHES)
            ):
                self._settle(i)  # "with one ear missing sitting on a rug", "with a hat on holding a cup"
            elif tags[i] == PREP and tags[i - 1] == PRON and not self.is_question:
                self._settle(i)  # "with his back to us in a suit"
        node.relation = (self.gap, start)
        gap = list(range(self.gap, start))
        following = tags[end] if end < len(tags) else ""
        if not gap or all(tags[i] == ADV for i in gap):
            self._attach_neighbour(node, following)
            return
        last = tags[gap[-1]]
        if words[gap[-1]] == "while" or (words[gap[-1]] == "as" and following in (AUX, VERB)):
            self._hang(node, 0)
            self.subject = node
            return
        if last in (CONJ, COMMA):
            first = len(gap) - 1
            while first > 0 and tags[gap[first - 1]] in (CONJ, COMMA):
                first -= 1
            if first > 0:
                self._settle(gap[first])
            node.relation = (gap[-1], gap[-1] + 1)
            if words[start] == "no":
                edge.widen(max(len(edge) - 2, 0), end)
            elif words[self.gap - 2] == "no" and tags[start] == DET and node.kind not in ANIMATE:
                self._hang(node, len(edge) - 1)  # "with no shirt and a red cap"
            else:
                self._join(node, is_list=last == COMMA, following=following)
            return
        renewed = next((k for k, i in enumerate(gap) if tags[i] == REL and k > 0 and tags[gap[k - 1]] != PREP), 0)
        if renewed and self._has(gap[:renewed], *_VERBAL):
            self._settle(gap[renewed])  # "... the woman is holding that is red": two clauses
            node.relation = (gap[renewed], start)
            gap = gap[renewed:]
        if self.is_fronted and tags[gap[-1]] in (AUX, THERE) and all(tags[i] in (AUX, THERE, ADV) for i in gap):
            self._replace_root(node)
            return
        index, is_subject = self._owner(gap, node)
        if is_absent(words, tags, gap, start):  # "with no food on it": nothing to find
            index -= edge.is_whole(index)  # "the half of the cake with no fruit"
            edge.widen(max(index, 0), end)
            return
        if any(words[i] in lexicon.SAYING_VERBS for i in gap):  # the words on a sign are no thing
            edge.widen(max(index, 0), end)
            return
        if index < 0:  # "the animal is a cat": the same thing under another name
            edge.widen(0, end)
            edge[0].kind = edge[0].kind if edge[0].kind != THING else node.kind
            edge[0].children.extend(node.children)
            return
        self._hang(node, index)
        if is_subject:
            self.subject = node

    def _attach_first(self, node: Node, start: int) -> None:
        tags = self.tags
        gap = list(range(start))
        actor = next((i for i in gap if tags[i] in (PRON, PARTICIPLE, VERB)), -1)
        acts = any(tags[i] in (PARTICIPLE, VERB) or self.words[i] in ("has", "have", "had") for i in gap)
        located = self._has(gap, PREP) and actor >= 0 and tags[actor] == PRON
        if actor >= 0 and (acts or located) and not self._has(gap, THERE):
            root = Node(0, actor + 1, actor, kind_of("person") if tags[actor] == PRON else THING)
            self.edge.append(root)
            node.relation = (actor if tags[actor] != PRON else actor + 1, start)
            self._hang(node, 0)
            return
        self.is_fronted = bool(gap) and tags[gap[-1]] == PREP and tags[gap[0]] == PREP
        self.edge.append(node)

    def _attach_neighbour(self, node: Node, following: str) -> None:
        """No word between two phrases: a clause without "that", a thing behind a place, or plain apposition."""
        opens_clause = following in _VERBAL
        if self.is_fronted and not opens_clause:
            self._replace_root(node)
        elif self.is_question and not (opens_clause and len(self.edge) > 1):
            self.has_predicate = self.has_predicate or len(self.edge) > 1
            self._hang(node, 0)
        else:
            self._hang(node, len(self.edge) - 1)
            if opens_clause:
                self.subject = node

    def _replace_root(self, node: Node) -> None:
        place = self.edge[0]
        place.relation = (0, place.start)
        node.children.append(place)
        self.edge[:] = [node]
        self.is_fronted = False

    def _hang(self, node: Node, index: int) -> None:
        self.edge[index].children.append(node)
        self.edge[index + 1 :] = [node]

    def _join(self, node: Node, is_list: bool, following: str) -> None:
        """ "and": beside the nearest phrase of the same kind; a second subject with its own verb beside the root."""
        edge = self.edge
        index = len(edge) - 1
        is_alike = node.kind == edge[index].kind and index > 0
        in_clause = is_list or any(above.relation[0] == above.relation[1] for above in edge[1:index])
        goes_on = is_alike and (in_clause if node.kind in ANIMATE else node.kind != THING or not is_list)
        first = edge[index - edge[index].joined]
        is_had = is_list and index > 1 and self.words[first.relation[1] - 1] == "with"
        is_had = is_had and self.words[node.head] != self.words[edge[index - edge[index].joined - 1].head]
        goes_on = goes_on or (is_had and following not in (AUX, VERB))  # "on a plate with rice , beans and corn"
        if edge[0].children and not goes_on and (is_list or following in (AUX, VERB)):
            index = 0
            self.subject = node if following in (AUX, VERB) and not self.is_question else None
        elif edge[index].joined:
            index -= 1
        else:
            index = self.edge.nearest(ANIMATE if node.kind in ANIMATE else frozenset({node.kind}), index)
        if self.is_question and index == 0:
            if len(edge) == 1:
                self._hang(node, 0)
                return
            index = 1
        node.joined = True
        self._hang(node, index)

    def _has(self, places: Iterable[int], *kinds: str) -> bool:
        """Whether a word at one of these places has one of these tags."""
        return any(self.tags[i] in kinds for i in places)

    def _only_is(self, places: Iterable[int]) -> bool:
        """Whether all words at these places are forms of "be" or adverbs."""
        return all(self.words[i] in lexicon.BE or self.tags[i] == ADV for i in places)

    # --- which phrase a relation belongs to ---

    def _owner(self, gap: list[int], node: Node | None) -> tuple[int, bool]:
        """(position on the edge, whether the new phrase is the subject of a clause); -1 for a predicate noun."""
        words, tags, edge = self.words, self.tags, self.edge
        last = len(edge) - 1
        if tags[gap[0]] in (CONJ, COMMA) and len(gap) > 1:
            if words[gap[0]] == "while":
                last = 0
            elif tags[gap[0]] == CONJ and last > 0:
                last = last - 1
            elif tags[gap[0]] == COMMA and (tags[gap[1]] in (PREP, PARTICIPLE) or words[gap[1]] in lexicon.ORDERS | {"being"}):
                last = 0
            gap = gap[1:]
        relative = next((k for k, i in enumerate(gap) if tags[i] == REL), -1)
        actions = [i for i in gap if tags[i] in (PARTICIPLE, VERB)]
        has_finite = self._has(gap, AUX, VERB)
        if relative >= 0:
            behind = gap[relative + 1 :]
            if self._has(behind, *_VERBAL):
                last = self.edge.agreeing([words[i] for i in behind], last)
                if node is not None and not actions and self._has(behind[-1:], AUX, ADV) and words[behind[0]] in lexicon.BE:
                    return 0, False  # "... that is not a baby": said of what the expression names
                if words[gap[relative]] == "who":
                    return self.edge.nearest(ANIMATE, last), False
                return self.edge.actor(actions, last, node is not None), False
            return (self.edge.nearest(ANIMATE, last) if words[gap[relative]] in ("who", "whom") else last), True
        if has_finite:
            said_anew = gap[tags[gap[0]] == CONJ :]
            if gap[0] > 0 and CONJ in (tags[gap[0]], tags[gap[0] - 1]) and said_anew and tags[said_anew[0]] == PRON:
                return 0, False  # "a girl with red hair , and she is holding a cup"
            if self._has(gap, PRON):
                return last, False
            if self.subject in edge:
                index = edge.index(self.subject)
                self.subject = None
                return index, False
            if not self.is_question and self._only_is(gap):
                return -1, False
            if self.is_question and len(edge) > 1:
                self.has_predicate = True
            return 0, False
        if actions:
            if node is None and tags[gap[-1]] == PRON and edge[last].joined:
                return max(last - 2, 0), False  # "with lettuce and ham sticking out of it"
            return self.edge.actor(actions, last, node is not None), False
        return self.edge.holder(gap, node, last), False

    # --- words that belong to no later phrase ---

    def _settle(self, end: int, is_last: bool = False) -> None:
        """Give the words since the last phrase to the one they describe: "the man standing", "the dog on the left"."""
        tags, edge = self.tags, self.edge
        start, self.gap = self.gap, end
        last = end
        while last > start and tags[last - 1] in (COMMA, CONJ, STOP):
            last -= 1
        gap = list(range(start, last))
        if not gap or not edge:
            self.gap = end if edge else start
            return
        if self.is_question and not is_last and tags[gap[-1]] == PREP and self.subject is None:
            self.has_predicate = True  # "What is the cup made of, glass or plastic?"
            del edge[1:]
            return
        if self.is_question and is_last:
            if self.subject not in edge:
                self.has_predicate = self.has_predicate or len(edge) > 1
                return
            gap = gap[: verb_group(tags, gap)]  # the clause ends before the verb of the question
        if self.subject in edge and self._has(gap, *_VERBAL):
            index = max(edge.index(self.subject) - 1, 0)
            self.subject = None
        else:
            index = max(self._owner(gap, None)[0], 0)
            if is_last and not index and self._split_bare_clause(gap):
                return
        edge.widen(index, gap[-1] + 1)

    def _split_bare_clause(self, gap: list[int]) -> bool:
        """ "ground giraffes are standing on": without an object, the last noun of the root is the subject."""
        words, tags, root = self.words, self.tags, self.edge[0]
        base = base_of(words[gap[-1]])
        lacks_object = tags[gap[-1]] == PREP or base in lexicon.NEEDS_OBJECT
        is_finite = any(tags[i] == AUX or (tags[i] == VERB and words[i - 1] != "to") for i in gap)
        if not lacks_object or self._has(gap, REL) or not is_finite:
            return False
        nouns = [i for i in range(root.start, root.end) if tags[i] == NOUN]
        if len(nouns) < 2 or nouns[-1] != root.head or any(not child.joined for child in root.children):
            return False
        start = root.head
        while tags[start - 1] in (ADJ, NUM):
            start -= 1
        subject = Node(start, root.end, root.head, root.kind, (start, start), root.children)
        root.end, root.head = start, max(i for i in nouns if i < start)
        root.children = [subject]
        return True
