# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Key expressions, decompositions and chains against a reader's labels on real rows (docs/labelling.md has the rules).

The labels in `word_labels` are ids and offsets; the texts are not in the repository, and `--data` names their folder. For
each kind of answer and each half: precision and recall of key expressions, and the share of expressions decomposed fully
right, with 95 % intervals over rows.
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.nesting_quality import read_expressions
from promvil_hf.fivl.by_words import key_phrases
from promvil_hf.fivl.extraction import filtered
from promvil_hf.key_expressions import Turn
from promvil_hf.metrics.intervals import bootstrap_interval
from promvil_hf.nesting import tagged_decomposer, tagger
from promvil_hf.nesting.grammar import read_tree
from promvil_hf.nesting.tags import PARTICIPLE, tag
from promvil_hf.nesting.tokens import tokenize


LABELS = Path(__file__).with_name("word_labels")
_ARTICLES = frozenset("""
    a an the his her its their this that these those some any other another each every both all several many various numerous
    few multiple different one
""".split())
MATCHES = ("head", "words")
KINDS = ("conv", "detail", "complex")
_BOXES = re.compile(r" ?\[[\d., ]+\]")


def turns(data: Path, file: str) -> list[Turn]:
    """The question and answer of each row of a labelled file, as the labels count them."""
    return [turn for turn, _ in turns_and_kinds(data, file)]


def turns_and_kinds(data: Path, file: str) -> list[tuple[Turn, str]]:
    """The turn of each row of a file of JSON Lines, and the kind of its answer, if the row says it.

    A row has `question` and `answer`, or `instruction` and `output`, or `prompt` and `text`. Where it has only `text`, its
    question stands under the same `question_id` in the file whose name has "question" in the place of "answer", or in
    `questions.jsonl` beside it.
    """
    path = data / file
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    questions = {}
    if any(not {"question", "instruction", "prompt"} & row.keys() for row in rows):
        asked = next(
            (
                one
                for one in (path.with_name(path.name.replace("answer", "question")), path.with_name("questions.jsonl"))
                if one != path and one.is_file()
            ),
            None,
        )
        if asked is None:
            raise ValueError(f"The rows of {path} have no question, and there is no file of questions beside it.")
        lines = filter(str.strip, asked.read_text(encoding="utf-8").splitlines())
        questions = {row["question_id"]: row["text"] for row in map(json.loads, lines)}
    return [(_turn(row, questions), _kind(row)) for row in rows]


def _turn(row: dict, questions: dict) -> Turn:
    for question, answer in (("question", "answer"), ("instruction", "output"), ("prompt", "text")):
        if question in row:
            return Turn(0, row[question].replace("<image>", "").strip(), row[answer])
    return Turn(0, questions[row["question_id"]], _BOXES.sub("", row["text"]))


def _kind(row: dict) -> str:
    said = str(row.get("kind") or row.get("category") or "")
    return next((kind for kind in KINDS if said.endswith(kind)), "")  # "llava_bench_conv"


def words_at(text: str, start: int, end: int) -> frozenset[int]:
    """Where the words of a span begin, without what leads them and says nothing that is seen ("the", "several other")."""
    found = [(start + word.start(), word.group().lower()) for word in re.finditer(r"[\w'-]+", text[start:end])]
    while len(found) > 1 and found[0][1] in _ARTICLES:
        found.pop(0)
    return frozenset(at for at, _ in found)


def same(text: str, phrase: str, spans: Iterable[Sequence[int]], match: str = "head") -> bool:
    """Whether a phrase is one of a thing's mentions: more than half of the words of both are shared, or, with `match="head"`,
    one has all words of the other and both have the same head: "a door" and "a door with a picture on it".
    """
    mentions = [(words_at(text, *span), (span[0], span[1])) for span in spans]
    for found in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text):
        words = words_at(text, *found.span())
        for other, span in mentions:
            if words and 2 * len(words & other) > len(words | other):
                return True
            is_inside = match == "head" and (words <= other or other <= words)
            if is_inside and head_at(text, found.span()) == head_at(text, span):
                return True
    return False


@cache
def head_at(text: str, span: tuple[int, int]) -> int:
    """Where the head of a phrase begins: its first noun phrase's last word, or the verb that a phrase of doing begins with."""
    tokens = tokenize(text[slice(*span)])
    words = [token.word for token in tokens]
    tags = tag(words)
    head = 0 if not words or tags[0] == PARTICIPLE else read_tree(words, tags).head
    return span[0] + (tokens[head].start if tokens else 0)


def judge_keys(data: Path, chosen, match: str = "head") -> dict[tuple[str, str], list[tuple[int, int, int, int]]]:
    """Right and all proposals, found and all things of each labelled row, by kind of answer and half."""
    counts = defaultdict(list)
    for file, rows in json.loads((LABELS / "key_expressions.json").read_text()).items():
        asked = turns(data, file)
        for row in rows:
            spans = [thing["at"] for thing in row["things"]]
            counts[row["kind"], row["half"]].append(judge_turn(asked[row["row"]], spans, chosen, match))
    return counts


def judge_turn(turn: Turn, spans: list, chosen, match: str = "head") -> tuple[int, int, int, int]:
    """Right and all proposals, found and all things of one turn; `spans` has the mentions of each thing."""
    kept, _ = filtered(key_phrases(turn, chosen), turn)
    hits = [[same(turn.answer, key.phrase, at, match) for at in spans] for key in kept]
    found = sum(any(hit[k] for hit in hits) for k in range(len(spans)))
    return sum(map(any, hits)), len(kept), found, len(spans)


def print_shares(counts: dict) -> None:
    """Precision and recall of each group, with intervals over rows."""
    for group, rows in sorted(counts.items()):
        right, proposed, found, things = map(list, zip(*rows))
        print(f"  {' '.join(group):<24} precision {share(right, proposed)}  recall {share(found, things)}")


def judge_decompositions(data: Path, chosen) -> dict[str, list[bool]]:
    """Whether each labelled expression has exactly the phrases of one reading, by half."""
    decompose, counts = tagged_decomposer(chosen), defaultdict(list)
    for file, rows in json.loads((LABELS / "decompositions.json").read_text()).items():
        lines = list(read_expressions(data / file))
        for row in rows:
            inner = sorted(list(phrase.chars) for phrase in decompose(lines[row["row"]]).phrases[:-1])
            counts[row["half"]].append(inner in [sorted(reading) for reading in row["phrases"]])
    return counts


def share(right: list[int], of: list[int]) -> str:
    found = bootstrap_interval(np.array([right, of], float).T)
    return f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}] of {sum(of)}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words_quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder that holds llava, ferret_bench and promvil")
    parser.add_argument("--tagger", nargs="+", default=["auto", "rules"], help="which ones (default: auto rules)")
    parser.add_argument("--match", choices=MATCHES, default="head", help="which proposals name a mention (default: head)")
    options = parser.parse_args(arguments)
    for chosen in map(tagger, options.tagger):
        print(chosen.name)
        print_shares(judge_keys(options.data, chosen, options.match))
        for half, right in judge_decompositions(options.data, chosen).items():
            print(f"  decompositions, {half}: {share(right, [1] * len(right))} fully right")
    chains = json.loads((LABELS / "chains.json").read_text())
    right = [row["right"] for row in chains]
    print(f"chains, as the reader took them: {share(right, [1] * len(right))} right in words")


if __name__ == "__main__":
    main()
