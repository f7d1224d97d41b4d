# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m benchmarks.answers_without_looking`: what answerers that never look at a picture score on every benchmark.

Each stands beside the chance that a report states: an answerer that does not look must not score more. The rows are
invented, in the structure of each benchmark, so that the table is the same everywhere; `--data DIR` takes rows of real files
instead.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from promvil_hf.boxes import Box
from promvil_hf.compovl.compovl_rows import AS_IT_WAS, CHANGED
from promvil_hf.conventions import DEFAULT_DIALECT
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow, read
from promvil_hf.evaluation.metric_words import in_words
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling


ROWS = 120
DIALECT = DEFAULT_DIALECT
_WHOLE, _MIDDLE = (0.0, 0.0, 1.0, 1.0), (0.25, 0.25, 0.75, 0.75)
_CORNERS = list(itertools.combinations((0.0, 0.25, 0.5, 0.75, 1.0), 2))
_EVERY = [(x0, y0, x1, y1) for x0, x1 in _CORNERS for y0, y1 in _CORNERS]  # 100 boxes
_THINGS = ("cup", "jar", "plate", "spoon", "lamp", "book")
_COLOURS = ("red", "blue", "green", "white")


def _boxes(*boxes: Sequence[float]) -> str:
    """The boxes as the dialect writes them."""
    return json.dumps([{"bbox_2d": [round(1_000 * corner) for corner in box], "label": "it"} for box in boxes])


ANSWERERS: dict[str, Callable[[BenchmarkRow], str]] = {  # name: what it says to a row
    "refuses": lambda row: "There is no such object.",
    "whole picture": lambda row: _boxes(_WHOLE),
    "box in the middle": lambda row: _boxes(_MIDDLE),
    "every box": lambda row: _boxes(*_EVERY),
    "words of the question": lambda row: row.text,
    "A": lambda row: "A",
    "yes": lambda row: "yes",
    "no": lambda row: "no",
}


def scores_of(benchmark: Benchmark) -> tuple[str, float, str, dict[str, float]]:
    """The name of the headline score, its chance and why, and what each answerer scores."""
    settings = Settings(dialect=DIALECT if benchmark.kind == "grounding" else None, resampling=Resampling(resamples=9))
    found = {}
    for name, says in ANSWERERS.items():
        said = Predictions({row.id: Answer(text=says(row)) for row in benchmark.rows})
        found[name] = evaluate(benchmark, said, settings).scores
    first = next(iter(found.values()))
    values = {name: scores["value"] for name, scores in found.items()}
    return first["metric"], first["chance"], first["settings"]["chance"], values


def measured(benchmarks: Mapping[str, Benchmark]) -> dict[str, tuple[str, float, str, dict[str, float]]]:
    """`scores_of` each of them."""
    return {names: scores_of(benchmark) for names, benchmark in benchmarks.items()}


def table(found: Mapping[str, tuple[str, float, str, dict[str, float]]]) -> str:
    """What `measured` gives, a line for each benchmark, in Markdown."""
    lines = [f"| `--benchmark` | headline score | chance | by | {' | '.join(ANSWERERS)} |", "|---" * (4 + len(ANSWERERS)) + "|"]
    for names, (metric, chance, how, scores) in found.items():
        cells = " | ".join(f"{score:.3f}" for score in scores.values())
        lines.append(f"| {names} | {in_words(metric)} | {chance:.3f} | {how} | {cells} |")
    return "\n".join(lines)


def invented() -> dict[str, Benchmark]:
    """Rows of every benchmark that has a truth; those whose rows and scores are made alike share them."""
    return {
        _as_code(names): Benchmark(names[0], "invented", kind, list(make(Random(0))))
        for names, (kind, make) in _STRUCTURES.items()
    }


def _as_code(names: Sequence[str]) -> str:
    return ", ".join(name if " " in name else f"`{name}`" for name in names)


def _box(random: Random) -> Box:
    """Sides of a tenth to nine tenths of the picture, anywhere in it."""
    width, height = random.uniform(0.1, 0.9), random.uniform(0.1, 0.9)
    x, y = random.uniform(0, 1 - width), random.uniform(0, 1 - height)
    return Box(x, y, x + width, y + height)


