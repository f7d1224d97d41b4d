# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Explanations and head atlases as parts of static pages, made of values alone: no model and no torch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from promvil_hf import pages
from promvil_hf.boxes import Box
from promvil_hf.explain.explanations import IOU_THRESHOLDS, REGIONS, Explanation
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.layer_names import Head
from promvil_hf.explain.maps import is_shown


Picture = Any  # what `promvil_hf.pages.figure` shows: an image, an array or a path
_WORDS = 6  # segments of the vision logits that get a colour


def explanation_part(one: Explanation, image: Picture) -> pages.Html:
    """One answer: heat of each phrase, what the patches say, what hiding changes."""
    words = [_words_figure(one, image)] if one.said else []  # an encoder-decoder's patches say nothing
    return pages.fragment(
        pages.tag("p", pages.tag("strong", one.question), class_="expression"),
        pages.tag(
            "p",
            "Answer: ",
            pages.tag("strong", one.answer or "(nothing)"),
            f"  (right: {one.truth})" if one.truth else None,
        ),
        pages.gallery(
            [*(_heat_figure(one, image, place) for place in range(len(one.keys))), *words],
            least_width=280,
        ),
        _hidden_table(one),
    )


def explanation_page(one: Explanation, image: Picture, atlas: HeadAtlas | None = None) -> pages.Html:
    """A page about one answer."""
    looked = "the mean over all heads" if not one.heads else f"the heads {', '.join(one.heads)} (layer.head)"
    return pages.page(
        f"Why “{one.answer[:60] or '(nothing)'}”",
        pages.section("What the model looked at", explanation_part(one, image)),
        pages.section(
            "How to read this",
            pages.bullets(
                [
                    f"Heat is attention, from the query that predicts each token to the image tokens: {looked}. Attention "
                    "shows where information was read, not that it decided the answer; the table of hidden regions does.",
                    "Each image token's most likely vocabulary entry makes the segmentation. In a model that was not "
                    "trained with vision modeling these words are mostly noise.",
                    "An answer that stays when its region is hidden was not read from there alone, or is what the model says "
                    "by habit (see “blind”); one that changes under random boxes of the same size was merely disturbed.",
                ]
            ),
            None
            if atlas is not None or one.heads
            else pages.note(
                "No atlas was given",
                pages.paragraph(
                    "The best heads of a model are found on many images with known masks: promvil explain --rows ... "
                    "writes atlas.json, and --atlas takes its best heads."
                ),
            ),
        ),
        pages.section(
            "Settings", pages.facts({"model": one.model or "–", "heads": looked, "region": REGIONS[one.region]})
        ),
        lead=one.question,
    )


def atlas_page(
    atlas: HeadAtlas,
    explanations: Sequence[Explanation],
    open_image: Callable[[str], Picture | None],
    *,
    model: str = "",
    segmentation: Sequence[Mapping[str, Any]] = (),
    level: float = 0.05,
    control: str = "family",
) -> pages.Html:
    """A page about a model: the map of its heads, the best of them, their null, examples."""
    best, passing = atlas.best(10), atlas.passing(level, control)
    error = "family-wise error" if control == "family" else "false discovery rate"
    held = f"{error} held at {level:g}, null: {atlas.settings.get('null', '?')}"
    parts = [
        pages.section("In short", _atlas_tiles(atlas, best, passing, held), _skipped(atlas)),
        pages.section("Layer by head", *_head_maps(atlas, [place for place in map(atlas.place, best) if passing[place]])),
        pages.section("Best heads", _best_table(atlas, best, passing)),
        pages.section("Chance", *_null_part(atlas, best, level)),
    ]
    if explanations:
        examples = (
            pages.details(f"{one.name}: {one.question} {one.answer}", explanation_part(one, picture), opened=place < 3)
            for place, one in enumerate(explanations)
            if (picture := open_image(one.image)) is not None
        )
        parts += [
            pages.section("Segmentation", _segmentation_part(explanations, segmentation)),
            pages.section("Examples", examples),
        ]
    return pages.page(
        f"Head atlas of {model}" if model else "Head atlas",
        *parts,
        pages.section("Settings", pages.facts({name: str(value) for name, value in atlas.settings.items()})),
        lead="Which attention heads follow the mask of the named object, and how sure that is.",
    )


