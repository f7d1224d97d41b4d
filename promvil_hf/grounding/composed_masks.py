# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's masks of phrases with relations: of what a detector finds only what the composed grounder chooses."""

from promvil_hf.backends.detector_loading import load_detector
from promvil_hf.backends.segmenters import load_sam, masked
from promvil_hf.backends.text_detectors import GROUNDING_DINO
from promvil_hf.fivl.mask_making import DEFAULTS, MaskAnnotator, MaskSettings, by_phrase
from promvil_hf.grounding.composed_detector import composed, composed_detector


def load_composed(
    detector: str = GROUNDING_DINO, segmenter: str | None = None, settings: MaskSettings = DEFAULTS, **where: str
) -> MaskAnnotator:
    """`by_phrase` over the boxes of a detector, so that "the man left of the car" is one man. Masks are those of the detector,
    else those of a SAM or SAM 2, else the boxes."""
    detect = load_detector(detector, settings.box_threshold, settings.batch_size, **where)
    if segmenter is not None:
        detect = masked(detect, load_sam(segmenter, settings.sam_masks, settings.boxes_at_once, **where))
    return by_phrase(composed_detector(composed(detect, detector)), settings)
