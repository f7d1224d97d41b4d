# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A LLaVA put together from a pretrained vision tower and a pretrained language model."""

from promvil_hf.assembling.assemble import Assembled, assemble


__all__ = ["Assembled", "assemble"]
