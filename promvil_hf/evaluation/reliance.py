# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Visual reliance of a model: its twins are asked, resumably, and what it loses by each perturbation is reported.

    rows + pictures + backend  --answer_twins-->  answers, {id: "row/kind", text}
    rows + answers             --reliance-->      RelianceReport, with every control and its interval
    several reports            --against_accuracy-->  does reliance go with accuracy?

The answers may come from a file, of any program: twins are matched by id. Scores are the data set's own (VQAv2's soft
accuracy, GQA's exact match, POPE's yes or no). This module does not load torch by itself. Floor 5.
"""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from promvil_hf import jobs
from promvil_hf.environment import environment
from promvil_hf.evaluation.answering import Asking, prompt_of, ranks
from promvil_hf.evaluation.benchmarks import BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import MISSING, UNKNOWN, Answer, Faults, Predictions, write_predictions
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import FILLS, KINDS, key_boxes, twins
from promvil_hf.images import UnreadableImage
from promvil_hf.metrics.gqa import exact_matches
from promvil_hf.metrics.intervals import Interval, bootstrap_interval
from promvil_hf.metrics.pope import strict_yes_no
from promvil_hf.metrics.reliance import Drop, RelianceScore, reliance_table, visual_reliance
from promvil_hf.metrics.vqa import soft_accuracies


if TYPE_CHECKING:
    from promvil_hf.backends.base import GroundingBackend


FORMAT = 1
METRICS = {
    "vqa": "VQAv2's soft accuracy over several people's answers",
    "gqa": "the whole answer is right, as GQA counts",
    "pope": "yes or no",
}
ORIGINAL, MASKED = "original", "key boxes"
# A server's reasons that another run may mend: such a shard is not kept.
_ASK_AGAIN = frozenset(
    ("rate limited", "server error", "timed out", "connection failed", "unauthorized", "stopped", "cache damaged")
)
AREAS = (0.05, 0.1, 0.2, 0.4)  # borders of the table by hidden area


@dataclass(frozen=True, slots=True)
class TwinSettings:
    """Which twins are asked about, and how they are made."""

    kinds: tuple[str, ...] = KINDS
    fill: str = "black"
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "kinds", tuple(self.kinds))
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or self.fill not in FILLS or not {ORIGINAL, MASKED} <= set(self.kinds):
            raise ValueError(
                f"You passed kinds={list(self.kinds)}, fill={self.fill!r}: kinds are {', '.join(KINDS)}, with "
                f"{ORIGINAL!r} and {MASKED!r} among them; fills are {', '.join(FILLS)}."
            )


def metric_of(rows: Sequence[FivlRow]) -> str:
    """The data set's own way to score, from the rows' source."""
    sources = {row.source for row in rows}
    for metric, beginnings in (("vqa", ("vqa", "textvqa")), ("gqa", ("gqa",)), ("pope", ("pope",))):
        if sources and all(source.startswith(beginnings) for source in sources):
            return metric
    raise ValueError(
        f"These rows are from {', '.join(sorted(sources)) or 'nowhere'}, whose own way of scoring is not known: say which "
        f"with --metric, one of {', '.join(METRICS)}."
    )


def answer_twins(
    rows: Sequence[FivlRow],
    pictures: Pictures,
    backend: "GroundingBackend",
    out: str | os.PathLike,
    *,
    settings: TwinSettings = TwinSettings(),  # noqa: B008
    asking: Asking = Asking(),  # noqa: B008
    metric: str | None = None,
    model: Mapping[str, Any],
    shard_size: int = 32,
    progress: bool = True,
) -> Predictions | None:
    """Ask the backend about every twin of every row; None while other ranks still have shards to do.

    One item is one row with all its twins, so a kill never parts a pair. `model` names what answers: a folder begun
    with another one is not gone on with. Answers also land in `out`/predictions.jsonl.
    """
    from promvil_hf.backends.base import Decoding, Request
    from promvil_hf.endpoint import REASONS

    if asking.mode != "one_shot":
        raise ValueError(
            f"You passed mode={asking.mode!r}: twins are asked as they stand, because boxes found in a masked picture "
            'would be evidence of their own. Pass mode="one_shot".'
        )
    metric = metric or metric_of(rows)
    rows = usable(rows)
    decoding = Decoding(max_new_tokens=asking.max_new_tokens)

    def work(batch: Sequence[FivlRow]) -> list[Any]:
        results: list[Any] = [None] * len(batch)
        waiting: list[tuple[dict, str, Request]] = []

        def ask(all_of_it: bool) -> None:
            while len(waiting) >= (1 if all_of_it else asking.batch_size):
                some = waiting[: asking.batch_size]
                del waiting[: asking.batch_size]
                answers = backend.generate([request for _, _, request in some], decoding)
                if lost := Counter(said.ended for said in answers if said.ended in _ASK_AGAIN):
                    told = ", ".join(f"{count} × {reason}" for reason, count in lost.most_common())
                    raise jobs.JobError(
                        f"The server gave no answer to {lost.total()} of {len(answers)} requests ({told}). Nothing is lost: "
                        "mend that and run the same command again, it goes on where it stopped."
                    )
                for (result, kind, _), said in zip(some, answers, strict=True):
                    result["ended"][kind] = said.ended
                    if said.ended not in REASONS:  # a server's refusal is no answer: it is missing, and counted
                        result["answers"][kind] = said.text

        for place, row in enumerate(batch):
            prompt = prompt_of(_as_benchmark_row(row), metric, backend.dialect, asking)
            try:
                picture = pictures.open(row.image_path)
                made = twins(row, picture, settings.kinds, settings.fill, settings.seed)
            except UnreadableImage as error:
                results[place] = jobs.Rejected("no picture", str(error))
                continue
            results[place] = {"prompt": prompt, "answers": {}, "ended": {}, "covered": {}, "on_keys": {}}
            for twin in made:
                results[place]["covered"][twin.kind] = round(twin.covered, 6)
                results[place]["on_keys"][twin.kind] = round(twin.on_keys, 6)
                waiting.append((results[place], twin.kind, Request(prompt, twin.image)))
                ask(False)
        ask(True)
        return results

    told = {
        "model": dict(model),
        "rows": content_hash(rows),
        "twins": asdict(settings),
        "asking": {"prompt": asking.prompt, "max_new_tokens": asking.max_new_tokens},
    }
    rank, world_size = ranks()
    folder = Path(out)
    report = jobs.run(
        rows, work, folder / "answers", key=_row_id, describe=told, shard_size=shard_size, rank=rank,
        world_size=world_size, progress=progress,
    )  # fmt: skip
    if not report.finished:
        return None
    answers: dict[str, Answer] = {}
    covered: dict[str, list[float]] = {}
    for row_id, row in jobs.rows(folder / "answers"):
        for kind, text in row["answers"].items():
            answers[twin_id(row_id, kind)] = Answer(text=text)
            covered.setdefault(kind, []).append(row["covered"][kind])
    if not answers:
        why = next(iter(jobs.rejects(folder / "answers")))[1]
        raise ValueError(f"Not one row could be asked ({why.reason}: {why.detail}). Delete {folder / 'answers'} then.")
    write_predictions(folder / "predictions.jsonl", answers.items())
    lost = [why for _, why in jobs.rejects(folder / "answers")]
    source = {
        **told, "answered": len(answers), "without_picture": len(lost),
        "covered": {kind: round(float(np.mean(shares)), 4) for kind, shares in covered.items()},
    }  # fmt: skip
    return Predictions(answers, {}, source)


def write_twins(
    rows: Iterable[FivlRow],
    pictures: Pictures,
    out: str | os.PathLike,
    settings: TwinSettings = TwinSettings(),  # noqa: B008
) -> int:
    """The twins as PNG files and twins.jsonl ({id, image, question, kind, covered}), for a program of one's own.

    Its answers, {id, text} one a line, go to `reliance` like any other.
    """
    out = Path(out)
    (out / "images").mkdir(parents=True, exist_ok=True)
    count = 0
    with open(out / "twins.jsonl", "w", encoding="utf-8") as file:
        for row in usable(rows):
            for twin in twins(row, pictures.open(row.image_path), settings.kinds, settings.fill, settings.seed):
                name = None
                if twin.image is not None:
                    name = f"images/{sha256(twin_id(row.row_id, twin.kind).encode()).hexdigest()[:20]}.png"
                    twin.image.save(out / name)
                line = {
                    "id": twin_id(row.row_id, twin.kind), "image": name, "question": row.turns[0].question,
                    "kind": twin.kind, "covered": round(twin.covered, 6),
                }  # fmt: skip
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
    return count


@dataclass(frozen=True, slots=True)
class RelianceReport:
    """Plain values all through; `scores` and `tables` hold what `RelianceScore` says."""

    name: str
    metric: str
    answers: dict[str, Any]  # where they come from
    scores: dict[str, Any]
    tables: dict[str, dict[str, dict[str, Any]]]  # table -> label -> scores
    rows: dict[str, Any]  # counts, labels before and after rows without key expressions drop out
    faults: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    environment: dict[str, Any]
    row_scores: list[
        dict[str, Any]
    ]  # {"id", "image", "question", "truth", "said": {kind: text}, "scores": {kind: number}}

    def save(self, path: str | os.PathLike) -> Path:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        record = {"format": FORMAT, "kind": "visual reliance", **{name: getattr(self, name) for name in _FIELDS}}
        draft.write_text(json.dumps(_plain(record), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(draft, path)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> "RelianceReport":
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            if found["kind"] != "visual reliance" or found["format"] != FORMAT:
                raise ValueError("another kind or format")
            return cls(**{name: found[name] for name in _FIELDS})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no report of `promvil reliance` ({error}).") from error


_FIELDS = (
    "name", "metric", "answers", "scores", "tables", "rows", "faults", "settings", "environment", "row_scores",
)  # fmt: skip


def reliance(
    rows: Sequence[FivlRow],
    predictions: Predictions,
    *,
    name: str = "",
    metric: str | None = None,
    types: Mapping[str, str] | None = None,
    settings: TwinSettings = TwinSettings(),  # noqa: B008
    resampling: Resampling = Resampling(),  # noqa: B008
    strict: bool = False,
) -> RelianceReport:
    """Score the answers. `types` names the type of a question by its id in the benchmark (`source_id`).

    A row counts when it has something to hide. One without an answer to some twin scores 0 there and is counted; a
    twin that nobody answered is no control. In strict mode any fault raises.
    """
    metric = metric or metric_of(rows)
    if metric not in METRICS:
        raise ValueError(f"You passed metric={metric!r}: it is one of {', '.join(METRICS)}.")
    kept = usable(rows)
    if not kept:
        raise ValueError(f"None of the {len(rows):,} rows has key boxes or masks: there is nothing to hide.")
    ids = {twin_id(row.row_id, kind) for row in kept for kind in KINDS}
    faults = Faults(predictions.faults)
    for row_id in predictions.answers:
        if row_id not in ids:
            faults.add(UNKNOWN, row_id)
    answered = [kind for kind in KINDS if any(twin_id(row.row_id, kind) in predictions.answers for row in kept)]
    missing = [kind for kind in (ORIGINAL, MASKED) if kind not in answered]
    if missing:
        said = next(iter(predictions.answers), "nothing")
        raise ValueError(
            f"No answer is to the {missing[0]!r} twin of any row: ids are made of the row's id, a slash and the twin's "
            f"kind, such as {twin_id(kept[0].row_id, missing[0])!r}; those of the answers read like {said!r}."
        )
    said: dict[str, list[str | None]] = {}
    for kind in answered:
        said[kind] = []
        for row in kept:
            found = predictions.answers.get(twin_id(row.row_id, kind))
            text = None if found is None else found.text
            if text is None and twin_id(row.row_id, kind) not in predictions.contested:
                faults.add(MISSING, twin_id(row.row_id, kind))
            said[kind].append(text)
    found_faults = faults.found()
    if strict and found_faults:
        told = "; ".join(f"{fault.count} × {fault_name}" for fault_name, fault in found_faults.items())
        raise ValueError(f"The answers have faults, which strict mode does not accept: {told}.")
    scores = {kind: row_scores(kept, texts, metric) for kind, texts in said.items()}
    images = [row.image_path for row in kept]
    controls = {kind: values for kind, values in scores.items() if kind not in (ORIGINAL, MASKED)}
    options = {
        "clusters": images, "confidence": resampling.confidence, "resamples": resampling.resamples,
        "method": resampling.method, "seed": resampling.seed,
    }  # fmt: skip
    whole = visual_reliance(scores[ORIGINAL], scores[MASKED], controls, **options)
    near = {kind: values for kind, values in controls.items() if kind == "random boxes"}
    tables = {}
    for title, labels in _labels(kept, types).items():
        if len(set(labels)) > 1:
            found = reliance_table(scores[ORIGINAL], scores[MASKED], labels, near, **options)
            tables[title] = {str(label): _score_dict(found[label]) for label in sorted(found, key=_label_order)}
    return RelianceReport(
        name=name or ", ".join(sorted({row.source for row in kept})),
        metric=metric,
        answers=dict(predictions.source),
        scores=_score_dict(whole),
        tables=tables,
        rows={
            "rows": len(rows),
            "rows_with_twins": len(kept),
            "images": len(set(images)),
            "labels": dict(sorted(Counter(_label(row) for row in rows).items())),
            "labels_with_twins": dict(sorted(Counter(_label(row) for row in kept).items())),
            "hidden_area": float(np.mean([hidden_share(row) for row in kept])),
            "content_hash": content_hash(kept),
        },
        faults={fault_name: asdict(fault) for fault_name, fault in found_faults.items()},
        settings={**asdict(settings), "metric": metric, **asdict(resampling)},
        environment=environment(devices=False),
        row_scores=[
            {
                "id": row.row_id, "image": row.image_path, "question": row.turns[0].question, "truth": _truth(row),
                "said": {kind: said[kind][place] for kind in answered},
                "scores": {kind: float(scores[kind][place]) for kind in answered},
            }
            for place, row in enumerate(kept)
        ],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReliancePoint:
    """One model: mean accuracy and mean score over the benchmarks it was asked."""

    name: str
    accuracy: float
    reliance: float
    low: float  # interval of the score, where there is one benchmark only
    high: float
    benchmarks: tuple[str, ...]


def points(reports: Sequence[tuple[str, RelianceReport]]) -> list[ReliancePoint]:
    """(model, report) pairs as one point a model."""
    by_model: dict[str, list[RelianceReport]] = {}
    for model, report in reports:
        by_model.setdefault(model, []).append(report)
    asked = {model: tuple(sorted(report.name for report in own)) for model, own in by_model.items()}
    if len(set(asked.values())) > 1:
        told = "; ".join(f"{model}: {', '.join(names)}" for model, names in asked.items())
        raise ValueError(f"The models were asked different benchmarks, so their means do not compare ({told}).")
    return [
        ReliancePoint(
            name=model,
            accuracy=math.fsum(report.scores["original_accuracy"] for report in own) / len(own),
            reliance=math.fsum(_number(report.scores["score"]) for report in own) / len(own),
            low=_number(own[0].scores["masked"]["relative"]["low"]) if len(own) == 1 else math.nan,
            high=_number(own[0].scores["masked"]["relative"]["high"]) if len(own) == 1 else math.nan,
            benchmarks=asked[model],
        )
        for model, own in by_model.items()
    ]


def against_accuracy(models: Sequence[ReliancePoint], resampling: Resampling = Resampling()) -> Interval:  # noqa: B008
    """Pearson's correlation of accuracy and reliance over models, with its interval (models are drawn).

    With few models the interval is wide, and should be; with fewer than three there is no correlation.
    """
    known = [model for model in models if math.isfinite(model.accuracy) and math.isfinite(model.reliance)]
    x, y = np.array([model.accuracy for model in known]), np.array([model.reliance for model in known])
    if len(known) < 3:
        return Interval(math.nan, math.nan, math.nan, resampling.confidence, resampling.method, len(known), len(known),
                        resampling.resamples, resampling.seed, "a correlation needs three models")  # fmt: skip
    x, y = x - x.mean(), y - y.mean()
    columns = np.stack([x, y, x * x, y * y, x * y, np.ones(len(x))], 1)
    return bootstrap_interval(
        columns, statistic=_correlation, confidence=resampling.confidence, resamples=resampling.resamples,
        method="percentile", seed=resampling.seed,
    )  # fmt: skip


def twin_id(row_id: str, kind: str) -> str:
    return f"{row_id}/{kind}"


def usable(rows: Iterable[FivlRow]) -> list[FivlRow]:
    """Rows that have something to hide."""
    return [row for row in rows if key_boxes(row)]


def hidden_share(row: FivlRow) -> float:
    """The share of a row's picture that its key boxes cover."""
    width, height = row.image_size
    area = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in key_boxes(row):
        area[y0:y1, x0:x1] = True
    return float(area.mean())


