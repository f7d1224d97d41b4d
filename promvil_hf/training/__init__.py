# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Trainers on top of `transformers.Trainer`: PromViL's and FiVL's, and what the two share."""
