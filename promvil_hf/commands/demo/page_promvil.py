# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's part of the demo's page: chains, training, one-shot against progressive grounding."""


import numpy as np

from promvil_hf import pages
from promvil_hf.boxes import iou
from promvil_hf.commands.demo import promvil
from promvil_hf.commands.demo.chapters import Sizes
from promvil_hf.commands.demo.wording import large, signed, spread, verdict
from promvil_hf.grounding.trace import GroundingTrace
from promvil_hf.json_records import records
from promvil_hf.metrics.grounding import kosmos2_round_trip, quantisation_ceiling
from promvil_hf.pages import BoxMark, Series
from promvil_hf.toy.chains import chain_of


DEEPEST = max(promvil.LEVELS)
OUTCOMES = {  # found (level by level, at once)
    (True, False): "Found level by level, missed at once",
    (False, True): "Found at once, missed level by level",
    (True, True): "Found in both ways",
    (False, False): "Missed in both ways",
}


def in_short(grounded, tests, sizes: Sizes):
    """What the method is, one chain being grounded, and whether it works."""
    deepest = grounded.levels[-1]
    accuracy = {run: interval.estimate for run, interval in deepest.accuracy.items()}
    yield pages.paragraph(
        "A long phrase is hard to find at once. PromViL finds its simple parts first and tells the model where they are, level "
        "by level."
    )
    example = _moving(grounded, tests, sizes)
    said = [
        pages.tiles(
            *(
                pages.stat(name, pages.number(accuracy[run], 2), pages.interval(interval.low, interval.high, 2))
                for run, name in NAMES.items()
                for interval in [deepest.accuracy[run]]
            )
        ),
        pages.paragraph(
            f"Share of {deepest.expressions} held-out phrases of level {deepest.level} whose box is right (IoU of at least 0.5), "
            f"with 95 % intervals over {deepest.scenes} scenes."
        ),
        pages.bullets(
            [
                verdict(deepest.gain[run], f"PromViL compared with “{NAMES[run]}”")
                for run in promvil.COMPARED
            ]
        ),
    ]
    yield pages.beside(example, *said) if example else pages.fragment(*said)


NAMES = {
    promvil.STEPWISE: "PromViL: trained on chains, asked level by level",
    promvil.AT_ONCE: "trained on chains, asked at once",
    promvil.FLAT: "trained without chains, asked at once",
}


def _moving(grounded, tests, sizes: Sizes):
    """The first chain whose every step is right and that was missed at once by the model without chains."""
    flat, stepwise = _traces(grounded.traces[promvil.FLAT]), _traces(grounded.traces[promvil.STEPWISE])
    for question in _deep(tests, sizes):
        if _hit(flat, question) or not _all_right(stepwise[question.name], question):
            continue
        wanted = pages.paragraph("To be found: ", pages.tag("strong", question.expression.text))
        return pages.tag("div", wanted, pages.slides(_steps(question, stepwise[question.name])[:4]))
    return None


def data(compovl, tests):
    yield pages.paragraph(
        "CompoVL's rows are chains: an expression, the phrases inside it, and the boxes of each. A chain "
        "is grounded level by level; the boxes of one level (dashed) are the evidence of the next."
    )
    for drawn in tests[:2]:
        expression = max(drawn.expressions(), key=lambda nested: nested.level)
        yield pages.paragraph(pages.tag("strong", expression.text))
        yield pages.chain_strip(
            large(drawn.image()), chain_of(drawn, expression), alt=f"A drawn scene: {expression.text}"
        )
    yield pages.table(
        [
            [f"level {level}", compovl.rows.get(level), all_, right / all_]
            for level, (right, all_) in compovl.decomposed.items()
        ],
        ["", "training chains", "held-out expressions", "share split rightly"],
        caption="How many chains CompoVL holds, and how often the grammar finds exactly the parts of a held-out expression.",
    )
    yield pages.details("What the build said", pages.code(compovl.summary))


