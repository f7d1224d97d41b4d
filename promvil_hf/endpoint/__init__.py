# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A client for any OpenAI-compatible server that never buys the same answer twice.

`Endpoint.ask` returns a value for every prompt: an `Answer`, or `Unanswered` (a `promvil_hf.jobs.Rejected` that knows
its price) with a reason word from `REASONS`; what the server does never raises. Each answer that was paid for is on
disk, whole and unparsed, before anything looks at it: a killed run, a second thread with the same prompt or a stricter
parser next month reads it from there.

The budget of one prompt. `attempts` counts the requests of one call: rate limits, server errors, time-outs and
dropped connections are repeated with exponential back-off and jitter until it is used up. `bad_answers` counts the
paid answers that did not fit the schema, over all runs, because they are on disk too: raise it to buy another one.
A refused `response_format` costs one unpaid request per schema on top; after that the schema travels in the prompt.

Two processes that ask the same prompt at the same moment do not see each other: give each its own part of the work.

This package may read and write `cache_dir` and talk to `base_url`, nothing else. The key is sent to the server only:
it is in no repr, no error, no log line and no file.
"""

from promvil_hf.endpoint.client import Endpoint
from promvil_hf.endpoint.messages import image_part, system, user
from promvil_hf.endpoint.reading import read_structured
from promvil_hf.endpoint.results import REASONS, Answer, Request, Spent, Unanswered, check_answered
from promvil_hf.endpoint.secret import API_KEY_VARIABLE
from promvil_hf.jobs import Rejected


__all__ = [
    "API_KEY_VARIABLE",
    "REASONS",
    "Answer",
    "Endpoint",
    "Rejected",
    "Request",
    "Spent",
    "Unanswered",
    "check_answered",
    "image_part",
    "read_structured",
    "system",
    "user",
]
