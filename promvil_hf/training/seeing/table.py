# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The table at the end of the stages: what the model sees, and the rows that keep its numbers honest."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from promvil_hf.training.seeing.album import Album
from promvil_hf.training.seeing.align import Names, Projector, projected
from promvil_hf.training.seeing.measure import Pair, Seen, balanced_pairs, in_rows, probe, sight
from promvil_hf.training.seeing.questions import PlaceQuestions, margins
from promvil_hf.training.seeing.reading import presence_turn


def measured(
    reader,
    collator: PlaceQuestions,
    album: Album,
    exam: Album,
    names: Names,
    whole: Projector,
    places: torch.Tensor,
    without_training: Callable[[], torch.Tensor],
    *,
    questions: int,
    seed: int,
    say: Callable[[str], object],
) -> dict:
    """Balanced questions about the photographs of `exam`.

    Args:
        reader: The model with its adapter.
        whole: The projector that saw all photographs of `album`.
        places: Of `album`, each by a projector that did not see the photograph: they say from which cosine on "yes" is said.
        without_training: Gives the places of `exam` by a tower of random weights, aligned in the same way.
        questions: In a row, at most.
        seed: Of which other photograph is shown.
        say: Is told each row of the table as it is there.
    """
    pairs, count = balanced_pairs(exam.classes, exam.photographs), len(exam.photographs)
    seen = projected(exam.features, whole)
    others = torch.tensor(np.random.default_rng(seed).permutation(count))
    another = torch.empty_like(others)
    another[others] = others.roll(1)  # never the same photograph

    def read(places: torch.Tensor) -> dict:
        return asked(reader, collator, pairs, places, questions, count)

    def rows() -> Iterator[tuple[str, dict]]:
        yield "its photograph", read(seen)
        yield "another photograph", read(seen[another])
        yield "no photograph", asked_blind(reader, collator, pairs, names.centre.expand_as(seen[0]), questions, count)
        by_class = {"linear probe": probe(album.features, album.present(album.classes), exam.features)}
        known, there = names.cosines(places).amax(1), album.present(album.classes)
        by_class["cosine of places to names"] = names.cosines(seen).amax(1) - (known[there].mean() + known[~there].mean()) / 2
        for name, scores in by_class.items():
            yield name, of_scores(pairs, scores, album.classes, count)
        with reader.disable_adapter():
            yield "its photograph, language model as it came", read(seen)
        yield "a tower of random weights", read(without_training())

    found = {}
    for name, row in rows():
        found[name] = row
        say(_line(name, row))
    return {"questions": 2 * len(pairs), "photographs": count, "rows": found}


def of_scores(pairs: Sequence[Pair], scores: torch.Tensor, classes: Sequence[str], count: int) -> dict:
    """Of (photographs, classes) scores, which say "yes" above 0."""
    column = {name: number for number, name in enumerate(classes)}
    with_it, without_it = (
        np.array([float(scores[getattr(pair, side), column[pair.name]]) for pair in pairs]) for side in ("with_it", "without_it")
    )
    return sight(pairs, with_it, without_it, count).to_dict()


def asked(reader, collator, pairs: Sequence[Pair], places: torch.Tensor, questions: int, count: int) -> dict:
    rows = in_rows(pairs, questions)
    said = margins(
        reader,
        collator,
        [{"places": places[place], "turns": [presence_turn(name, True) for name in names]} for place, names in rows],
    )
    by_question = {
        (place, name): margin
        for (place, names), row in zip(rows, said, strict=True)
        for name, margin in zip(names, row, strict=True)
    }
    with_it, without_it = (
        np.array([by_question[getattr(pair, side), pair.name] for pair in pairs]) for side in ("with_it", "without_it")
    )
    return sight(pairs, with_it, without_it, count).to_dict()


def asked_blind(reader, collator, pairs: Sequence[Pair], place: torch.Tensor, questions: int, count: int) -> dict:
    """Each question once, with the same places for all: what the language model says by itself."""
    words = sorted({pair.name for pair in pairs})
    parts = [words[start : start + questions] for start in range(0, len(words), questions)]
    said = margins(reader, collator, [{"places": place, "turns": [presence_turn(name, True) for name in part]} for part in parts])
    margin = dict(zip(words, (each for row in said for each in row), strict=True))
    same = np.array([margin[pair.name] for pair in pairs])
    return sight(pairs, same, same, count).to_dict()


def table_text(table: Mapping) -> str:
    lines = [
        f"{table['questions']:,} balanced presence questions about {table['photographs']:,} photographs that were not trained; "
        "95 % intervals over photographs.",
        "",
        "| what answers | accuracy | the right photograph of a pair | says yes |",
        "|---|---|---|---|",
    ]
    lines += [_line(name, row) for name, row in table["rows"].items()]
    return "\n".join(lines) + "\n"


def _line(name: str, row: Mapping) -> str:
    shares = " | ".join(str(Seen(**row[key])) for key in ("accuracy", "pairs"))
    return f"| {name} | {shares} | {row['yes']:.2f} |"
