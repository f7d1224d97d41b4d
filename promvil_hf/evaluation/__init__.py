# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From answers to numbers one can compare, on any benchmark of `promvil_hf.evaluation.benchmarks`.

    picture_folder  the picture of a row in a folder, wherever the benchmark's own path would put it
    predictions     files of answers, matched to the benchmark by id, every fault counted and named
    answering       a model's answers to a benchmark, resumable, by one process or several
    scores          one score for each kind of task, with what makes it comparable
    results         a benchmark and its answers -> `Report`
    comparison      two reports -> `Comparison`
    report          a `Report` as text and as a page
    twin_answers    a model's answers to twins, in which parts of the picture are hidden
    reliance        answers to twins -> `RelianceReport`, the Visual Reliance Score with its controls
    reliance_page   a `RelianceReport` as text and as a page
    report_files    both reports as JSON; report_text: what both say in plain text
    hub_scores      a `Report` as the Hub's evaluation results

Answers from a file never load torch.
"""
