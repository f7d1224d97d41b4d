# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The answers to a benchmark -> `Scores`, by the rules of its kind and of its data set, with chance beside the headline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from promvil_hf import masks as rle
from promvil_hf.conventions import DEFAULT_FRAME, dialect, frame_advice
from promvil_hf.dialects import GroundingDialect, Kosmos2, PointDialect
from promvil_hf.dialects.reasoning import answer_of
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.box_scores import BoxRules, grounding_scores, pointing_scores
from promvil_hf.evaluation.box_set_scores import MIN_SCORE, box_set_scores, by_score, kept_boxes, with_ranks
from promvil_hf.evaluation.chance import Chance, of_answers, of_boxes, of_f1, of_people, of_points
from promvil_hf.evaluation.headlines import ONLY_PRESENT, UNITS, Headline, clusters_of, counted
from promvil_hf.evaluation.nested_negatives import are_negatives, nested_negative_scores
from promvil_hf.evaluation.predictions import Answer, Faults, texts_of
from promvil_hf.evaluation.reading import best_scores, name_of, read_answers, scores_of
from promvil_hf.evaluation.scores import Grouping, Resampling, Scores
from promvil_hf.evaluation.text_scores import gqa_scores, picked_scores, pope_scores, true_false_scores, vqa_scores
from promvil_hf.frames import Frame
from promvil_hf.metrics.answers import Answers, read_boxes
from promvil_hf.metrics.gqa import lower_without_period, promvil_answer
from promvil_hf.metrics.grounding import kosmos2_round_trip, merged_gold, quantisation_ceiling
from promvil_hf.metrics.none_or_many import OVERLAPS
from promvil_hf.metrics.pointing import POINT_POLICIES, points_inside
from promvil_hf.metrics.pope import llava_yes_no, strict_yes_no
from promvil_hf.metrics.size_strata import aspect_labels, coco_sizes, ref_l4_sizes
from promvil_hf.metrics.vqa import soft_accuracies


