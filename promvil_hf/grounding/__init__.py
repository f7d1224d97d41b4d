# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Progressive grounding: a complex expression is grounded by grounding its simpler parts first.

    trace = ProgressiveGrounder(backend).ground(image, "the man next to the woman holding an umbrella")
    trace = ComposedGrounder(detector).ground(image, "the man next to the woman holding an umbrella")

Each picture is read once, prompts about it share its prefix, all steps of a level run together; the answers are those of
asking one by one. Rooms: `trace` holds the values, `windows` takes queries, `drawing` makes pictures. Over a model:
`options` the modes, `planning` which earlier phrases go into which prompt, `shared_prefix` keeps what prompts share,
`decode` writes, `constrained` chooses tokens, `engine` puts them together. Over a detector: `reading` what a phrase asks
for, `geometry`, `relations` and `choices` how well boxes fit it, `composing` the distributions, `composer` puts them
together.
"""

from promvil_hf.grounding.composer import ComposedGrounder
from promvil_hf.grounding.composing import ComposerSettings
from promvil_hf.grounding.engine import ProgressiveGrounder
from promvil_hf.grounding.options import GroundingOptions
from promvil_hf.grounding.trace import GroundingTrace, Query, Step


__all__ = [
    "ComposedGrounder",
    "ComposerSettings",
    "GroundingOptions",
    "GroundingTrace",
    "ProgressiveGrounder",
    "Query",
    "Step",
]