def content_hash(rows: Iterable[FivlRow]) -> str:
    """SHA-256 over what is asked, what is right and what is hidden, in any order of the rows."""
    found = sha256()
    for line in sorted(json.dumps(row.to_dict(), sort_keys=True, ensure_ascii=False) for row in rows):
        found.update(line.encode() + b"\n")
    return found.hexdigest()


def row_scores(rows: Sequence[FivlRow], said: Sequence[str | None], metric: str) -> np.ndarray:
    """The score of each answer in 0 .. 1; a missing one scores 0."""
    texts = ["" if text is None else text.strip() for text in said]
    there = np.array([text is not None for text in said], float)
    if metric == "vqa":
        return there * soft_accuracies(texts, [row.answers or (row.turns[0].answer,) for row in rows])
    if metric == "gqa":
        return there * exact_matches(texts, [_truth(row).lower() for row in rows])
    return there * np.array(
        [strict_yes_no(text) is (_label(row) == "yes") for text, row in zip(texts, rows, strict=True)], float
    )


def kind_of_answer(row: FivlRow) -> str:
    """VQAv2's division: yes or no, a number, or anything else."""
    label = _label(row)
    if label in ("yes", "no"):
        return "yes/no"
    truth = _truth(row).strip().lower()
    return "number" if truth.isdecimal() or truth in _NUMBERS else "other"