def grounding(grounded, tuned, tests, sizes: Sizes):
    yield pages.paragraph(
        "Two adapters of the same base saw the same scenes in the same order. One was trained on each phrase alone. The other "
        f"had the boxes of a phrase's parts in the prompt. {tuned.how}"
    )
    yield pages.table(
        [
            [f"level {level.level}", level.expressions, *(spread(level.accuracy[run]) for run in promvil.RUNS),
             *(spread(level.gain[run], signed) for run in promvil.COMPARED)]
            for level in grounded.levels
        ],
        ["", "phrases", *promvil.RUNS, *(f"level by level minus {run}" for run in promvil.COMPARED)],
        numeric=range(1, 7),
        caption="Accuracy at IoU 0.5 on held-out scenes, with 95 % intervals over scenes in brackets. The last two columns are "
        "differences on the same phrases. At level 1 both ways ask the same model the same question; an interval around 0 is "
        "what so many scenes without any change allow.",
    )  # fmt: skip
    yield pages.bullets(
        [
            f"Kosmos-2 writes boxes in a grid of 32 × 32 cells. Its best boxes would reach {_ceiling(tests, sizes)}.",
            "The parts of each phrase are those that the scene was drawn with, so every error is the model's.",
            "The study flat_vs_chain repeats this with three seeds, and in a second world where a phrase can be found without "
            "its parts. In that world the model without chains wins (python -m studies flat_vs_chain in a clone).",
        ]
    )
    if tuned.points:
        yield pages.line_chart(
            [
                Series(name, [point.step for point in points], [point.values["loss"] for point in points])
                for name, points in tuned.points.items()
            ],
            alt="Loss of both trainings over the steps.", x_label="step", y_label="loss",
        )  # fmt: skip
    yield from _examples(grounded, tests, sizes)


def _ceiling(tests, sizes: Sizes) -> str:
    gold = np.array([question.row.boxes[0].xyxy for question in promvil.asked(tests, sizes.expressions)])
    return f"{quantisation_ceiling(gold, kosmos2_round_trip)[0.5]:.3f}"


def _traces(path: str) -> dict[str, GroundingTrace]:
    return {trace.id: trace for trace in (GroundingTrace.from_dict(record.whole_fields()) for record in records(path))}


def _deep(tests, sizes: Sizes):
    return [question for question in promvil.asked(tests, sizes.expressions) if question.row.level == DEEPEST]


def _hit(traces, question) -> bool:
    boxes = traces[question.name].boxes
    return bool(boxes) and iou(boxes[0], question.row.boxes[0]) >= 0.5


def _all_right(trace: GroundingTrace, question) -> bool:
    truth = chain_of(question.scene, question.expression).steps
    return len(truth) == len(trace.steps) and all(
        step.boxes and iou(step.boxes[0], right.target.boxes[0]) >= 0.5
        for step, right in zip(trace.steps, truth, strict=True)
    )


def _examples(grounded, tests, sizes: Sizes):
    at_once, stepwise = _traces(grounded.traces[promvil.FLAT]), _traces(grounded.traces[promvil.STEPWISE])
    deep = _deep(tests, sizes)
    outcomes = {
        title: [question for question in deep if (_hit(stepwise, question), _hit(at_once, question)) == wanted]
        for wanted, title in OUTCOMES.items()
    }
    yield pages.paragraph(
        f"Of {len(deep)} held-out phrases of level {DEEPEST}: "
        + "; ".join(f"{title.lower()} {len(found)}" for title, found in outcomes.items())
        + ". “At once” is the model trained without chains. Examples of each kind; the last panel shows the truth (solid) and "
        "the answer at once (dashed)."
    )
    for (found_stepwise, _), title in OUTCOMES.items():
        some = [question for question in outcomes[title] if not found_stepwise or _all_right(stepwise[question.name], question)]
        if some:
            question = some[0]
            figures = [*_steps(question, stepwise[question.name]), _truth(question, at_once[question.name])]
            yield pages.section(title, pages.gallery(figures, 200), level=3)


def _steps(question, trace: GroundingTrace) -> list:
    """A figure of each step: its answer, and dashed the boxes that its prompt gave."""
    image, figures = large(question.scene.image()), []
    for number, step in enumerate(trace.steps):
        marks = [BoxMark(box, "", number) for box in step.boxes]
        marks += [BoxMark(box, "", fed, dashed=True) for fed in step.fed for box in trace.steps[fed].boxes]
        caption = step.phrase if step.boxes else f"{step.phrase}: {step.reason}"
        figures.append(
            pages.figure(image, alt=f"Level {step.level}: {caption}", boxes=marks, caption=f"Level {step.level}: {caption}")
        )
    return figures


def _truth(question, once: GroundingTrace):
    marks = [BoxMark(box, "truth", 0) for box in question.row.boxes]
    marks += [BoxMark(box, "at once", 1, dashed=True) for box in once.boxes]
    title = "The truth, and the answer at once"
    return pages.figure(large(question.scene.image()), alt=title, boxes=marks, caption=title)
