# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The experiments of both papers as commands: what each needs, what the paper has, and the small form that runs anywhere."""
