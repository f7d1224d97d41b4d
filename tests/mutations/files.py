# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every kind of file that the package reads, by name."""

from tests.mutations.files_of_benchmarks import BENCHMARKS, PREDICTIONS
from tests.mutations.files_of_builds import BUILDS
from tests.mutations.files_of_hard_benchmarks import HARD_BENCHMARKS
from tests.mutations.files_of_models import MODELS
from tests.mutations.files_of_results import RESULTS
from tests.mutations.files_of_twins import TWINS


FILES = {**BENCHMARKS, **HARD_BENCHMARKS, **PREDICTIONS, **BUILDS, **RESULTS, **MODELS, **TWINS}
