# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Backends: one vision-language model behind two methods. See `promvil_hf.backends.base` for what they promise."""
