# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""GLM-4.1V and GLM-4.6V: pictures and positions as in Qwen-VL, a text format of their own."""

from dataclasses import replace

from promvil_hf.backends.families.qwen import OURS, QWEN3
from promvil_hf.dialects import GlmBoxes


_GLM = replace(
    QWEN3,
    known_as="GLM-4.6V",
    dialect=lambda _: GlmBoxes(),
    processor=f"{OURS}:Glm46VImageTextProcessor",
    mark="<|begin_of_image|><|image|><|end_of_image|>",
    prompt="[gMASK]<sop><|user|>\n{picture}{prompt}<|assistant|>\n",
)
FAMILIES = {
    "glm4v": replace(_GLM, known_as="GLM-4.1V", processor=f"{OURS}:Glm4vImageTextProcessor"),
    "glm46v": _GLM,
}
