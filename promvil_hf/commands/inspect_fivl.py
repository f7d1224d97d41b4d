# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The command `promvil inspect fivl`: a page with a form, and what saved verdicts say."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from promvil_hf import masks, pages
from promvil_hf.commands import options
from promvil_hf.fivl import ways_page
from promvil_hf.fivl.fivl_rows import image_file
from promvil_hf.fivl.fivl_sample import SampledKey, sample_keys, share
from promvil_hf.fivl.row_files import fivl_rows_of


HELP = """
Judge FiVL-Instruct by eye: a page with three questions for each sampled key expression, and what the verdicts say.

    promvil inspect fivl --rows fivl --config instruct --images images --html judge.html
    promvil inspect fivl --verdicts fivl-verdicts.json

The questions are those of the paper's own evaluation, where people found 77 % good samples and 58 % relevant masks.
"""
FORM = "fivl"
QUESTIONS = (
    pages.Question("mask", "Does the mask cover what the words mean, and little else?"),
    pages.Question("key", "Are the words a key expression: about the question, and not to be said without the image?"),
    pages.Question("good", "Is it a good sample: is the answer relevant, does it make sense?"),
)
PAPER = {"good": "77 % good samples", "mask": "58 % relevant masks"}


def add_arguments(parser):
    options.add(parser, "--rows", "--config", "--images", "--sample", "--seed")
    options.add(parser, "--html", default=Path("judge-fivl.html"))
    options.add(parser, "--verdicts")


def run(args):
    if args.verdicts:
        print("\n".join(map(_summary_of, args.verdicts)))
        return
    sampled = sampled_keys(args)
    form = pages.judgement_form(_items(sampled, args.images), QUESTIONS, form=FORM)
    page = pages.page(
        "FiVL-Instruct, judged by eye",
        pages.paragraph(
            "The mask is drawn over the image; the words are marked in the answer. Save the verdicts at the end and read "
            "them with: ",
            pages.code("promvil inspect fivl --verdicts fivl-verdicts.json"),
        ),
        pages.section("Key expressions", form),
        lead=f"{len(sampled)} key expressions, drawn evenly with seed {args.seed}.",
    )
    print(f"{len(sampled)} key expressions on {pages.write(args.html, page)}")
    if len(sampled) < args.sample:
        print(f"You asked for {args.sample}: there are only {len(sampled)} key expressions with a mask.")


def _summary_of(path: Path) -> str:
    if pages.read_verdicts(path).form == ways_page.FORM:
        return ways_page.summary(pages.read_verdicts(path, ways_page.FORM, ways_page.QUESTIONS))
    return summary(pages.read_verdicts(path, FORM, QUESTIONS))


def sampled_keys(args) -> list[SampledKey]:
    """The key expressions that --rows, --config, --sample and --seed choose: the same ones for people and for a model."""
    if args.rows is None:
        raise ValueError("You passed no --rows: name the folder that `promvil build fivl` wrote.")
    if args.images is None or not args.images.is_dir():
        raise ValueError(f"You passed --images {args.images}: pass the folder of the pictures.")
    sampled = sample_keys(fivl_rows_of(args.rows, args.config), args.sample, args.seed)
    if not sampled:
        raise ValueError(f"{args.rows} has no key expression with a mask: there is nothing to judge.")
    return sampled


def _items(sampled: Sequence[SampledKey], images: Path) -> Iterator[pages.JudgementItem]:
    for item in sampled:
        expression = item.found.expression
        picture = pages.figure(
            image_file(images, item.row.image_path),
            alt=f"image with the mask of: {expression.text}",
            masks=[masks.decode(expression.mask)],
            boxes=expression.boxes,
        )
        asked = f" (looked for: {item.found.phrase})" if item.found.phrase != expression.text else ""
        question = pages.facts({"question": item.turn.question})
        answer = pages.marked_text(_marked(item.turn.answer, expression.text))
        yield pages.JudgementItem(item.name, pages.fragment(picture, question, answer), f"{expression.text}{asked}")


def _marked(answer: str, words: str) -> list[tuple[str, bool]]:
    before, found, after = answer.partition(words)
    return [part for part in ((before, False), (found, True), (after, False)) if part[0]]


def yes_answers(verdicts: pages.Verdicts, question: str) -> dict[str, bool]:
    """Item to yes or no; items left open and "cannot tell" are not in it."""
    given = {item: answers[question] for item, answers in verdicts.answers.items() if question in answers}
    return {item: answer == "yes" for item, answer in given.items() if answer in ("yes", "no")}


def summary(verdicts: pages.Verdicts) -> str:
    """The shares of yes with their intervals over rows."""
    lines = [
        f"judged by {verdicts.judge or 'somebody'}: {len(verdicts.answers)} of {len(verdicts.items)} key expressions"
    ]
    for question in QUESTIONS:
        answers = yes_answers(verdicts, question.key)
        unsure = verdicts.counts(question.key)["cannot tell"]
        if not answers:
            lines.append(f"{question.key:<5} no verdict yet")
            continue
        found = share(list(answers.values()), [row_of(item) for item in answers])
        paper = f" (the paper: {PAPER[question.key]})" if question.key in PAPER else ""
        lines.append(
            f"{question.key:<5} {found.estimate:.1%} yes [{found.low:.1%}, {found.high:.1%}] of {len(answers)}, "
            f"{unsure} cannot tell{paper}"
        )
    lines.append("95 % bootstrap intervals over rows; verdicts of yes and no only.")
    return "\n".join(lines)


def row_of(item: str) -> str:
    """The row of an item's name."""
    return item.split("/", 1)[0]
