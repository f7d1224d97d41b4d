# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's part of the demo's page: rows, joint training, reliance, heads."""

from pathlib import Path

import numpy as np

from promvil_hf import pages
from promvil_hf.commands.demo import fivl
from promvil_hf.commands.demo.wording import cell, interval, large, linked, signed, spread, verdict, written
from promvil_hf.evaluation.reliance import RelianceReport
from promvil_hf.explain.explanations import read_explanations
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.maps import is_shown
from promvil_hf.fivl.fivl_publish import read_rows
from promvil_hf.fivl.twins import twins
from promvil_hf.masks import decode
from promvil_hf.pages import Bar, Heat, MaskMark, Series


def in_short(reports: dict[str, RelianceReport], looked, asked, pictures):
    """What the method is, a region hidden and the answer changing, and whether it works."""
    report, words = reports[fivl.WITH], looked.words
    masked, random = report.scores["masked"]["relative"], report.scores["controls"].get("random boxes")
    yield pages.paragraph(
        "FiVL teaches each patch of a named thing to say its name. FiVL also measures how much an answer relies on "
        "the picture: it hides what the answer speaks of, and asks again."
    )
    example = _moving(report, asked, pictures)
    said = [
        pages.tiles(
            pages.stat(
                "overlap (IoU) of a thing with the patches that say its name", pages.number(words.iou[fivl.WITH].estimate, 2),
                f"without FiVL's loss: {pages.number(words.iou[fivl.WITHOUT].estimate, 2)}",
            ),
            pages.stat(
                "share of the accuracy lost when the thing is hidden", pages.number(masked["estimate"], 2),
                f"when random boxes of that size are hidden: "
                f"{pages.number(random['relative']['estimate'], 2) if random else '–'}",
            ),
        ),
        pages.bullets(
            [
                verdict(words.gain, "Overlap (IoU) of things with the patches that say their names, gain from the loss"),
                reliance_verdict(report),
                _raised(reports),
            ]
        ),
    ]  # fmt: skip
    yield pages.beside(example, *said) if example else pages.fragment(*said)


def _raised(reports: dict[str, RelianceReport]) -> str:
    """Whether training with FiVL's loss raised the reliance, which is another claim than that there is some."""
    lost = {name: report.scores["masked"]["relative"]["estimate"] for name, report in reports.items()}
    if any(share is None for share in lost.values()):
        return "Whether FiVL's loss raised this share cannot be said: a model has no accuracy to lose."
    raised = lost[fivl.WITH] > max(lost[fivl.WITHOUT], lost[fivl.BASE])
    return (
        f"In this run FiVL's loss {'raised' if raised else 'did not raise'} the share lost: it is {_lost(reports[fivl.WITH])} "
        f"with the loss, {_lost(reports[fivl.WITHOUT])} without it and {_lost(reports[fivl.BASE])} in the base model."
    )


def _lost(report: RelianceReport) -> str:
    return pages.number(report.scores["masked"]["relative"]["estimate"], 2)


def _moving(report: RelianceReport, asked, pictures):
    """The first question that is answered rightly, wrongly when its key boxes are hidden, and rightly beside random boxes."""
    rows = {row.row_id: row for row in asked}
    kinds = {
        "original": "The picture as it is",
        "key boxes": "What the answer speaks of is hidden",
        "random boxes": "As much is hidden elsewhere",
    }
    for scored in report.row_scores:
        scores = [scored["scores"].get(kind) for kind in kinds]
        if scores != [1.0, 0.0, 1.0] or scored["id"] not in rows:
            continue
        row = rows[scored["id"]]
        shown = {twin.kind: twin.image for twin in twins(row, pictures.open(row.image_path), tuple(kinds))}
        return pages.slides(
            [
                pages.figure(
                    large(shown[kind]), alt=f"{title}. Answer: {scored['said'][kind].strip()}",
                    caption=[f"{title}. {scored['question']} ", pages.tag("strong", scored["said"][kind].strip())],
                )
                for kind, title in kinds.items()
            ]
        )  # fmt: skip
    return None


