# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The places users already are: lmms-eval, lighteval and TRL, on the toy world."""
