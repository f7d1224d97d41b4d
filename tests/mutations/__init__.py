# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Mutations of every kind of file and answer that the package reads: each is read, rejected with a reason, or refused.

    python -m tests.mutations                        100,000 files and 20,000 answers, each damaged in one place
    python -m tests.mutations --kind pope --count 500 --seed 7

`changes` damages, `files` and `answers` are the tables of kinds, `running` reads what was damaged and judges what happened.
"""
