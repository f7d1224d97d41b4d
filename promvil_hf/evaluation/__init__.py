# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From answers to numbers one can compare, on any benchmark of `promvil_hf.evaluation.benchmarks`.

    scores       one score for each kind of task, with what makes it comparable; the metric modules are made of these
    predictions  files of answers, matched to the benchmark by id, every fault counted and named
    answering    a model's answers to a benchmark, resumable, by one process or several
    results      a benchmark and its answers -> `Report`; two reports -> `Comparison`

Answers from a file never load torch. Floor 5; pages and tables of a report stand in `promvil_hf.evaluation.report`.
"""
