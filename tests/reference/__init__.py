# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Plain implementations, written from the papers' and libraries' descriptions, that tests and benchmarks compare ours with."""
