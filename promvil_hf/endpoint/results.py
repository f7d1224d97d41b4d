# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What an endpoint says back: `Answer`, or `Unanswered` with a reason word, and the totals `Spent`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promvil_hf.jobs import JobError, Rejected


if TYPE_CHECKING:
    from pydantic import BaseModel

REASONS = {
    "rate limited": "the server still answered 429 after the last attempt, or asked for a wait beyond `longest_wait`",
    "server error": "the server still answered 5xx after the last attempt",
    "timed out": "the server had not sent a whole answer after `timeout` seconds at the last attempt",
    "connection failed": "the connection was refused, reset or broken at the last attempt",
    "bad response": "the server answered 200 with something that is no chat completion",
    "unauthorized": "the server refused the key (401) or the account (402); nothing else is asked in this process",
    "refused": "the server refused the request (any other 4xx), or sent it elsewhere (3xx)",
    "declined": "the model or its filter declined to answer",
    "empty answer": "the answer had no choices or no text",
    "half json": "the JSON in the answer ends before its brackets are closed",
    "no json": "there is no JSON in the answer",
    "wrong schema": "the JSON in the answer does not fit the schema",
    "cut off": "the answer reached `max_tokens` before its JSON was complete",
    "too long": "the answer is longer than `max_chars`, or its body than any such answer",
    "unsendable": "the messages cannot be written as JSON",
    "cache damaged": "the stored answers of this prompt cannot be read; delete the named file to ask again",
    "stopped": "the run was stopped while this prompt waited",
}
# Another run may mend these.
PASSING = frozenset(
    ("rate limited", "server error", "timed out", "connection failed", "unauthorized", "stopped", "cache damaged")
)
# Asking again cannot help these: the same request would end the same way, and it is paid.
FINAL_ANSWERS = {"declined", "cut off", "too long"}


def check_answered(ended: Sequence[str], tolerant: bool = False) -> None:
    """Stop a job where its server gave no answer and another run may mend that: what was asked now is then not kept.

    `ended` holds a word for each request, one of `REASONS` where it has no answer. `tolerant` stops only where none has one.
    """
    lost = Counter(word for word in ended if word in PASSING)
    if not lost or (tolerant and lost.total() < len(ended)):
        return
    counted = ", ".join(f"{count} × {reason}" for reason, count in lost.most_common())
    raise JobError(
        f"The server gave no answer to {lost.total()} of {len(ended)} requests ({counted}). Nothing is lost: mend that and run "
        "the same command again, it goes on where it stopped."
    )


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for `Endpoint.ask_all`; `key` comes back with its result and may be anything."""

    key: Any
    messages: list[dict]
    schema: "type[BaseModel] | None" = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said. `value` is an instance of the schema, or the text where no schema was asked for.

    Tokens and cost cover every paid answer to this prompt, the unusable ones included, whenever they were bought;
    `cached` says that this call bought none of them. Both are None where the server did not report its usage.
    """

    value: Any
    text: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    requests: int
    cached: bool


@dataclass(frozen=True, slots=True)
class Unanswered(Rejected):
    """Why a prompt has no answer, and what that cost: `reason` is a key of `REASONS`, the rest is as in `Answer`."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cost: float | None = 0.0
    requests: int = 0
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """Totals of one `Endpoint` since it was made: what was sent, bought and reused."""

    requests: int
    bought: int
    reused: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    without_usage: int
    rejected: dict[str, int]

    def __str__(self) -> str:
        tokens = f"{self.prompt_tokens} + {self.completion_tokens} tokens, cost {self.cost:.6g}"
        unknown = f" ({self.without_usage} answers came without usage)" if self.without_usage else ""
        rejects = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items())) or "none"
        return (
            f"{self.requests} requests, {self.bought} answers bought, {self.reused} reused; {tokens}{unknown}; "
            f"rejected: {rejects}"
        )
