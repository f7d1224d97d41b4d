# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Stages that teach an assembled model to see: places get the names of what is there, the language model learns to read them."""
