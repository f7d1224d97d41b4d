# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Data: readers, builders and converters of the rows this package trains and evaluates on. Floor 2: no torch."""