def rows_part(rows, worlds):
    yield pages.paragraph(
        "A row of FiVL-Instruct is a conversation, in which each key expression has a mask of what it speaks of. Rules find the "
        "expressions. The masks here are known from drawing; for real pictures Grounding DINO and SAM make them. "
        f"{rows.train:,} rows to train on, {rows.test:,} held out, {rows.questions:,} held-out questions with something to hide; "
        "some of these are asked below."
    )
    some = list(read_rows(Path(worlds.folders["talk_test"]).parents[1] / "fivl" / "test", "instruct"))[:4]
    yield pages.gallery([_row_figure(row, worlds) for row in some], 240)
    yield pages.details("What the build said", pages.code(rows.summary))


def _row_figure(row, worlds):
    turn = next((turn for turn in row.turns if row.of_turn(turn.index)), row.turns[0])
    masks = [
        MaskMark(decode(key.expression.mask), key.text, place) for place, key in enumerate(row.of_turn(turn.index)[:6])
    ]
    return pages.figure(
        written(worlds, row.image_path), alt=f"A drawn scene: {turn.answer}", masks=masks,
        caption=[turn.question, " ", pages.tag("strong", turn.answer)],
    )  # fmt: skip


def joint(joint, looked, worlds):
    yield pages.paragraph(
        "The paper's loss is (1 − λ)·LM + λ·VM. LM is the usual loss of the answer's words. By VM each patch that a mask touches "
        "learns to predict a word of the expression. Two adapters of the same base saw the same rows in the same order. λ is 0 "
        f"in one, and 0.1 in the other, as in the paper. {joint.how}"
    )
    if joint.points:
        yield pages.gallery(
            [
                pages.line_chart(
                    [
                        Series(name, [point.step for point in points], [point.values.get(term) for point in points])
                        for name, points in joint.points.items()
                    ],
                    alt=f"{about} over the steps.", x_label="step", y_label=about,
                )
                for term, about in (("lm_loss", "language loss"), ("vm_loss", "vision loss, before it is weighted"))
            ],
            320,
        )  # fmt: skip
    yield pages.table(
        [
            [name, metrics["lm_loss"], metrics["vm_loss"], metrics["vm_accuracy"], metrics["patch_iou"],
             spread(looked.words.iou[name]), looked.words.words_a_picture[name]]
            for name, metrics in joint.held_out.items()
        ],
        ["", "language loss", "vision loss", "patches right", "patch IoU", "IoU of expressions", "words a picture"],
        numeric=(1, 2, 3, 4, 5, 6),
        caption="On held-out rows. Patches right: the share of labelled patches whose likeliest word is their label. IoU of "
        "expressions: the overlap of an expression's mask with the patches that say its noun. Intervals: images are resampled.",
    )  # fmt: skip
    about = f"IoU of {looked.words.expressions:,} held-out expressions, {fivl.WITH} minus {fivl.WITHOUT}"
    yield pages.bullets([verdict(looked.words.gain, about)])
    yield pages.paragraph(
        "The likeliest word of each patch, on held-out pictures. Training labels only patches that a mask touches. It teaches "
        "the patches of the background nothing, so their words mean little."
    )
    for together in zip(*(read_explanations(path) for path in looked.explanations.values()), strict=True):
        yield pages.gallery(
            [_words_figure(one, name, worlds) for name, one in zip(looked.explanations, together, strict=True)], 200
        )


def _words_figure(one, name: str, worlds):
    said = np.array(one.said)
    found, counts = np.unique(said[said >= 0], return_counts=True)
    words = [int(found[k]) for k in np.argsort(-counts, kind="stable") if is_shown(one.words.get(int(found[k]), ""))]
    marks = [MaskMark(said == word, one.words[word].strip(), place) for place, word in enumerate(words[:6])]
    return pages.figure(
        written(worlds, one.image), alt=f"What the patches say, {name}", masks=marks,
        caption=f"{name}: {len(words)} words" + (", the 6 largest shown" if len(words) > 6 else ""),
    )  # fmt: skip


