# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct: conversations read, key expressions extracted, masks made, rows and perturbed twins published.

An annotator is a callable that takes a list of items and returns one result or `promvil_hf.jobs.Rejected` for each, in order.
"""
