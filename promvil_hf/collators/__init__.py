# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From rows to batches: documented keys in, documented keys out. Floor 3."""
