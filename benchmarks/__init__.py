# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Side-by-side benchmarks: each module prints one JSON object."""
