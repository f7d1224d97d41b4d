# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""CompoVL: Visual Genome read, scene graphs composed into nested phrases, mixed with other data, and published. No torch."""
