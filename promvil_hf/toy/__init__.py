# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A world small enough to be understood whole: drawn scenes with their truth (`promvil_hf.toy.world`), tiny models in code."""
