# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The page of a folder of twins: each original beside its twins, with questions for a reader who judges them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from promvil_hf import pages
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.twin_folder import TwinFolder
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.fivl_sample import share
from promvil_hf.fivl.twins import Twin
from promvil_hf.images import UnreadableImage


FORM = "twins"
SHOWN = 40  # questions on a page
QUESTIONS = (
    pages.Question("key", "Do the hidden boxes cover what the question is about?"),
    pages.Question("little", "Do they cover little else?"),
    pages.Question("random", "Do the random boxes leave what the question is about to be seen?"),
)
_SIDE = 320  # pixels of a picture on the page


def write_page(path: str | os.PathLike, made: TwinFolder, pictures: Pictures, shown: int = SHOWN) -> Path:
    return pages.write(path, twin_page(made, pictures, shown))


def twin_page(made: TwinFolder, pictures: Pictures, shown: int = SHOWN) -> pages.Html:
    rows = drawn(made.rows, shown, made.settings.seed)
    counts, settings = made.about["counts"], made.settings
    form = pages.judgement_form(_items(rows, made, pictures), QUESTIONS, form=FORM)
    name = f"{made.benchmark.name} {made.benchmark.split}" if made.benchmark is not None else made.rows[0].source
    hidden = [
        [kind, f"{of['mean']:.1%}", ", ".join(f"{quarter:.1%}" for quarter in of["quartiles"])]
        for kind, of in counts["covered"].items()
    ]
    return pages.page(
        f"Twins of {name}",
        pages.tiles(
            pages.stat("questions with twins", len(made.rows)),
            pages.stat("left out", sum(made.about["left_out"].values()) + counts["rows_without_key_expressions"]),
            pages.stat("random boxes on key boxes", counts["random_boxes_that_had_to_touch_key_boxes"], "no room elsewhere"),
        ),
        pages.section(
            "How they were made",
            pages.paragraph(
                f"What is hidden is filled with {settings.fill}. Silhouettes hide the masks, or the boxes where there is no mask."
                " Random boxes have the sizes of the key boxes and lie elsewhere, as far as there is room. The model is also "
                "asked with the whole picture hidden, and blind, which need no look."
            ),
            pages.facts({name: str(value) for name, value in made.about["regions"].items()}),
            pages.table(hidden, ["hidden", "share of the picture, mean", "quartiles"], numeric=(1, 2)),
            pages.bullets(f"left out: {count:,} × {reason}" for reason, count in made.about["left_out"].items())
            if made.about["left_out"] else None,
            *(pages.note("Read this first", note, warn=True) for note in notes(made)),
        ),
        pages.section(
            "Which twin hides the wrong thing?",
            pages.paragraph("Save the verdicts at the end and read them with: ",
                            pages.code("promvil twins --verdicts twins-verdicts.json")),
            form,
        ),
        lead=f"{len(rows)} of {len(made.rows):,} questions, drawn at random with seed {settings.seed}.",
    )  # fmt: skip


def notes(made: TwinFolder) -> list[str]:
    """What a reader must know before a score on these twins is compared."""
    before, after = (made.about["counts"][name] for name in ("labels", "labels_of_rows_with_twins"))
    found = []
    yes, no = after.get("yes", 0), after.get("no", 0)
    if yes + no and (not yes or not no):
        one_sided = f"All yes-or-no questions with twins are answered {'yes' if yes else 'no'}"
        found.append(
            f"{one_sided}: where a thing is absent there is nothing to hide, so these questions are left out. A model that "
            f"always says {'yes' if yes else 'no'} is right on all of them and loses nothing. Look at its accuracy on the "
            "questions that were left out as well."
        )
    if made.benchmark is not None and made.benchmark.kind == "grounding" and made.settings.fill in ("black", "mean"):
        found.append(
            "The questions ask for a box, and the hidden box is the very answer: a model can point at the patch without seeing "
            "anything. The random boxes show how much of this there is; with --fill blur or noise and silhouettes there is less."
        )
    return found if before else []


def drawn(rows: Sequence[FivlRow], count: int, seed: int) -> list[FivlRow]:
    """`count` of them at random, in their order."""
    places = Random(seed).sample(range(len(rows)), min(count, len(rows)))
    return [rows[place] for place in sorted(places)]


def summary(verdicts: pages.Verdicts) -> str:
    """The shares of yes with their intervals over questions."""
    lines = [f"judged by {verdicts.judge or 'somebody'}: {len(verdicts.answers)} of {len(verdicts.items)} questions"]
    for question in QUESTIONS:
        given = {item: answers[question.key] for item, answers in verdicts.answers.items() if question.key in answers}
        known = {item: said == "yes" for item, said in given.items() if said in ("yes", "no")}
        if not known:
            lines.append(f"{question.key:<7} no verdict yet")
            continue
        found = share(list(known.values()), list(known))
        lines.append(
            f"{question.key:<7} {found.estimate:.1%} yes {pages.known_interval(found.low, found.high) or ''} of {len(known)}, "
            f"{len(given) - len(known)} cannot tell"
        )
    lines += [f"  {item}: {remark}" for item, remark in verdicts.remarks.items()]
    return "\n".join([*lines, "95 % bootstrap intervals over questions; verdicts of yes and no only."])


def _items(rows: Sequence[FivlRow], made: TwinFolder, pictures: Pictures) -> Iterator[pages.JudgementItem]:
    choices = {row.id: row.choices for row in made.benchmark.rows} if made.benchmark is not None else {}
    seen = tuple(kind for kind in made.settings.kinds if kind not in ("whole image", "blind"))
    settings = replace(made.settings, kinds=seen)
    for row in rows:
        try:
            figures = [_figure(twin, row) for twin in settings.twins(row, pictures)]
        except UnreadableImage as error:
            figures = [pages.paragraph(f"The picture cannot be read: {error}")]
        facts = {
            "question": row.turns[0].question,
            **({"choices": ", ".join(choices[row.row_id])} if choices.get(row.row_id) else {}),
            "right answer": row.turns[0].answer or "the box",
            "hidden": ", ".join(dict.fromkeys(key.phrase for key in row.keys)),
        }
        yield pages.JudgementItem(
            row.row_id, pages.fragment(pages.facts(facts), pages.gallery(figures, 220)), f"{row.turns[0].question}"
        )


def _figure(twin: Twin, row: FivlRow) -> pages.Html:
    marks = [box for key in row.keys for box in key.expression.boxes] if twin.kind == "original" else ()
    covered = f"{twin.kind}: {twin.covered:.1%} hidden" if twin.kind != "original" else "original, key boxes drawn"
    return pages.figure(twin.image, alt=f"{twin.kind} twin of {row.image_path}", boxes=marks, max_side=_SIDE, caption=covered)
