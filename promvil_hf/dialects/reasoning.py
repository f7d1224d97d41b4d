# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What an answer says once the model's thinking is taken out of it. Boxes and words inside the thinking never count.

Known are the marks of today's models, each as its model card, chat template or reasoning parser has it:

    <think> … </think>                  Qwen3-VL, InternVL 3.5, GLM-4.6V, DeepSeek, MiMo-VL, Keye-VL
    <thinking>, <thought>, <reasoning>  VLM-R1's relatives, EXAONE, LLaVA-CoT
    <analysis> … </analysis>            Keye-VL
    <seed:think> … </seed:think>        Seed-OSS
    ◁think▷ … ◁/think▷                  Kimi-VL
    [THINK] … [/THINK]                  Magistral, Mistral 3
    <|channel>thought … <channel|>      Gemma 4
    <unused94>thought … <unused95>      MedGemma
    <|START_THINKING|> … <|END_THINKING|>   Command A
    <|begin_of_thought|> … <|end_of_thought|>   Sky-T1 and its like
    <|channel|>analysis … <|end|>       gpt-oss

Answers in `<answer>`, `<CONCLUSION>` (LLaVA-CoT) and `<|begin_of_box|>` (GLM) are unwrapped.
"""

import re


_PAIRS = (
    *((f"<{name}>", f"</{name}>") for name in ("think", "thinking", "thought", "reasoning", "analysis", "seed:think")),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>thought", "<unused95>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis", "<|end|>"),
    ("<|channel|>commentary", "<|end|>"),
)
# Some of these stand in every marked text, in lower case: a text without them is not looked at any further.
_HINTS = ("think", "thought", "reasoning", "analysis", "answer>", "conclusion>", "of_box|>", "channel", "unused95")
_OPEN = {opening.lower(): closing.lower() for opening, closing in _PAIRS}
_CLOSINGS = frozenset(_OPEN.values()) - {"<|end|>"}  # without its opening `<|end|>` ends a turn, not a thought
_MARK = re.compile("|".join(re.escape(mark) for mark in (*_OPEN, *_OPEN.values())), re.IGNORECASE)
_ANSWER = re.compile(r"<(answer|conclusion)>", re.IGNORECASE)
_OTHER_MARKS = re.compile(
    r"<\|(?:begin|end)_of_box\|>|<\|start\|>assistant|<\|channel\|>final|<\|message\|>|<\|return\|>|<\|end\|>"
)


def may_think(text: str) -> bool:
    """A quick look: False where no mark of this module stands in the text."""
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


def answer_of(text: str) -> tuple[str, bool]:
    """The answer proper, and whether the text breaks off inside the thinking, before any answer could begin.

    A thought ends at its own closing mark. One that closes without having opened began in the prompt, as chat templates
    do: all before it is thinking. One that never closes hides the rest.
    """
    if not may_think(text):
        return text, False
    kept: list[str] = []
    end, waiting_for = 0, ""
    for mark in _MARK.finditer(text):
        found = mark[0].lower()
        if waiting_for:
            if found == waiting_for:
                end, waiting_for = mark.end(), ""
        elif found in _OPEN:
            kept.append(text[end : mark.start()])
            waiting_for = _OPEN[found]
        elif found in _CLOSINGS:
            kept, end = [], mark.end()
    if not waiting_for:
        kept.append(text[end:])
    said = "".join(kept)
    is_cut = bool(waiting_for) and not said.strip()
    wrapped = list(_ANSWER.finditer(said))
    if wrapped:
        last = wrapped[-1]
        said = re.split(f"</{last[1]}>", said[last.end() :], maxsplit=1, flags=re.IGNORECASE)[0]
    return _OTHER_MARKS.sub("", said), is_cut


def opening_in(prompt: str) -> str:
    """The mark of a thought that a prompt opens at its end, as chat templates of thinking models do; "" for others."""
    tail = prompt.rstrip().lower()
    return next((opening for opening in _OPEN if tail.endswith(opening)), "")
