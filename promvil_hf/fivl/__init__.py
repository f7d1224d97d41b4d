# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Annotators: what looks at images and text and writes down phrases, boxes, masks or judgements for a dataset.

Each kind is one callable type that takes a list of items and returns one result or `promvil_hf.jobs.Rejected` for each,
in order: just what `promvil_hf.jobs.run` wants of its work. Floor 3.
"""
