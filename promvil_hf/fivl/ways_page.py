# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A page to judge: the key expressions of one run beside those of the offline way, on the same turns, with what each way
is made of (prompt, schema, checks) and what the checks dropped.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from promvil_hf import pages
from promvil_hf.fivl import extraction as keys
from promvil_hf.fivl.extraction import SeenTurn
from promvil_hf.fivl.fivl_sample import share
from promvil_hf.jobs import Rejected
from promvil_hf.nesting.taggers import Tagger


FORM = "fivl_ways"
QUESTIONS = (
    pages.Question("offline", "Are all phrases of the offline way key expressions?"),
    pages.Question("run", "Are all phrases of this run key expressions?"),
    pages.Question("misses", "Which of the two misses more?", ("offline", "this run", "the same")),
)


def ways_page(
    turns: Sequence[SeenTurn], made: Mapping[str, dict | Rejected], way: str, tagger: Tagger, filters: keys.Filters
) -> pages.Html:
    """`made` is what a run has for each turn (`extraction.annotate`), `way` its name."""
    offline = keys.annotate(turns, keys.by_words(tagger), filters)
    form = pages.judgement_form(_items(turns, offline, made, way, tagger), QUESTIONS, form=FORM, wide=True)
    return pages.page(
        "Key expressions, two ways",
        pages.section("How they are made", *_ways(way, tagger)),
        pages.section("The turns", _how_to_read(), form),
        lead=f"{len(turns)} turns: {way} beside the offline way ({tagger.name}).",
    )


def _how_to_read() -> pages.Html:
    command = pages.code("promvil inspect fivl --verdicts fivl_ways-verdicts.json")
    return pages.paragraph("Save the verdicts at the end and read them with: ", command)


def _ways(way: str, tagger: Tagger) -> Iterator[pages.Html]:
    yield pages.facts({
        "offline": f"words of the answer by rules over the tags of {tagger.name}; the same every time, no picture is looked at",
        "this run": way,
    })  # fmt: skip
    examples = (
        (turn.question, turn.answer, " | ".join(expressions) or "(none)") for turn, expressions in keys.EXAMPLES
    )
    shown = pages.table(examples, ("question", "answer", "answered"))
    yield pages.details("The prompt of a model on a server", pages.paragraph(keys.INSTRUCTIONS), shown)
    schema = json.dumps(keys.schema().model_json_schema(), indent=1)
    yield pages.details("The schema that its answer must fit", pages.code(schema))
    checks = pages.table(keys.REASONS.items(), ("dropped as", "when"))
    yield pages.details("The checks, the same for both ways", checks, opened=True)


def _items(turns, offline, made, way: str, tagger: Tagger) -> Iterator[pages.JudgementItem]:
    for seen, words in zip(turns, offline, strict=True):
        said = pages.facts({
            "question": seen.turn.question, "answer": seen.turn.answer, f"offline ({tagger.name})": _phrases(words),
            way: _phrases(made.get(seen.key, Rejected("not in the run"))),
        })  # fmt: skip
        yield pages.JudgementItem(seen.key, pages.fragment(_picture(seen), said))


def _picture(seen: SeenTurn) -> pages.Content:
    if seen.image is None:
        return pages.paragraph("(no picture)")
    try:
        return pages.figure(seen.image, alt="the picture of this turn")
    except ValueError:
        return pages.paragraph("(the picture cannot be read)")


def _phrases(result: dict | Rejected) -> pages.Html:
    if isinstance(result, Rejected):
        return pages.paragraph(f"rejected: {result.reason} {result.detail[:200]}")
    kept = " | ".join(found["phrase"] for found in result["phrases"]) or "(none)"
    dropped = [f"{', '.join(texts)} (dropped: {reason})" for reason, texts in result["dropped"].items()]
    return pages.fragment(pages.paragraph(kept), pages.bullets(dropped) if dropped else "")


def summary(verdicts: pages.Verdicts) -> str:
    """How often people found all phrases of each way right, with intervals over rows, and which way misses more."""
    lines = [f"judged by {verdicts.judge or 'somebody'}: {len(verdicts.answers)} of {len(verdicts.items)} turns"]
    for question in QUESTIONS[:2]:
        said = {item: given[question.key] == "yes" for item, given in verdicts.answers.items()
                if given.get(question.key) in ("yes", "no")}  # fmt: skip
        if not said:
            lines.append(f"{question.key:<8} no verdict yet")
            continue
        found = share(list(said.values()), [item.rpartition("/")[0] for item in said])
        lines.append(f"{question.key:<8} {found.estimate:.1%} all right [{found.low:.1%}, {found.high:.1%}] of {len(said)}")
    counts = verdicts.counts("misses")
    lines.append("misses more: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return "\n".join(lines)