def _thing(random: Random) -> str:
    return f"the {random.choice(_COLOURS)} {random.choice(_THINGS)}"


def _expressions(random: Random) -> Iterator[BenchmarkRow]:
    for number in range(ROWS):
        yield BenchmarkRow(str(number), f"{number // 3}.jpg", _thing(random), (_box(random),), image_size=(640, 480))


def _negatives(random: Random) -> Iterator[BenchmarkRow]:
    """As many positive expressions as negative ones of each sort."""
    for number in range(ROWS // 3):
        size, image, text = (640, 480), f"{number}.jpg", _thing(random)
        units = {"positive": str(number)}
        yield BenchmarkRow(str(number), image, text, (_box(random),), image_size=size, units=units,
                           strata={"part": "positive", "level": str(number % 3 + 1)})  # fmt: skip
        for part in ("text", "image"):
            yield BenchmarkRow(f"{number} {part}", image, _thing(random), absent=True, image_size=size, units=units,
                               strata={"part": f"negative {part}", "negative type": "object", "negative level": "1"})  # fmt: skip


def _nested_negatives(random: Random) -> Iterator[BenchmarkRow]:
    """Each step beside the same step with one word exchanged, of which nothing is in the picture."""
    for number in range(ROWS // 2):
        units, place = {"negative": str(number), "pair": str(number)}, {"exchanged": ("attribute", "object")[number % 2]}
        for name, boxes in ((AS_IT_WAS, (_box(random),)), (CHANGED, ())):
            yield BenchmarkRow(
                f"{number} {name}", f"{number}.jpg", _thing(random), boxes, absent=not boxes, level=2, units=units,
                strata=place | {"place": name}, image_size=(640, 480),
            )  # fmt: skip


def _none_or_many(random: Random) -> Iterator[BenchmarkRow]:
    """A sixth of nothing, half of one thing, a third of several."""
    for number in range(ROWS):
        boxes = tuple(_box(random) for _ in range((0, 1, 1, 1, 2, 3)[number % 6]))
        yield BenchmarkRow(
            str(number), f"{number // 3}.jpg", _thing(random), boxes, absent=not boxes, image_size=(640, 480),
            wanted="all" if boxes else "one", strata={"targets": ("none", "one", "many")[min(len(boxes), 2)]},
        )  # fmt: skip


def _yes_or_no(random: Random) -> Iterator[BenchmarkRow]:
    """As many of each, as POPE has them."""
    for number in range(ROWS):
        yield BenchmarkRow(str(number), f"{number // 6}.jpg", f"Is there {_thing(random)}?", answers=(("yes", "no")[number % 2],))


def _statements(random: Random) -> Iterator[BenchmarkRow]:
    for number in range(ROWS):
        right = random.choice(("true", "false"))
        yield BenchmarkRow(str(number), f"{number}.jpg", f"{_thing(random)} is on the table.".capitalize(), answers=(right,))


def _figures(random: Random) -> Iterator[BenchmarkRow]:
    """Three questions about an original and an edited figure, in which some answers turn around; four in seven are no."""
    for figures, question in itertools.product(range(ROWS // 6), range(3)):
        right = random.random() < 3 / 7
        for figure in range(2):
            right = right if figure == 0 or random.random() < 0.5 else not right
            yield BenchmarkRow(
                f"{figures}/{figure}/{question}", f"{figures}_{figure}.png", f"Is {_thing(random)} larger?",
                answers=("yes" if right else "no",), choices=("yes", "no"),
                units={"question": f"{figures}/{question}", "figure": f"{figures}/{figure}"},
            )  # fmt: skip


def _fours(random: Random) -> Iterator[BenchmarkRow]:
    """NaturalBench's groups: the answers are yes, no, no, yes, or A, B, B, A; one group in eight has letters."""
    for group, question, picture in itertools.product(range(ROWS // 4), range(2), range(2)):
        words = ("A", "B") if group % 8 == 0 else ("yes", "no")
        text = "What is it? Option: A:Cup; B:Jar;" if group % 8 == 0 else f"Is it {_thing(random)}?"
        yield BenchmarkRow(
            f"{group}/q{question}_i{picture}", f"{group}_{picture}.jpg", text,
            answers=(words[question ^ picture],), choices=words,
            units={"group": str(group), "question": f"{group}/q{question}", "picture": f"{group}/i{picture}"},
        )  # fmt: skip


def _pairs(random: Random) -> Iterator[BenchmarkRow]:
    """One question about two pictures, whose answers differ."""
    for pair in range(ROWS // 2):
        first = random.randrange(2)
        for place, right in enumerate((first, 1 - first)):
            number = str(2 * pair + place + 1)
            yield BenchmarkRow(number, f"{number}.jpg", f"Is {_thing(random)} open or closed?", answers=(str(right),),
                               choices=("Open", "Closed"), units={"pair": str(pair)})  # fmt: skip


def _choices(random: Random) -> Iterator[BenchmarkRow]:
    for number in range(ROWS):
        choices = random.sample(_THINGS, 2 + number % 4)
        yield BenchmarkRow(str(number), f"{number}.jpg", "Which of these is it?", choices=tuple(choices),
                           answers=(str(random.randrange(len(choices))),))  # fmt: skip


def _people(random: Random) -> Iterator[BenchmarkRow]:
    """Ten people each: three questions in eight are of yes or no, and one person in five says something else."""
    for number in range(ROWS):
        words, text = (("yes", "no"), "Is it clean?") if number % 8 < 3 else (_COLOURS, "Which colour is it?")
        most = random.choice(words)
        answers = tuple(most if random.random() < 0.8 else random.choice(words) for _ in range(10))
        yield BenchmarkRow(str(number), f"{number // 3}.jpg", text, answers=answers)


def _gqa(random: Random) -> Iterator[BenchmarkRow]:
    """As many questions of yes or no as of colours, of which GQA-OOD calls a third rare."""
    for number in range(ROWS):
        binary = number % 2 == 0
        answer = random.choice(("yes", "no") if binary else _COLOURS)
        record = {
            "question": f"Is it {_thing(random)}?" if binary else "Which colour is it?",
            "answer": answer, "imageId": str(number // 3),
            "isBalanced": True, "semantic": [], "entailed": [], "groups": {"global": None},
            "types": {"structural": "verify" if binary else "query", "semantic": "attr", "detailed": "attr"},
        }  # fmt: skip
        yield BenchmarkRow(str(number), f"{number // 3}.jpg", record["question"], answers=(answer,), record=record,
                           group="tail" if number % 3 == 0 else "head")  # fmt: skip


_STRUCTURES: dict[tuple[str, ...], tuple[str, Callable[[Random], Iterator[BenchmarkRow]]]] = {
    ("refcoco", "refcoco+", "refcocog", "refadv", "compovl", "flickr30k", "rows"): ("grounding", _expressions),
    ("compovl", "its negatives"): ("grounding", _nested_negatives),
    ("ref_l4",): ("grounding", _expressions),
    ("grefcoco",): ("grounding", _none_or_many),
    ("finecops",): ("grounding", _negatives),
    ("gqa",): ("gqa", _gqa),
    ("gqa_ood",): ("gqa", _gqa),
    ("pope",): ("pope", _yes_or_no),
    ("vqav2", "okvqa", "vizwiz"): ("vqa", _people),
    ("textvqa",): ("vqa", _people),
    ("hallusionbench",): ("one_word", _figures),
    ("naturalbench",): ("one_word", _fours),
    ("mmvp",): ("choice", _pairs),
    ("vsr",): ("true_false", _statements),
    ("choice",): ("choice", _choices),
}


def at_hand(data: Path) -> dict[str, Benchmark]:
    """What real files there are under a folder."""
    files = {
        "compovl": "promvil/data_sample.json", "gqa": "gqa/gqa_testdev_250.json", "pope": "pope/coco_pope_popular.jsonl",
        "vsr": "vsr/zeroshot_dev.jsonl", "hallusionbench": "hallusion/HallusionBench.json",
        "naturalbench": "naturalbench/test_set.first200.json",
    }  # fmt: skip
    return {f"`{name}`": read(name, data / path) for name, path in files.items() if (data / path).exists()}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers_without_looking", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of real files (default: invented rows)")
    options = parser.parse_args(argv)
    print(table(measured(invented() if options.data is None else at_hand(options.data))))


if __name__ == "__main__":
    main()
