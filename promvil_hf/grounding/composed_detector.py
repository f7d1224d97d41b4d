# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a detector to a composed grounder, and back: whoever takes detectors, such as the makers of FiVL's masks, then reads
relations.
"""

import math
from collections.abc import Sequence

from PIL import Image

from promvil_hf.backends.detector_loading import ONNX
from promvil_hf.backends.detectors import Detection, Detector, Found, remembered
from promvil_hf.grounding.composer import UNKNOWN_NOUN, ComposedGrounder
from promvil_hf.grounding.composing import ComposerSettings
from promvil_hf.grounding.trace import Query, Step


def composed(detector: Detector, name: str, mode: str = "composed") -> ComposedGrounder:
    """The grounder over a detector that was loaded by this name: each noun is looked for once in a picture, and a detector
    with fixed classes is asked for nouns alone."""
    return ComposedGrounder(remembered(detector), ComposerSettings(described=not name.startswith(ONNX), mode=mode))


def composed_detector(grounder: ComposedGrounder) -> Detector:
    """Finds an expression by what the grounder chooses for it; the score is the chance that the best box
    is meant."""

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        traces = grounder.ground_all([Query(picture, text) for picture, text in pairs], progress=False)
        return [_found(trace.steps[-1]) if trace.steps else Found() for trace in traces]

    return detect


def _found(step: Step) -> Found:
    if not step.boxes:
        return Found(known=not (step.reason or "").startswith(UNKNOWN_NOUN))
    score = round(math.exp(step.score), 4)
    masks = step.masks or (None,) * len(step.boxes)
    return Found([Detection(box, score, mask) for box, mask in zip(step.boxes, masks, strict=True)])