def reliance(reports: dict[str, RelianceReport]):
    first = next(iter(reports.values()))
    yield pages.paragraph(
        "Each question is asked six times: as it is, with the boxes of its key expressions hidden, and in four controls. "
        f"The score is the share of the accuracy that is lost. {first.rows['rows_with_twins']:,} questions about "
        f"{first.rows['images']:,} held-out pictures."
    )
    yield pages.table(
        [
            [name, report.scores["original_accuracy"], report.scores["masked"]["accuracy"],
             f"{pages.number(report.scores['score'])} {interval(report.scores['masked']['relative'])}",
             *(_relative(report, kind) for kind in ("silhouettes", "random boxes", "whole image", "blind")),
             cell(report.scores["beyond"].get("random boxes"))]
            for name, report in reports.items()
        ],
        ["", "accuracy", "accuracy, key boxes hidden", "Visual Reliance Score", "silhouettes", "random boxes", "whole image",
         "blind", "score beyond random boxes"],
        numeric=range(1, 9),
        caption="The columns from Visual Reliance Score to blind: the share of the accuracy that is lost. Whole image: all of it "
        "is black; blind: no image. Intervals: images are resampled.",
    )  # fmt: skip
    shown = reports[fivl.WITH].scores
    yield pages.bar_chart(
        [
            Bar(kind, found["estimate"], found["low"], found["high"], int(place != 0))
            for place, (kind, drop) in enumerate({"key boxes": shown["masked"], **shown["controls"]}.items())
            if (found := drop["relative"])
        ],
        alt="Relative drop of accuracy of the jointly trained model under each perturbation.",
        caption=f"The model trained with {fivl.WITH}.",
    )
    yield pages.bullets([reliance_verdict(reports[fivl.WITH])])
    yield linked("Whole reports, with cases: ", reports, "reliance/{}/reliance.html")


def _relative(report: RelianceReport, kind: str):
    found = report.scores["controls"].get(kind)
    return None if found is None else pages.number(found["relative"]["estimate"])


def atlas_part(atlases: dict[str, HeadAtlas], looked, worlds):
    first = next(iter(atlases.values()))
    yield pages.paragraph(
        "While a key expression is written, each head attends to some parts of the image. Spearman's ρ says how well these agree "
        f"with the expression's mask, here over {first.turns:,} held-out turns. All models read the same answers. A head passes "
        "if its ρ is higher than with the masks of other turns; the chance that any head passes by luck is held at 0.05. Rings "
        "mark the heads that pass."
    )
    highest = max(float(np.nanmax(np.abs(atlas.rho))) for atlas in atlases.values())
    yield pages.gallery(
        [
            pages.heat_map(
                pages.Heat(atlas.rho, -highest, highest, signed=True, label="ρ"),
                alt=f"Spearman's rho of each head, {name}", row_label="layer", column_label="head",
                row_names=list(map(str, atlas.layers)),
                rings=np.argwhere(atlas.passing()).tolist(),
                caption=f"{name}: {int(atlas.passing().sum())} of {atlas.rho.size} heads pass",
            )
            for name, atlas in atlases.items()
        ],
        200,
    )  # fmt: skip
    yield pages.table(
        [
            [name, str(best), spread(atlas.interval(best)), float(atlas.auroc[atlas.place(best)]),
             float(atlas.p_family[atlas.place(best)]), float(np.nanmean(atlas.rho))]
            for name, atlas in atlases.items()
            for best in atlas.best(1)
        ],
        ["", "best head", "its ρ", "its AUROC", "p, corrected for all heads", "mean ρ of all"],
        numeric=(1, 2, 3, 4, 5), caption=f"No head could have a ρ above {pages.number(first.ceiling)} on these masks.",
    )  # fmt: skip
    yield pages.gallery([_heat_figure(one, worlds) for one in read_explanations(looked.explanations[fivl.WITH])], 240)
    yield linked("Whole atlases, with the null distribution and more examples: ", atlases, "atlas/{}/atlas.html")


def _heat_figure(one, worlds):
    key = one.keys[0]
    heat = np.array(key.heat, float)  # None is NaN
    heads = ", ".join(one.heads)
    return pages.figure(
        written(worlds, one.image),
        alt=f"Attention while “{key.text}” was written",
        heat=Heat(heat, low=0.0, label="attention"),
        caption=[f"{one.question} {one.answer} Attention of heads {heads} while the model wrote ", pages.tag("strong", key.text)],
    )


def reliance_verdict(report: RelianceReport) -> str:
    what = "Share of the accuracy lost, minus the share lost when random boxes of the same sizes are hidden"
    beyond = report.scores["beyond"].get("random boxes")
    if beyond is None or beyond["low"] is None:
        return f"{what}: not defined in this run ({report.scores['reason'] or 'too few rows'})."
    meant = "The answers rely on the thing itself" if beyond["low"] > 0 else "No clear reliance on the thing itself"
    return f"{what}: {signed(beyond['estimate'])} {pages.interval(beyond['low'], beyond['high'])}. {meant}."
