# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Progressive grounding: a complex expression is grounded by grounding its simpler parts first.

    trace = ProgressiveGrounder(backend).ground(image, "the man next to the woman holding an umbrella")

Exact and fast at once. Each picture is read once, prompts about it share its prefix, all steps of a level run
together; the answers are those of asking one by one. Rooms: `trace` holds the values, `options` the modes, `planning`
who is told about whom, `images` reads pictures, `sharing` keeps what prompts share, `writing` decodes, `constrained`
chooses tokens, `engine` puts them together, `drawing` makes pictures.
"""

from promvil_hf.grounding.engine import ProgressiveGrounder
from promvil_hf.grounding.options import GroundingOptions
from promvil_hf.grounding.trace import GroundingTrace, Query, Step


__all__ = ["GroundingOptions", "GroundingTrace", "ProgressiveGrounder", "Query", "Step"]
