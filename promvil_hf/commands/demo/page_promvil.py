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


PROGRESSIVE, ONE_SHOT = "tuned, progressive", "tuned, one-shot"
DEEPEST = max(promvil.LEVELS)
OUTCOMES = {  # found (step by step, at once)
    (True, False): "Found step by step, missed at once",
    (False, True): "Found at once, missed step by step",
    (True, True): "Found in both ways",
    (False, False): "Missed in both ways",
}


def data(compovl, tests):
    yield pages.paragraph(
        "CompoVL's rows are chains: an expression, the phrases inside it, and the boxes of each. A chain "
        "is grounded level by level; the boxes of one level (dashed) are the evidence of the next."
    )
    for drawn in tests[:2]:
        expression = max(drawn.expressions(), key=lambda own: own.level)
        yield pages.paragraph(pages.tag("strong", expression.text))
        yield pages.chain_strip(
            large(drawn.image()), chain_of(drawn, expression), alt=f"A drawn scene: {expression.text}"
        )
    yield pages.table(
        [
            [f"level {level}", compovl.rows.get(level), all_, right / all_]
            for level, (right, all_) in compovl.decomposed.items()
        ],
        ["", "training chains", "held-out expressions", "all parts found exactly"],
        caption="CompoVL as built, and the rule grammar that takes held-out expressions apart before they are grounded.",
    )
    yield pages.details("What the build said", pages.code(compovl.told))


def training(tuned):
    yield pages.paragraph(
        f"The base grounds simple phrases. LoRA ({tuned.how}) teaches it to read evidence: {tuned.pictures:,} pictures with "
        f"their chains, {tuned.steps:,} steps; of each text the boxes alone are trained. It {tuned.trains}."
    )
    names = [f"loss_level_{level}" for level in promvil.LEVELS]
    series = [
        Series(f"level {name[-1]}", [point.step for point in own], [point.values[name] for point in own])
        for name in names
        if (own := [point for point in tuned.points if name in point.values])
    ]
    if series:
        yield pages.line_chart(
            series, alt="Loss of each level over the steps of the training.", x_label="step", y_label="loss",
            caption="A curve begins where its level opens.",
        )  # fmt: skip


def grounding(grounded, tuned, tests, sizes: Sizes):
    yield pages.line_chart(
        [
            Series(
                run,
                [f"level {own.level}" for own in grounded.levels],
                [own.accuracy[run].estimate for own in grounded.levels],
                [own.accuracy[run].low for own in grounded.levels],
                [own.accuracy[run].high for own in grounded.levels],
            )
            for run in promvil.RUNS
        ],
        alt="Accuracy at IoU 0.5 by level, for each model and way of asking.", y_label="accuracy at IoU 0.5", y_range=(0.0, 1.0),
        caption="Held-out scenes; intervals come from resampling scenes. “True evidence” tells the tuned model "
        "the right boxes of the "
        "parts: what progressive grounding could reach at best.",
    )  # fmt: skip
    yield pages.table(
        [
            [f"level {own.level}, {model}", own.expressions, own.scenes, spread(own.gain[model], signed), own.p_value[model]]
            for own in grounded.levels
            for model in ("base", "tuned")
        ],
        ["progressive minus one-shot", "expressions", "scenes", "difference", "p"],
        numeric=(1, 2, 3, 4), caption="In pairs: the same expressions, asked in both ways.",
    )  # fmt: skip
    yield pages.bullets(
        [
            *(
                verdict(own.gain["tuned"], f"Level {own.level}, tuned, progressive minus one-shot")
                for own in grounded.levels[1:]
            ),
            *_use_of_evidence(grounded.levels[-1], tuned.steps),
            f"Kosmos-2 writes boxes in a grid of 32 × 32 cells, which alone allows {_ceiling(tests, sizes)} here.",
            "The adapter saw whole expressions with their evidence, and alone only where a higher one leans on them: asked at "
            "once, it is asked in a way it was trained for less. What fine-tuning without chains reaches is another question "
            "than this page's.",
        ]
    )
    yield from _examples(grounded, tests, sizes)


def _use_of_evidence(deepest, steps: int) -> list[str]:
    """Whether the adapter has learned to use evidence at all: the true boxes of the parts should help."""
    told, alone = deepest.accuracy["tuned, true evidence"].estimate, deepest.accuracy[ONE_SHOT].estimate
    if told > alone:
        return []
    return [
        f"Told the true boxes of the parts, the tuned model finds {told:.2f} on level {deepest.level}, and {alone:.2f} told "
        f"nothing: in {steps:,} steps it has not learned to use evidence. The studies flat_vs_chain and data_scaling train "
        "longer; there that came late, and then quickly (python -m studies flat_vs_chain in a clone)."
    ]


def _ceiling(tests, sizes: Sizes) -> str:
    gold = np.array([own.row.boxes[0].xyxy for own in promvil.asked(tests, sizes.expressions)])
    return f"at most {quantisation_ceiling(gold, kosmos2_round_trip)[0.5]:.3f}"


def _traces(path: str) -> dict[str, GroundingTrace]:
    return {trace.id: trace for trace in (GroundingTrace.from_dict(record.whole_fields()) for record in records(path))}


def _examples(grounded, tests, sizes: Sizes):
    at_once, stepwise = _traces(grounded.traces[ONE_SHOT]), _traces(grounded.traces[PROGRESSIVE])
    deep = [own for own in promvil.asked(tests, sizes.expressions) if own.row.level == DEEPEST]

    def hit(traces, own) -> bool:
        boxes = traces[own.name].boxes
        return bool(boxes) and iou(boxes[0], own.row.boxes[0]) >= 0.5

    hits = [(hit(stepwise, own), hit(at_once, own)) for own in deep]
    outcomes = {
        title: [own for own, found in zip(deep, hits, strict=True) if found == wanted]
        for wanted, title in OUTCOMES.items()
    }
    yield pages.paragraph(
        f"Of {len(deep)} held-out expressions of level {DEEPEST}: "
        + "; ".join(f"{title.lower()} {len(found)}" for title, found in outcomes.items())
        + ". Below the first of each kind, two of the first one, as the tuned model grounded it; the last panel shows the "
        "truth (solid) and the answer at once (dashed)."
    )
    for title, found in outcomes.items():
        some = found[: 2 if title.startswith("Found step") else 1]
        if some:
            figures = [_trace_figures(own, stepwise[own.name], at_once[own.name]) for own in some]
            yield pages.section(title, figures, level=3)


def _trace_figures(own, trace: GroundingTrace, once: GroundingTrace):
    """The steps side by side, what each was told dashed; then the truth."""
    image, figures = large(own.scene.image()), []
    for number, step in enumerate(trace.steps):
        marks = [BoxMark(box, "", number) for box in step.boxes]
        marks += [BoxMark(box, "", fed, dashed=True) for fed in step.fed for box in trace.steps[fed].boxes]
        told = step.phrase if step.boxes else f"{step.phrase}: {step.reason}"
        figures.append(
            pages.figure(image, alt=f"Level {step.level}: {told}", boxes=marks, caption=f"{step.level}. {told}")
        )
    truth = [BoxMark(box, "truth", 0) for box in own.row.boxes]
    truth += [BoxMark(box, "at once", 1, dashed=True) for box in once.boxes]
    figures.append(pages.figure(image, alt="The truth, and the answer at once", boxes=truth, caption="The truth"))
    return pages.gallery(figures, 200)