_NUMBERS = frozenset("zero one two three four five six seven eight nine ten eleven twelve".split())
_MOST_OPENINGS = 12


def _labels(rows: Sequence[FivlRow], types: Mapping[str, str] | None) -> dict[str, list[str]]:
    labels: dict[str, list[str]] = {}
    if types is not None:
        labels["question type"] = [types.get(row.source_id, "unknown") for row in rows]
    labels["answer type"] = [kind_of_answer(row) for row in rows]
    openings = [" ".join(row.turns[0].question.lower().split()[:2]) for row in rows]
    common = {words for words, _ in Counter(openings).most_common(_MOST_OPENINGS)}
    labels["first words"] = [words if words in common else "(other)" for words in openings]
    labels["hidden area"] = [_area_label(hidden_share(row)) for row in rows]
    if len({_label(row) for row in rows} - {"other"}) == 2:
        labels["right answer"] = [_label(row) for row in rows]
    return labels


def _area_label(share: float) -> str:
    below = [0.0, *AREAS]
    place = int(np.searchsorted(AREAS, share, side="left"))
    return f"{below[place]:.0%} to {[*AREAS, 1.0][place]:.0%}"


def _label_order(label: object):
    text = str(label)
    return (int(text.split("%")[0]) if text[:1].isdigit() and "%" in text else 0, text)