YES_NO_RULES: dict[str, Callable] = {"strict": strict_yes_no, "llava": llava_yes_no}
ANSWER_RULES: dict[str, Callable] = {"lower_without_period": lower_without_period, "promvil": promvil_answer}


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers are read and scored. `dialect` reads raw text, in `frame` where one is given and in its own otherwise;
    without a dialect, answers are boxes in `frame` (None: fractions).

    What is None defaults to the data set's own: `vqa_normalise` "official" for VQAv2 and "always" for TextVQA; `iou_rule` "above"
    for Ref-L4, else "at_least"; `min_score` 0.7 for gRefCOCO, where answers have scores. `overlap` matches sets of boxes.
    """

    dialect: str | GroundingDialect | None = None
    frame: str | Frame | None = None
    box_policy: str = "first"
    gold_policy: str = "any"
    iou_thresholds: tuple[float, ...] = (0.5,)
    iou_rule: str | None = None
    overlap: str = "giou"
    min_score: float | None = None
    yes_no_rule: str = "strict"
    answer_rule: str = "lower_without_period"
    vqa_normalise: str | None = None
    resampling: Resampling = field(default_factory=Resampling)


def scored_boxes(
    benchmark: Benchmark, answers: Sequence[Answer | None], faults: Faults, settings: Settings
) -> tuple[Scores, Headline, list]:
    """The scores, what the headline counts, and the boxes or points of each answer."""
    rows = benchmark.rows
    ids = [row.id for row in rows]
    spoken = None if settings.dialect is None else dialect(settings.dialect, settings.frame)
    read = read_answers(rows, answers, faults, spoken, settings.frame)
    read_by = {
        "dialect": name_of(settings.dialect),
        "frame": name_of(settings.frame or (DEFAULT_FRAME if settings.dialect is None else None)),
    }
    if are_negatives(rows):
        rules = _box_rules(benchmark, settings)
        scores = nested_negative_scores(read, rows, rules, replace(_grouping(benchmark, settings), strata={}), read_by)
        how = "refusing always, or always giving a box"
        return _beside(scores, Chance(0.0, how)), Headline(scores.metric, unit="pair"), by_row(read)
    gold = read_boxes([row.boxes for row in rows])
    absent = np.array([row.absent for row in rows], bool)
    grouping = _grouping(benchmark, settings)
    if any(row.level for row in rows):
        grouping = replace(grouping, levels=[row.level for row in rows])
    if isinstance(spoken, PointDialect):
        return *_scored_points(rows, read, gold, absent, settings, grouping, read_by), by_row(read)
    box_scores = scores_of(answers, read, ids, faults)
    if box_scores is not None:
        read, box_scores = by_score(read, box_scores)
    if any(row.wanted == "all" for row in rows):
        return *_scored_sets(benchmark, read, gold, box_scores, settings, grouping, read_by), by_row(read)
    rules = _box_rules(benchmark, settings)
    least = rules.least(rules.thresholds[0])
    scores = grounding_scores(read, gold, rules, grouping, absent=absent, settings=read_by)
    headline = Headline(scores.metric, least, part="present" if benchmark.name in ONLY_PRESENT and not absent.all() else "all")
    if box_scores is not None and absent.any() and not absent.all():
        positive = [row.units.get("positive") for row in rows]
        kinds = [_kind_of_negative(row) if row.absent else None for row in rows]
        easy = np.array([not row.absent and row.strata.get("level", "1") == "1" for row in rows])
        scores = with_ranks(scores, read, gold, box_scores, best_scores(answers), positive, kinds, easy, least=least)
    if isinstance(spoken, Kosmos2) and not absent.any():  # what its grid allows at best
        ceiling = quantisation_ceiling(
            gold, lambda xyxy: kosmos2_round_trip(xyxy, spoken.grid.side), settings.iou_thresholds
        )
        best = {f"ceiling@{threshold:g}": share for threshold, share in ceiling.items()}
        scores = replace(scores, numbers={**scores.numbers, **best})
    if spoken is not None:
        sizes = [row.image_size for row in rows]
        advice = frame_advice([answer and answer.text for answer in answers], spoken, sizes)
        scores = replace(scores, notes=(*scores.notes, *([advice] if advice else [])))
    if rules.policy == "any":
        guess = Chance(1.0, "writing every box: the best of them counts")
    else:
        guess = of_boxes(merged_gold(gold) if rules.gold_policy == "merged" else gold, rows, headline, least=least)
    return _beside(scores, guess), headline, by_row(read)


def _scored_points(rows, read, gold, absent, settings, grouping, read_by) -> tuple[Scores, Headline]:
    masks = _Masks(rows) if any(row.masks for row in rows) else None
    policy = settings.box_policy if settings.box_policy in POINT_POLICIES else POINT_POLICIES[0]
    scores = pointing_scores(read, gold, policy, grouping, masks=masks, absent=absent, settings=read_by)

    def inside(x: float, y: float) -> np.ndarray:
        return points_inside(Answers(len(rows), np.arange(len(rows)), np.tile([x, y], (len(rows), 1)), {}), gold)

    guess = of_points(inside, absent)
    if masks is not None:
        guess = replace(guess, how=f"{guess.how}, by the boxes around the masks")
    return _beside(scores, guess), Headline(scores.metric)


def _scored_sets(benchmark, read, gold, box_scores, settings, grouping, read_by) -> tuple[Scores, Headline]:
    least = settings.min_score if settings.min_score is not None else MIN_SCORE if benchmark.name == "grefcoco" else None
    if box_scores is not None and least is not None:
        read, box_scores = kept_boxes(read, box_scores, least)
        read_by = read_by | {"min_score": least}
    threshold = settings.iou_thresholds[0]
    scores = box_set_scores(
        read, gold, grouping, overlap=settings.overlap, threshold=threshold, box_scores=box_scores, settings=read_by
    )
    headline = Headline(scores.metric, hit=1.0)
    guess = of_boxes(gold, benchmark.rows, headline, least=threshold, overlap=OVERLAPS[settings.overlap])
    return _beside(scores, guess), headline


def scored_texts(
    benchmark: Benchmark, answers: Sequence[Answer | None], faults: Faults, settings: Settings
) -> tuple[Scores, Headline, list]:
    """The scores by the rules of the benchmark's kind, what the headline counts, and the texts of the answers."""
    kind, rows, grouping = benchmark.kind, benchmark.rows, _grouping(benchmark, settings)
    said = [text and answer_of(text)[0] for text in texts_of(answers, [row.id for row in rows], faults)]
    if kind == "gqa":
        tail = [row.group == "tail" for row in rows] if benchmark.name == "gqa_ood" else None
        scores = gqa_scores(
            said, {row.id: row.record for row in rows}, choices=benchmark.choices_file, tail=tail,
            normalise=_rule(ANSWER_RULES, settings.answer_rule, "answer rule"), resampling=settings.resampling,
        )  # fmt: skip
    elif kind == "pope":
        rule = _rule(YES_NO_RULES, settings.yes_no_rule, "yes-no rule")
        scores = pope_scores(said, [row.answers[0] for row in rows], grouping, rule=rule)
        guess = of_f1([row.answers[0] == "yes" for row in rows])
    elif kind == "vqa":
        normalise = settings.vqa_normalise or ("always" if benchmark.name == "textvqa" else "official")
        people = [row.answers for row in rows]
        scores = vqa_scores(said, people, grouping, normalise=normalise)
        guess = of_people(people, lambda same: float(np.mean(soft_accuracies([same] * len(rows), people, normalise=normalise))))
    elif kind == "true_false":
        scores = true_false_scores(said, [row.answers[0] == "true" for row in rows], grouping)
    elif kind == "one_word":
        right = [row.choices.index(row.answers[0]) for row in rows]
        scores = picked_scores(said, [row.choices for row in rows], right, grouping, words=True)
    else:
        scores = picked_scores(said, [row.choices for row in rows], [int(row.answers[0]) for row in rows], grouping)
    headline = Headline("accuracy" if kind == "pope" else scores.metric, unit=_unit_of(benchmark))
    if kind not in ("pope", "vqa"):
        counted = [row for row, score in zip(rows, scores.row_scores.tolist(), strict=True) if score == score]
        guess = of_answers(counted, kind, headline)
    return _beside(scores, guess), headline, said


