# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""One module a job, called by the command `promvil` and by `recipes/`."""
