# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Build a dataset: nested grounding data (compovl) or key expressions with masks (fivl).

    promvil build compovl --vg visual_genome --out compovl
    promvil build fivl --help

Floor 5. Thin: the first argument names the module that does the work, and only that one is loaded.
"""

from promvil_hf.commands.one_of import add_choice, run_choice


DATASETS = {  # name: (module of promvil_hf.commands, what it builds)
    "compovl": ("build_compovl", "nested phrases with boxes from Visual Genome, decontaminated and resumable"),
    "fivl": ("build_fivl", "questions and answers with key expressions and their masks (FiVL-Instruct)"),
}


def add_arguments(parser):
    add_choice(parser, DATASETS, "dataset to build")


def run(args):
    return run_choice(args, DATASETS, "build")