def _atlas_tiles(atlas: HeadAtlas, best: Sequence[Head], passing: np.ndarray, held: str) -> pages.Html:
    top = best[0] if best else None
    spread = None if top is None else atlas.interval(top)
    return pages.tiles(
        pages.stat("heads that look at what is named", f"{int(passing.sum())} of {passing.size:,}", held),
        pages.stat("best head", str(top) if top else "–", "layer.head, from 0"),
        pages.stat(
            "its ρ",
            spread and spread.estimate,
            spread
            and f"{pages.interval(spread.low, spread.high)}; at most {pages.number(atlas.ceiling)} with these masks",
        ),
        pages.stat("its AUROC", atlas.auroc[atlas.place(top)] if top else None, "0.5 is chance"),
        pages.stat("looked at", f"{atlas.turns:,} turns", f"{int(atlas.tokens.max()):,} tokens"),
    )


def _head_maps(atlas: HeadAtlas, rings: Sequence[tuple[int, int]]) -> list[pages.Html]:
    size = "{} layers by {} heads".format(*atlas.rho.shape)
    names = {"row_label": "layer", "column_label": "head", "row_names": list(map(str, atlas.layers))}
    maps = [
        pages.heat_map(
            pages.Heat(atlas.rho, signed=True, label="ρ"),
            alt=f"Spearman's rho of {size}",
            rings=rings,
            caption="Mean rank correlation of a head's attention to the image with the mask of what is named, while it "
            "is named. Rings: the best heads that pass. Grey: no score.",
            **names,
        ),
        pages.heat_map(
            pages.Heat(atlas.auroc - 0.5, signed=True, label="AUROC − 0.5"),
            alt=f"AUROC above chance of {size}",
            caption="The same as a chance of telling inside from outside, which does not grow with the mask.",
            **names,
        ),
    ]
    without = ", ".join(map(str, atlas.without_heads))
    return [*maps, pages.paragraph(f"Layers without attention heads: {without}.")] if without else maps


def _heat_figure(one: Explanation, image: Picture, place: int) -> pages.Html:
    key = one.keys[place]
    heat = np.array([[np.nan if value is None else value for value in row] for row in key.heat], float)
    caption: list[pages.Content] = [pages.tag("strong", key.text, class_="expression")]
    if key.heat_iou:
        best = int(np.argmax(key.heat_iou))
        caption.append(
            f" – IoU with its mask {pages.number(key.heat_iou[best])} (above {IOU_THRESHOLDS[best]:.0%} of the range)"
        )
    return pages.figure(
        image,
        alt=f"Attention while the model wrote “{key.text}”.",
        heat=pages.Heat(heat, low=0.0, label="attention"),
        boxes=[
            *(pages.BoxMark(Box(*corners)) for corners in key.boxes),
            *(
                pages.BoxMark(Box(*corners), "hidden", dashed=True)
                for corners in one.hidden_boxes
                if corners not in key.boxes
            ),
        ],
        caption=caption,
    )


