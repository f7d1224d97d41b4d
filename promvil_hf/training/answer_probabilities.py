# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How likely a model in training is to give an answer about a picture as it is, and with parts of it hidden.

    AnswerProbabilities(backend, maker)(completion_ids=…, row=…, image=…)     -> [(whole, key boxes hidden, others hidden), …]

What `promvil_hf.rewards.reliance_reward` asks. Equal questions about equal answers, as in a group, are asked once.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from promvil_hf.backends.base import Request, unwrapped
from promvil_hf.backends.decoding import PER_TOKEN, in_evaluation_mode
from promvil_hf.backends.patch_tokens import PatchTokenBackend
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.twins import key_boxes, twins
from promvil_hf.markup import escape
from promvil_hf.training.reward_rows import TWINS, WHOLE, PromptMaker


@dataclass(frozen=True)
class AnswerProbabilities:
    """See the module.

    Args:
        backend: Of the model in training.
        maker: Says how questions are worded, what stands where something is hidden, and where random boxes lie.
        batch_size: How many (picture, answer) pairs go through the model at once.
    """

    backend: PatchTokenBackend
    maker: PromptMaker
    batch_size: int = 32

    def __call__(
        self,
        completion_ids: Sequence[Sequence[int]],
        row: Sequence[FivlRow | None],
        image: Sequence[Any],
        twin: Sequence[str | None] | None = None,
        **_: Any,
    ) -> list[tuple[float, float, float] | None]:
        """For each answer the three probabilities; None for a question that has nothing to hide, or that is asked about a picture
        of which something is hidden already."""
        kinds = twin or [WHOLE] * len(row)
        places: dict[tuple, list[int]] = {}
        for place, (tokens, question, kind) in enumerate(zip(completion_ids, row, kinds, strict=True)):
            if question is not None and kind in (None, WHOLE) and key_boxes(question) and len(tokens):
                places.setdefault((question.row_id, tuple(tokens)), []).append(place)
        asked = [(row[same[0]], image[same[0]], list(tokens)) for (_, tokens), same in places.items()]
        pairs = [(request, tokens) for question, picture, tokens in asked for request in self._requests(question, picture)]
        found = torch.cat([answer_log_probs(self.backend, pairs[at : at + self.batch_size])
                           for at in range(0, len(pairs), self.batch_size)] or [torch.zeros(0)])  # fmt: skip
        answers: list[tuple[float, float, float] | None] = [None] * len(row)
        for same, (whole, keys, elsewhere) in zip(places.values(), found.exp().view(-1, len(TWINS)).tolist(), strict=True):
            for place in same:
                answers[place] = (whole, keys, elsewhere)
        return answers

    def _requests(self, question: FivlRow, picture: Any) -> Iterator[Request]:
        text = self.maker.prompt.replace("{text}", escape(question.turns[0].question))
        for twin in twins(question, picture, TWINS, self.maker.fill, self.maker.seed):
            yield Request(text, twin.image)


@torch.no_grad()
def answer_log_probs(backend: PatchTokenBackend, pairs: Sequence[tuple[Request, Sequence[int]]]) -> torch.Tensor:
    """(pairs,) the log-probability of each answer, given as tokens, after its request."""
    batch = dict(backend.inputs([request for request, _ in pairs]))  # prompts end in one column
    device, longest = backend.model.device, max(len(tokens) for _, tokens in pairs)
    answers = torch.zeros(len(pairs), longest, dtype=torch.long)
    given = torch.zeros_like(answers)
    for place, (_, tokens) in enumerate(pairs):
        answers[place, : len(tokens)] = torch.tensor(list(tokens))
        given[place, : len(tokens)] = 1
    answers, given = answers.to(device), given.to(device)
    added: Mapping[str, torch.Tensor] = {"input_ids": answers, "attention_mask": given}
    for name in PER_TOKEN:
        if name in batch:
            batch[name] = torch.cat([batch[name], added.get(name, torch.zeros_like(answers)).to(batch[name].dtype)], 1)
    model = unwrapped(backend.model)
    keep = {"logits_to_keep": longest + 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    with in_evaluation_mode(backend.model):
        logits = backend.model(**batch, use_cache=False, **keep).logits[:, -longest - 1 : -1].float()
    log_probs = logits.log_softmax(-1).gather(-1, answers[..., None])[..., 0]
    return (log_probs * given).sum(1).cpu()
