# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every kind of file that the package reads, by name."""

from tests.mutations.files_of_benchmarks import BENCHMARKS, PREDICTIONS


FILES = {**BENCHMARKS, **PREDICTIONS}
