# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Stop rules: functions of the tokens one row has written so far, asked after every token, true when the row is done.

Special: they only look at what is there, keep no state, and fire exactly where the dialect's own parser is satisfied
first, so that stopping never changes what is read from an answer. Floor 3: a tokenizer, no torch.
"""

from collections.abc import Sequence

from promvil_hf.backends.base import StopRule
from promvil_hf.dialects.kosmos2 import DELIMITER


def complete_object(tokenizer, patches: int = 1024) -> StopRule:
    """Kosmos-2: the newest token closes a complete `<object>box(delimiter box)*</object>`.

    The first `</object>` is not the right place to stop: after stray text it closes nothing. An answer that begins
    with a cell counts as open, because the opening tag then stood at the end of the prompt.
    """
    opening, closing, delimiter = _ids(tokenizer, ["<object>", "</object>", DELIMITER])
    cells = frozenset(_ids(tokenizer, [f"<patch_index_{cell:04d}>" for cell in range(patches)]))

    def done(tokens: Sequence[int]) -> bool:
        if tokens[-1] != closing:
            return False
        at = len(tokens) - 1  # walk back from the closing tag, a pair of cells at a time
        while at >= 2 and tokens[at - 1] in cells and tokens[at - 2] in cells:
            at -= 2
            before = tokens[at - 1] if at else opening
            if before == opening:
                return True
            if before != delimiter:
                # Nothing but blanks before the first cell is still the beginning.
                return before not in cells and not tokenizer.decode(list(tokens[:at])).strip()
            at -= 1
        return False

    return done


def first_text(tokenizer, *texts: str) -> StopRule:
    """The answer contains one of these texts: `first_text(tokenizer, ".")` ends a sentence, `"]"` a JSON list."""
    if not texts or not all(texts):
        raise ValueError(f"You passed the texts {texts!r} to wait for: pass at least one, and no empty one.")

    def done(tokens: Sequence[int]) -> bool:
        written = tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return any(text in written for text in texts)

    return done


def either(*rules: StopRule) -> StopRule:
    """Done when one of the rules says so."""

    def done(tokens: Sequence[int]) -> bool:
        return any(rule(tokens) for rule in rules)

    return done


def _ids(tokenizer, tags: list[str]) -> list[int]:
    vocabulary = tokenizer.get_vocab()
    missing = [tag for tag in tags if tag not in vocabulary]
    if missing:
        raise ValueError(
            f"This tokenizer has no token {missing[0]} ({len(missing)} of the tags of Kosmos-2 are missing), so no "
            "object can be seen to close. Pass the tokenizer of a Kosmos-2 processor, or use `first_text`."
        )
    return [vocabulary[tag] for tag in tags]