def by_row(read: Answers) -> list[list[list[float]]]:
    """The boxes or points of each answer."""
    found: list[list[list[float]]] = [[] for _ in range(read.rows)]
    for place, numbers in zip(read.row.tolist(), read.xyxy.tolist(), strict=True):
        found[place].append(numbers)
    return found


def headlined(
    benchmark: Benchmark, scores: Scores, headline: Headline, resampling: Resampling
) -> tuple[Scores, Headline]:
    """The scores with the headline in front, where it counts units or a part of the rows, and with the share of right units of
    each kind beside it."""
    names = dict.fromkeys(name for row in benchmark.rows for name in row.units)
    if not names and headline.part == "all":
        return scores, headline
    found = zip(benchmark.rows, scores.row_scores.tolist(), strict=True)
    rows = [
        {
            "id": row.id, "image": row.image_id, "units": row.units, "absent": row.absent,
            "score": score if score == score else None,
        }
        for row, score in found
    ]
    numbers = {scores.metric: scores.value, **scores.numbers}
    for name in names:
        found = counted(replace(headline, unit=name, part="all"), rows)
        spread = resampling.interval(found.values, found.clusters)
        numbers |= {f"{name}_accuracy": spread.estimate, f"{name}_accuracy_low": spread.low, f"{name}_accuracy_high": spread.high}
    if (headline.unit is None and headline.part == "all") or are_negatives(benchmark.rows):  # their scores are of pairs
        return replace(scores, numbers=numbers), headline
    metric = f"{headline.unit}_accuracy" if headline.unit is not None else "accuracy_where_present"
    found = counted(headline, rows)
    spread = resampling.interval(found.values, found.clusters)
    front = replace(scores, metric=metric, value=spread.estimate, interval=spread, numbers=numbers)
    return front, replace(headline, metric=metric)


def _box_rules(benchmark: Benchmark, settings: Settings) -> BoxRules:
    rule = settings.iou_rule or ("above" if benchmark.name == "ref_l4" else "at_least")
    return BoxRules(settings.box_policy, settings.gold_policy, settings.iou_thresholds, rule)


def _unit_of(benchmark: Benchmark) -> str | None:
    """What counts together in the headline: as the data set does, else the largest unit that every row has."""
    if benchmark.name in UNITS:
        return UNITS[benchmark.name]
    names = set.intersection(*(set(row.units) for row in benchmark.rows))
    return min(names, key=lambda name: (len({row.units[name] for row in benchmark.rows}), name), default=None)


def _kind_of_negative(row: BenchmarkRow) -> str:
    return ", ".join(f"{name} {part}" if part.isdecimal() else part for name, part in row.strata.items())


def _beside(scores: Scores, guess: Chance) -> Scores:
    return replace(
        scores, numbers={**scores.numbers, "chance": guess.value}, settings={**scores.settings, "chance": guess.how}
    )


def _grouping(benchmark: Benchmark, settings: Settings) -> Grouping:
    rows = benchmark.rows
    names = dict.fromkeys(name for row in rows for name in row.strata)
    strata: dict[str, Sequence[str | None]] = {name: [row.strata.get(name) for row in rows] for name in names}
    return Grouping(
        clusters_of([{"image": row.image_id, "units": row.units} for row in rows]).tolist(),
        [row.group for row in rows], strata=strata | _measured(rows), resampling=settings.resampling,
    )  # fmt: skip


def _measured(rows: Sequence[BenchmarkRow]) -> dict[str, Sequence[str | None]]:
    """Sizes in pixels and shapes of pictures, where the rows have boxes and the sizes of all pictures are known."""
    if not all(row.image_size for row in rows) or not any(row.boxes for row in rows):
        return {}
    areas = {
        place: float(np.mean([box.area for box in row.boxes])) * row.image_size[0] * row.image_size[1]
        for place, row in enumerate(rows)
        if row.boxes
    }
    found = {}
    for title, rule in (("size by COCO's rule", coco_sizes), ("size by Ref-L4's rule", ref_l4_sizes)):
        named = dict(zip(areas, rule(list(areas.values())), strict=True))
        found[title] = [named.get(place) for place in range(len(rows))]
    return found | {"shape of the picture": aspect_labels([row.image_size for row in rows])}


@dataclass(frozen=True, slots=True, eq=False)
class _Masks(Sequence):
    """The mask of each row, all of its masks as one, decoded when it is asked for; None where it has none."""

    rows: Sequence[BenchmarkRow]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place):
        return _decoded(self.rows[place].masks) if self.rows[place].masks else None


@lru_cache(8)
def _decoded(found: tuple) -> np.ndarray:
    return np.logical_or.reduce([rle.decode(mask) for mask in found])


def _rule(rules: Mapping[str, Callable], name: str, what: str) -> Callable:
    if name not in rules:
        raise ValueError(f"You passed the {what} {name!r}: it is one of {', '.join(rules)}.")
    return rules[name]
