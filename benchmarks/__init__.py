# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Side-by-side benchmarks: each module prints one JSON object. They compare CPU time of one thread."""

import os


for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # read when numpy and torch are loaded, which the modules of this package do
