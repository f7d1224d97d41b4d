# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Look at a built dataset with your own eyes: one page of samples with a judgement form, and what the verdicts say.

    promvil inspect compovl built/ --sample 100 --out judge.html
    promvil inspect compovl --verdicts compovl-verdicts.json

Floor 5. Thin: the first argument names the module that does the work, and only that one is loaded.
"""

from promvil_hf.commands.one_of import add_choice, run_choice


DATASETS = {  # name: (module of promvil_hf.commands, what it shows)
    "compovl": ("inspect_compovl", "chains drawn level by level on their images"),
    "fivl": ("inspect_fivl", "key expressions with their masks"),
}


def add_arguments(parser):
    add_choice(parser, DATASETS, "dataset to look at")


def run(args):
    return run_choice(args, DATASETS, "inspect")
