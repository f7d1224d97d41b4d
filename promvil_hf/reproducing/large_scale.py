# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a large build takes, on paper: counts of what goes in, times rates that were measured on one CPU core, or counted.

Only CompoVL of Visual Genome's size was run, on made-up graphs (`python -m benchmarks.rehearsal`). Rates of a CPU come from
`measured_by`; hours of a GPU from `estimates`.
"""

from dataclasses import dataclass

from promvil_hf.fivl.extraction import SeenTurn, prompt
from promvil_hf.key_expressions import Turn
from promvil_hf.reproducing.estimates import GPUS, estimate
from promvil_hf.reproducing.experiments import Work
from promvil_hf.reproducing.promvil_experiments import BUILD


LETTERS_A_TOKEN = 4.2  # of English, in the tokenizers of today's models
IMAGE_TOKENS = 300  # of 640 x 480 pixels in Qwen3-VL, a token for 32 x 32
ANSWER_TOKENS = 30  # assumed: three phrases as JSON
TURNS = 5  # assumed: of a conversation of LLaVA's mix
SECONDS_AN_ANSWER = 2.0  # assumed: of a served model of 8 B


@dataclass(frozen=True, slots=True)
class Rate:
    """CPU seconds of one core and bytes on disk for one item. `measured_by` is the command."""

    seconds: float
    bytes: float
    measured_by: str


_COMMAND = "python -m benchmarks.scale --only fivl"  # on drawn scenes, whose turns are shorter than real ones
COMPOVL = Rate(BUILD.minutes * 60 / 108_077, BUILD.disk / 108_077, BUILD.measured)
WORDS = Rate(0.000_37, 0, _COMMAND)  # a turn
ROWS = Rate(0.004_5, 3_893, _COMMAND)  # a conversation
PAID = Rate(0, 3_243, _COMMAND)  # an answer


@dataclass(frozen=True, slots=True)
class Build:
    """A build of so many images, or of so many conversations with `TURNS` turns each."""

    what: str
    images: int
    conversations: int = 0

    @property
    def requests(self) -> int:
        """To a model that names key expressions: one a turn."""
        return self.conversations * TURNS

    @property
    def prompt_tokens(self) -> int:
        return self.requests * (prompt_length() + IMAGE_TOKENS)

    @property
    def answer_tokens(self) -> int:
        return self.requests * ANSWER_TOKENS

    def request_hours(self, at_a_time: int = 64) -> float:
        return self.requests * SECONDS_AN_ANSWER / at_a_time / 3_600

    @property
    def mask_hours(self) -> float:
        """Of one GPU of 24 GB."""
        return estimate(Work("masks", self.conversations, 1, 0, bits=16), GPUS[0]).hours

    @property
    def cpu_hours(self) -> float:
        """Of one core; key expressions by words, where there are any."""
        seconds = self.images * COMPOVL.seconds + self.requests * WORDS.seconds + self.conversations * ROWS.seconds
        return seconds / 3_600

    @property
    def disk(self) -> float:
        """Bytes, without pictures."""
        return self.images * COMPOVL.bytes + self.conversations * ROWS.bytes + self.requests * PAID.bytes


BUILDS = (
    Build("Visual Genome to CompoVL", 108_077),
    Build("LLaVA's mix to FiVL-Instruct", 0, 665_298),
    Build("a million images to CompoVL", 1_000_000),
    Build("a million conversations to FiVL-Instruct", 0, 1_000_000),
)


def prompt_length() -> int:
    """Tokens of the instructions, the examples and a short turn, as they are sent with each request."""
    messages = prompt(SeenTurn("", Turn(0, "What is on the table?", "A red cup and two plates are on the table.")))
    return round(sum(len(message["content"]) for message in messages) / LETTERS_A_TOKEN)
