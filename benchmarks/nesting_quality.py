# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How well `promvil_hf.nesting.decompose` finds which noun hangs on which, and whether it is safe and fast on any
text.

Both sides are reduced to unordered pairs of nouns, so neither the direction nor the wording of a relation is
judged.

A gold pair is the last word of a triple's subject with the last word of its object ("tennis racket" counts as
"racket"), for every triple whose relation is not `is`; an instance suffix (":1") is dropped. A predicted pair is the
head noun of a phrase with the head noun of one of its direct anchors. Members of a coordination ("A and B on C")
distribute on both sides and are no pair of each other. Nouns are compared by `promvil_hf.inflection.lemma`; pairs are
a set per caption. Captions without a gold pair are left out. Precision, recall and F1 are over all pairs of the
captions taken together.
"""

import argparse
import csv
import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from promvil_hf.inflection import lemma
from promvil_hf.nesting import Nesting, decompose


_TRIPLE = re.compile(r"\(\s*([^()]*?)\s*\)")
_AND = frozenset({"and", "or", "&", ","})
Pair = tuple[str, str]


def gold_pairs(scene_graph: str) -> tuple[frozenset[Pair], int]:
    """The noun pairs of a FACTUAL scene graph, and the number of triples they come from."""
    pairs, triples = set(), 0
    for body in _TRIPLE.findall(scene_graph):
        parts = [part.strip() for part in body.split(" , ")]
        if len(parts) == 3 and parts[1] != "is":
            triples += 1
            pairs.add(_pair(_last_word(parts[0]), _last_word(parts[2])))
    return frozenset(pairs), triples


def implied_pairs(nesting: Nesting) -> frozenset[Pair]:
    """The noun pairs that a decomposition implies: each head with the heads of its direct anchors."""
    members = [_members(nesting, index) for index in range(len(nesting.phrases))]
    pairs = set()
    for index, phrase in enumerate(nesting.phrases):
        for anchor, relation in zip(phrase.anchors, phrase.relations, strict=True):
            if relation not in _AND:
                owners = [phrase.head] if "'" in relation or "’" in relation else members[index]
                pairs.update(_pair(owner, head) for owner in owners for head in members[anchor])
    return frozenset(pairs)


def _members(nesting: Nesting, index: int) -> list[str]:
    """The head nouns of "A and B": joined phrases count until the first modifier, which belongs to all of them."""
    phrase = nesting.phrases[index]
    heads = [phrase.head]
    for anchor, relation in zip(phrase.anchors, phrase.relations, strict=True):
        if relation in _AND:
            heads.append(nesting.phrases[anchor].head)
        elif "'" not in relation and "’" not in relation:
            break
    return heads


def _pair(one: str, other: str) -> Pair:
    first, second = sorted((_noun(one), _noun(other)))
    return first, second


def _noun(word: str) -> str:
    return lemma(re.sub(r"\s?-\s?", "-", word))


def _last_word(entity: str) -> str:
    return entity.split(":")[0].split()[-1] if entity.split(":")[0].split() else ""


def scores(counts: Iterable[tuple[int, int, int]]) -> dict[str, float]:
    """Precision, recall and F1 from (found, predicted, gold) counts a caption."""
    rows = list(counts)
    found, predicted, gold = (sum(row[k] for row in rows) for k in range(3))
    precision, recall = found / predicted if predicted else 0.0, found / gold if gold else 0.0
    return {
        "captions": len(rows),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / (precision + recall), 4) if found else 0.0,
    }


def judge_csv(
    path: Path, errors: int = 0, decomposer=decompose, rows: str = "all"
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Scores over a FACTUAL-format CSV (all, two or more triples, even and odd rows) and the first `errors` wrong
    captions.
    """
    groups: dict[str, list[tuple[int, int, int]]] = {
        "all": [],
        "two or more triples": [],
        "even rows": [],
        "odd rows": [],
        "odd rows, two or more triples": [],
    }
    wrong = []
    with open(path, newline="", encoding="utf-8") as file:
        for row_number, row in enumerate(csv.DictReader(file)):
            gold, triples = gold_pairs(row["scene_graph"])
            if not gold:
                continue
            predicted = implied_pairs(decomposer(row["caption"]))
            counts = (len(gold & predicted), len(predicted), len(gold))
            groups["all"].append(counts)
            groups["odd rows" if row_number % 2 else "even rows"].append(counts)
            if triples >= 2:
                groups["two or more triples"].append(counts)
                if row_number % 2:
                    groups["odd rows, two or more triples"].append(counts)
            if gold != predicted and len(wrong) < errors and rows in ("all", "odd" if row_number % 2 else "even"):
                wrong.append(
                    f"{row_number}: {row['caption']}\n    extra {sorted(predicted - gold)}"
                    f"  missing {sorted(gold - predicted)}"
                )
    return {name: scores(counts) for name, counts in groups.items()}, wrong


