# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A backend whose model runs on an OpenAI-compatible server, behind the client of `promvil_hf.endpoint`.

A server shows text, no tokens. So answers come without tokens and log-probabilities, image tokens have no
places, and a stop rule, which looks at tokens, is refused. A prompt without an answer is a value with a reason, as
everywhere: an empty text that `ended` with a word of `promvil_hf.endpoint.REASONS`. No torch.
"""

import copy
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from promvil_hf import endpoint as client
from promvil_hf.backends.base import Decoding, Generated, Request
from promvil_hf.dialects import GroundingDialect
from promvil_hf.frames import ImageSize
from promvil_hf.images import as_rgb


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndpointBackend:
    """A served model and the dialect that it writes boxes in, which a server does not report.

    Length, temperature, seed and top-p come with each `Decoding`; everything else, such as the cache of paid answers and the
    limits, belongs to the endpoint.
    """

    endpoint: client.Endpoint
    dialect: GroundingDialect

    def generate(self, requests: Sequence[Request], decoding: Decoding = Decoding()) -> list[Generated]:  # noqa: B008
        """Answers in the order of the requests, asked side by side."""
        if decoding.stop is not None:
            raise ValueError(
                "You passed a stop rule to a served model: a rule looks at tokens, and a server shows only text. Leave "
                "it out; the dialect's parser reads the same boxes from a longer answer."
            )
        asked = [client.Request(None, [_message(request)]) for request in requests]
        answers = [_generated(answer) for _, answer in _with(self.endpoint, decoding).ask_all(asked)]
        if lost := Counter(answer.ended for answer in answers if answer.ended in client.REASONS):
            reasons = ", ".join(f"{count} {reason}" for reason, count in lost.most_common())
            logger.warning("%d of %d requests have no answer: %s", lost.total(), len(answers), reasons)
        return answers

    def token_boxes(self, inputs, image_sizes: Sequence[ImageSize]) -> None:
        """None: nobody outside the server knows where its image tokens lie."""
        return None


def _message(request: Request) -> dict:
    return client.user(request.prompt, *([] if request.image is None else [as_rgb(request.image)]))


def _with(endpoint: client.Endpoint, decoding: Decoding) -> client.Endpoint:
    """The same endpoint, with its cache, counts and limits, on this decoding's terms."""
    terms: dict = {"max_tokens": decoding.max_new_tokens, "temperature": 0.0}
    if decoding.sample:
        top_p = {} if decoding.top_p == 1.0 else {"top_p": decoding.top_p}
        terms |= {"temperature": decoding.temperature, "seed": decoding.seed}
        terms |= {"extra": {**(endpoint.extra or {}), **top_p} or None}
    # A new `Endpoint` would start its own counts and its own rate limit; a copy shares them.
    same = copy.copy(endpoint)
    for name, value in terms.items():
        object.__setattr__(same, name, value)
    return same


def _generated(answer: client.Answer | client.Rejected) -> Generated:
    if isinstance(answer, client.Rejected):
        return Generated("", (), (), answer.reason)
    return Generated(answer.text, (), (), "length" if answer.finish_reason == "length" else "end")
