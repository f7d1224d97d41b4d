# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a name to a detector: a checkpoint of transformers, or a file of ONNX.

torch and transformers are loaded when a checkpoint is.
"""

from promvil_hf.backends.checkpoint_names import located
from promvil_hf.backends.detectors import Detector
from promvil_hf.backends.onnx_detectors import load_onnx_detector


ONNX = "onnx:"
SHORT_NAMES = {"sam3": "facebook/sam3"}


def load_detector(
    name: str, box_threshold: float | None = None, batch_size: int = 8, device: str = "auto", dtype: str = "float32"
) -> Detector:
    """The detector of this name.

    Args:
        name: A checkpoint of Grounding DINO, MM-Grounding DINO, OWLv2 or SAM 3, as a folder or on the Hub; "sam3"; or
            "onnx:FILE", a detector with fixed classes (see `promvil_hf.backends.onnx_detectors`). Any model that grounds
            phrases, such as "toy:kosmos2", is asked for nouns (see `promvil_hf.backends.model_detectors`).
        box_threshold: Least score of a box. None is the detector's own.
        batch_size: Bound on memory: how many pictures or phrases run at a time.
        device, dtype: Of a checkpoint. "auto" is the GPU of this process, or the CPU.
    """
    least = {} if box_threshold is None else {"threshold": box_threshold}
    if name.startswith(ONNX):
        return load_onnx_detector(name.removeprefix(ONNX), **least)
    name = located(SHORT_NAMES.get(name, name))
    return _of_checkpoint(name, least, batch_size, device, dtype)


def _of_checkpoint(name: str, least: dict, batch_size: int, device: str, dtype: str) -> Detector:
    import transformers

    from promvil_hf.backends.families import family_of
    from promvil_hf.backends.loading import load, read_config
    from promvil_hf.backends.model_detectors import model_detector
    from promvil_hf.backends.segmenters import sam3
    from promvil_hf.backends.text_detectors import grounding_dino, owlv2, pretrained

    known = {
        transformers.GroundingDinoConfig: (transformers.GroundingDinoForObjectDetection, grounding_dino),
        transformers.MMGroundingDinoConfig: (transformers.MMGroundingDinoForObjectDetection, grounding_dino),
        transformers.Owlv2Config: (transformers.Owlv2ForObjectDetection, owlv2),
        transformers.Sam3Config: (transformers.Sam3Model, sam3),
    }
    config = read_config(name)
    if family_of(config) is not None:
        if least:
            raise ValueError(f"You passed a least score for {name}, a model that gives its boxes none. Leave it out.")
        backend = load(name, device=None if device == "auto" else device, dtype=dtype)
        return model_detector(backend, batch_size=batch_size)
    if type(config) not in known:
        raise ValueError(
            f"The checkpoint {name} is no detector that is known here ({type(config).__name__}). Pass one of Grounding DINO, "
            "MM-Grounding DINO, OWLv2 or SAM 3, a model that grounds phrases, or onnx:FILE; any other can be given in code, as a "
            "function."
        )
    kind, make = known[type(config)]
    processor = transformers.AutoProcessor.from_pretrained(name, trust_remote_code=False)
    return make(pretrained(kind, name, device, dtype), processor, batch_size=batch_size, **least)