def _truth(row: FivlRow) -> str:
    return row.answers[0] if row.answers and len(set(row.answers)) == 1 else row.turns[0].answer


def _label(row: FivlRow) -> str:
    plain = row.turns[0].answer.strip().rstrip(".").lower()
    return plain if plain in ("yes", "no") else "other"


def _as_benchmark_row(row: FivlRow) -> BenchmarkRow:
    return BenchmarkRow(id=row.row_id, image=row.image_path, text=row.turns[0].question)


def _row_id(row: FivlRow) -> str:
    return row.row_id


def _score_dict(score: RelianceScore) -> dict[str, Any]:
    def drop(one: Drop) -> dict[str, Any]:
        return {"accuracy": one.accuracy, "relative": _spread(one.relative), "absolute": _spread(one.absolute)}

    return {
        "score": score.score,
        "absolute_drop": score.absolute_drop,
        "original_accuracy": score.original_accuracy,
        "rows": score.rows,
        "reason": score.reason,
        "masked": drop(score.masked),
        "controls": {name: drop(one) for name, one in score.controls.items()},
        "beyond": {name: _spread(one) for name, one in score.beyond.items()},
    }


def _spread(found: Interval) -> dict[str, Any]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high, "note": found.note}


def _correlation(totals: np.ndarray) -> np.ndarray:
    x, y, xx, yy, xy, n = np.moveaxis(totals, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (xx - x * x / n) * (yy - y * y / n)
        return np.where(spread > 1e-18, (xy - x * y / n) / np.sqrt(np.maximum(spread, 1e-18)), np.nan).clip(-1, 1)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
