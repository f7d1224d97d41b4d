# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Files of answers, what an evaluation makes of them, and few resamples so that it is quick."""

import json
from pathlib import Path

from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.evaluation.scores import Resampling


ROOT = Path(__file__).resolve().parents[3]
FEW = Resampling(resamples=199)


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def scored(benchmark, path, strict=False, **settings):
    return evaluate(benchmark, read_predictions(path), Settings(resampling=FEW, **settings), strict=strict)


def counts(report):
    return {name: fault["count"] for name, fault in report.faults.items()}
