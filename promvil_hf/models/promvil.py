# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""lmms-eval's model `promvil`: any checkpoint that `promvil_hf.load` takes, with or without an adapter.

    LMMS_EVAL_PLUGINS=promvil_hf python -m lmms_eval --model promvil \\
        --model_args pretrained=microsoft/kosmos-2-patch14-224,adapter=runs/kosmos2-lora --tasks promvil_compovl

Imports lmms-eval, which is no dependency of this package.
"""

from lmms_eval.api.model import lmms
from tqdm import tqdm

from promvil_hf.backends.base import Decoding, Request
from promvil_hf.backends.loading import load
from promvil_hf.tasks.speaking import speak


class Promvil(lmms):
    def __init__(
        self, pretrained: str, adapter: str | None = None, batch_size: int = 1, device: str | None = None, **options
    ):
        super().__init__()
        self.backend = load(pretrained, adapter, device=None if device in (None, "auto") else device, **options)
        self.batch_size_per_gpu = int(batch_size)
        speak(self.backend.dialect)

    def generate_until(self, requests) -> list[str]:
        answers = []
        for start in tqdm(range(0, len(requests), self.batch_size_per_gpu), desc="promvil"):
            asked = [request.args for request in requests[start : start + self.batch_size_per_gpu]]
            batch = [
                Request(prompt, self._image(to_visual, task, split, doc_id))
                for prompt, _, to_visual, doc_id, task, split in asked
            ]
            longest = max(int(options.get("max_new_tokens", 64)) for _, options, *_ in asked)
            answers += [said.text for said in self.backend.generate(batch, Decoding(max_new_tokens=longest))]
        return answers

    def _image(self, to_visual, task: str, split: str, doc_id: int):
        pictures = to_visual(self.task_dict[task][split][doc_id])
        if len(pictures) > 1:
            raise ValueError(f"Task {task} shows {len(pictures)} pictures at once; this model takes one.")
        return pictures[0] if pictures else None

    def loglikelihood(self, requests):
        raise NotImplementedError("This model answers in words and boxes; it has no task of log-likelihoods.")

    def generate_until_multi_round(self, requests):
        raise NotImplementedError("This model answers one question at a time.")