def read_expressions(path: Path) -> Iterator[str]:
    """The expressions of PromViL-format lines: what stands between the phrase tags, else everything behind `<tab>`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("<tab>", 1)[-1]
        phrase = re.search(r"<phrase>(.*?)</phrase>", text)
        expression = (phrase.group(1) if phrase else text).strip()
        if expression:
            yield expression


def faults(nesting: Nesting, expression: str) -> dict[str, int]:
    """Broken laws of one decomposition, checked on the text alone and not by the tokens of the decomposer."""
    text = expression.strip()
    spans = levels = 0
    for phrase in nesting.phrases:
        start, end = phrase.chars
        is_exact = text[start:end] == phrase.text and bool(phrase.text)
        cuts_word = (0 < start and _in_word(text[start - 1 : start + 1])) or (
            end < len(text) and _in_word(text[end - 1 : end + 1])
        )
        anchors_inside = all(
            start <= nesting.phrases[a].chars[0] and nesting.phrases[a].chars[1] <= end for a in phrase.anchors
        )
        spans += not (is_exact and not cuts_word and anchors_inside)
        levels += phrase.level != 1 + max((nesting.phrases[a].level for a in phrase.anchors), default=0)
    spans += nesting.phrases[-1].text != text
    used = {phrase.level for phrase in nesting.phrases}
    levels += used != set(range(1, len(used) + 1)) or nesting.phrases[-1].level != max(used)
    return {"span_faults": spans, "level_gaps": levels}


def _in_word(two: str) -> bool:
    return len(two) == 2 and two[0].isalnum() and two[1].isalnum()


def judge_expressions(path: Path, decomposer=decompose, seconds: float = 1.0) -> dict[str, float]:
    """Crashes, span faults, level gaps and expressions a second (CPU time of this process) over a file."""
    expressions = list(read_expressions(path))
    report = {"expressions": len(expressions), "crashes": 0, "span_faults": 0, "level_gaps": 0}
    for expression in expressions:
        try:
            found = faults(decomposer(expression), expression)
        except Exception as error:  # any exception at all is what is counted here
            report["crashes"] += 1
            print(f"crash on {expression!r}: {error!r}")
            continue
        for name, number in found.items():
            report[name] += number
    report["per_second"] = _rate(expressions, decomposer, seconds) if expressions and not report["crashes"] else 0
    return report


def _rate(expressions: list[str], decomposer, seconds: float) -> int:
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for expression in expressions:
            decomposer(expression)
        done += len(expressions)
    return round(done / spent) if (spent := time.process_time() - start) else 0


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nesting_quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--csv", type=Path, help="FACTUAL-format CSV with the columns caption and scene_graph")
    parser.add_argument(
        "--expressions",
        type=Path,
        action="append",
        default=[],
        help="PromViL-format lines, [image]path<tab><grounding><phrase>...</phrase>; may be given several times",
    )
    parser.add_argument(
        "--errors", type=int, default=0, metavar="N", help="print the first N captions with a wrong pair"
    )
    parser.add_argument(
        "--rows", choices=["all", "even", "odd"], default="all", help="which rows --errors may show (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--page", type=Path, metavar="HTML", help="write random decompositions and chains of --data on a page")
    parser.add_argument("--data", type=Path, help="folder that holds promvil, ferret_bench and visual_genome, for --page")
    parser.add_argument("--before", type=Path, help="another checkout, to show on the page what it makes of the same rows")
    parser.add_argument("--tagger", default="rules", help="another tagger, to show on the page what it makes of them")
    parser.add_argument("--count", type=int, default=20, help="examples of each kind on the page (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="which examples (default: 0)")
    options = parser.parse_args(arguments)
    if options.csv is None and not options.expressions and options.page is None:
        parser.error("nothing to do: give --csv FILE, --expressions FILE or --page HTML")
    if options.page is not None and options.data is None:
        parser.error("--page shows rows of --data: name the folder")
    if options.page is not None:
        from benchmarks import nesting_examples

        page = nesting_examples.write(
            options.page, options.data, options.before, options.tagger, options.count, options.seed
        )
        print(f"Random decompositions and chains are on {page}.")
    report: dict = {}
    wrong: list[str] = []
    if options.csv is not None:
        report["csv"], wrong = judge_csv(options.csv, options.errors, rows=options.rows)
    if options.expressions:
        report["expressions"] = {path.name: judge_expressions(path) for path in options.expressions}
    if options.json:
        print(json.dumps(report | ({"errors": wrong} if options.errors else {}), indent=2))
        return report
    for name, row in report.get("csv", {}).items():
        print(
            f"{name:32} captions {row['captions']:5}  precision {row['precision']:.4f}  "
            f"recall {row['recall']:.4f}  F1 {row['f1']:.4f}"
        )
    for name, row in report.get("expressions", {}).items():
        print(f"{name:32} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    for line in wrong:
        print(line)
    return report


if __name__ == "__main__":
    main()
