# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Hours and memory of a step on a GPU, counted from what the model computes and moves. Nothing here was measured on one.

Operations: two for each weight and token forward, as many again for gradients of activations, and as many again for those of
weights, where all are trained. Generating reads all weights once for each token of a batch. Of the data sheets' speeds a share
is assumed (`REACHED`, `MOVED`).
"""

from dataclasses import dataclass

from promvil_hf.reproducing.experiments import Work


GB = 1e9
REACHED = 0.35  # of the data sheet's operations a second
MOVED = 0.6  # of its bytes a second


@dataclass(frozen=True, slots=True)
class Gpu:
    """As NVIDIA's data sheets have it: memory, operations a second by bits (dense), bytes a second."""

    name: str
    memory: float
    speed: dict[int, float]
    bandwidth: float


GPUS = (
    Gpu("24 GB (RTX 4090)", 24 * GB, {32: 82.6e12, 16: 165e12}, 1_008 * GB),
    Gpu("40 GB (A100)", 40 * GB, {32: 19.5e12, 16: 312e12}, 1_555 * GB),
    Gpu("80 GB (H100)", 80 * GB, {32: 67e12, 16: 989e12}, 3_350 * GB),
)


@dataclass(frozen=True, slots=True)
class Size:
    """Of a model: weights that every token passes, those of the picture's tower, and shapes.

    Args:
        text: Weights of the language model without its embeddings.
        head: Weights of the last layer, over the vocabulary.
        vision: Weights of the tower and the projection.
        patches: Tokens in the tower.
        image: Tokens of a picture in the language model.
        layers: Of the language model.
        width: Of the language model.
        vocabulary: Words.
        adapter: Weights that LoRA trains.
    """

    text: float
    head: float
    vision: float
    patches: int
    image: int
    layers: int
    width: int
    vocabulary: int
    adapter: float

    @property
    def weights(self) -> float:
        return self.text + self.head + self.vision


# From the published configurations: Kosmos-2 has 1,342,289,920 weights in its text model, 133 million of them embeddings that are
# the head too; LLaVA-1.5-7B's Vicuna has 6,738 million with embeddings and head of 131 million each.
MODELS = {
    "kosmos2": Size(1.209e9, 0.133e9, 0.322e9, 257, 66, 24, 2_048, 65_037, 85_983_232),
    "llava": Size(6.476e9, 0.131e9, 0.325e9, 577, 576, 32, 4_096, 32_064, 319_815_680),
    # Qwen3-VL-4B: a picture of 640 x 480 in cells of 16 pixels, four of which make a token; the head is the embeddings too
    "vlm4b": Size(3.63e9, 0.389e9, 0.415e9, 1_200, 300, 36, 2_560, 151_936, 0),
    # GroundingDINO tiny (172 million weights, an image of 800 x 1,333 as 13,000 tokens of its pyramid) and SAM's largest encoder
    # (637 million, 4,096 tokens): only the sum of operations is used
    "masks": Size(0, 0, 0.172e9 + 0.637e9, 4_500, 0, 1, 1, 1, 0),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hours, and bytes of GPU memory."""

    hours: float
    memory: float

    def on(self, gpu: Gpu) -> str:
        return f"{hours_text(self.hours)}" if self.memory < 0.92 * gpu.memory else "does not fit"


def operations(work: Work) -> float:
    """Floating-point operations of all rows."""
    size = MODELS[work.model]
    tokens = size.image + work.words + work.writes
    seen = work.texts if work.trains or work.writes else 1  # the tower runs for every text
    text, vision = 2 * size.text * tokens * work.texts, 2 * size.vision * size.patches * seen
    attention = 4 * size.layers * size.width * tokens**2 * work.texts
    head = 2 * size.head * (work.words if work.trains else work.writes) * work.texts
    times = {"lora": 2, "full": 3}.get(work.trains, 1)
    tower_times = times if work.model == "kosmos2" or work.trains != "lora" else 1  # LLaVA's stays frozen
    return work.rows * (times * (text + attention + head) + tower_times * vision)


def moved(work: Work) -> float:
    """Bytes read from memory while generating: all weights for each token of a batch."""
    size = MODELS[work.model]
    return work.rows * work.texts / work.batch * work.writes * size.weights * work.bits / 8


def estimate(work: Work, gpu: Gpu) -> Estimate:
    """What a step takes on one such GPU."""
    speed = gpu.speed[work.bits] * REACHED
    seconds = operations(work) / speed + moved(work) / (gpu.bandwidth * MOVED)
    return Estimate(seconds / 3_600, memory(work))


def memory(work: Work) -> float:
    """Bytes on the GPU: weights, what is trained with its optimiser, and what a batch leaves between forward and backward."""
    size = MODELS[work.model]
    held = size.weights * work.bits / 8
    tokens = (size.image + work.words + work.writes) * work.batch
    if not work.trains:
        return held + 2 * size.layers * size.width * tokens * work.bits / 8 + 1.5 * GB
    trained = size.adapter if work.trains == "lora" else size.text + size.head
    kept = 34 * size.layers * size.width * tokens * work.bits / 16  # Korthikanti et al. 2022, without the square of attention
    kept = kept if work.bits == 32 else kept / size.layers + 2 * size.layers * size.width * tokens  # layers are computed again
    return held + trained * (work.bits / 8 + 12) + kept + 6 * work.words * work.batch * size.vocabulary + 1.5 * GB


def hours_text(hours: float) -> str:
    """
    >>> hours_text(0.01), hours_text(0.5), hours_text(12.34), hours_text(300)
    ('1 min', '30 min', '12 h', '300 h')
    """
    if hours < 0.95:
        return f"{max(1, round(hours * 60))} min"
    return f"{hours:.1f} h" if hours < 9.5 else f"{hours:.0f} h"