def _words_figure(one: Explanation, image: Picture) -> pages.Html:
    said = np.array(one.said)
    found, counts = np.unique(said[said >= 0], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = [int(found[k]) for k in order if is_shown(one.words.get(int(found[k]), ""))]
    marks = [
        pages.MaskMark(said == token, one.words[token].strip(), place) for place, token in enumerate(shown[:_WORDS])
    ]
    ious = [key.words_iou for key in one.keys if key.words_iou is not None]
    return pages.figure(
        image,
        alt="What the image tokens would say.",
        masks=marks,
        caption=[
            f"What the patches say: {len(shown)} words"
            + (f", the {_WORDS} largest in colour" if len(shown) > _WORDS else ""),
            f" – IoU of the phrase's own words with its mask {pages.number(float(np.mean(ious)))}" if ious else None,
        ],
    )


def _hidden_table(one: Explanation) -> pages.Html | None:
    if not one.hidden:
        return None
    before = one.hidden.get("original", one.answer).strip()
    rows = [
        [kind, said or "(nothing)", "–" if kind == "original" else "yes" if said.strip() != before else "no"]
        for kind, said in one.hidden.items()
    ]
    return pages.table(rows, ["hidden", "answer", "changed"], caption=f"What was hidden: {REGIONS[one.region]}.")


def _best_table(atlas: HeadAtlas, best: Sequence[Head], passing: np.ndarray) -> pages.Html:
    rows = []
    for head in best:
        spread, place = atlas.interval(head), atlas.place(head)
        rows.append(
            [
                str(head), f"{pages.number(atlas.rho[place])} {pages.interval(spread.low, spread.high)}",
                atlas.rho[place] / atlas.ceiling if atlas.ceiling else None, atlas.auroc[place], atlas.p_head[place],
                atlas.p_family[place], atlas.q_value[place], bool(passing[place]), int(atlas.tokens[place]),
            ]
        )  # fmt: skip
    return pages.table(
        rows,
        ["layer.head", "ρ", "ρ / largest", "AUROC", "p alone", "p in the family", "q", "passes", "tokens"],
        caption="Sorted by ρ; intervals come from resampling images.",
        numeric=(1, 2, 3, 4, 5, 6, 8),
    )


def _null_part(atlas: HeadAtlas, best: Sequence[Head], level: float) -> list[pages.Html]:
    """The best ρ of any head under each shuffle, as a curve, and the best heads beside its borders."""
    most = (
        np.sort(np.nanmax(atlas.null.reshape(len(atlas.null), -1), axis=1)) if np.isfinite(atlas.null).any() else None
    )
    if most is None:
        return [pages.paragraph("No shuffle gave a score.")]
    share = 1 - np.arange(len(most)) / len(most)
    step = max(1, len(most) // 40)
    curve = pages.line_chart(
        [pages.Series("best of all heads, wrong masks", most[::step].tolist(), share[::step].tolist())],
        alt="Share of shuffles whose best head reaches a rho.", x_label="ρ of the best head", y_label="share of shuffles",
        caption=f"{len(most)} shuffles gave each turn a wrong mask. The best head of a shuffle still reaches "
        f"{pages.number(float(np.quantile(most, 1 - level)))} once in {round(1 / level)} times.",
    )  # fmt: skip
    bars = [pages.Bar(f"head {head}", float(atlas.rho[atlas.place(head)])) for head in best[:5]]
    bars.append(pages.Bar(f"best of a shuffle, {1 - level:.0%}", float(np.quantile(most, 1 - level)), colour=1))
    return [curve, pages.bar_chart(bars, alt="The best heads beside chance.")]


def segmentation_rows(explanations: Sequence[Explanation]) -> list[list[pages.Content]]:
    """Mean IoU with given masks: of the heat at each threshold, and of the words that patches say."""
    keys = [key for one in explanations for key in one.keys if key.heat_iou is not None]
    if not keys:
        return []
    heat = np.array([key.heat_iou for key in keys], float).mean(0)
    rows: list[list[pages.Content]] = [
        [f"best heads, above {threshold:.0%}", float(value), len(keys)]
        for threshold, value in zip(IOU_THRESHOLDS, heat, strict=True)
    ]
    words = [key.words_iou for key in keys if key.words_iou is not None]
    rows.append(["vision logits, words of the phrase", float(np.mean(words)) if words else None, len(words)])
    return rows


def words_per_picture(explanations: Sequence[Explanation]) -> float:
    """How many different words the patches of a picture say on average, those counted that are shown."""
    said = [{token for row in one.said for token in row if is_shown(one.words.get(token, ""))} for one in explanations]
    return sum(map(len, said)) / len(said)


def _segmentation_part(
    explanations: Sequence[Explanation], table_rows: Sequence[Mapping[str, Any]]
) -> list[pages.Content]:
    given = segmentation_rows(explanations)
    parts: list[pages.Content] = []
    if given:
        parts.append(
            pages.table(
                given,
                ["from", "mean IoU", "phrases"],
                caption="Against the masks that came with the rows. Patches say "
                f"{words_per_picture(explanations):.1f} words a picture.",
            )
        )
    if table_rows:
        parts.append(
            pages.table(
                [[r["threshold"], r["iou"], r["tokens_per_sample"], r["samples"], r["processed"]] for r in table_rows],
                ["threshold", "IoU", "words per sample", "samples", "processed"],
                caption="Vision logits against a detector and segmenter that look for every word, as in FiVL's table.",
            )
        )
    return parts or [pages.paragraph("No phrase came with a mask.")]


def _skipped(atlas: HeadAtlas) -> pages.Html | None:
    if not atlas.skipped:
        return None
    reasons = "; ".join(f"{count:,} × {reason}" for reason, count in atlas.skipped.items())
    return pages.paragraph(f"Left out: {reasons}.")
