# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Kosmos-2."""

from promvil_hf.backends.families.family import Family
from promvil_hf.dialects import Kosmos2


KOSMOS2 = Family(
    known_as="Kosmos-2",
    dialect=lambda _: Kosmos2(),
    why_no_places="Kosmos-2 sees a picture through latent queries (64 in the published checkpoint), each of which looks at "
    "all of it, so its image tokens have no boxes. Use a model whose image tokens are patches, such as LLaVA, PaliGemma "
    "or Qwen2.5-VL, or toy:llava, which comes with this package.",
    backend="promvil_hf.backends.kosmos2:Kosmos2Backend",
    causal=True,
    projector="image_to_text_projection",
)
FAMILIES = {"kosmos-2": KOSMOS2}
