# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Stop rules: functions of the tokens one row has written so far, asked after every token, true when the row is done.

They only look at what is there, keep no state, and fire exactly where the dialect's own parser is satisfied first, so
that stopping never changes what is read from an answer. They need a tokenizer and no torch.
"""

from collections.abc import Sequence

from promvil_hf.backends.base import StopRule, text_of
from promvil_hf.dialects.kosmos2 import DELIMITER
from promvil_hf.dialects.reasoning import answer_of


def complete_object(tokenizer, side: int = 32) -> StopRule:
    """Kosmos-2: the newest token closes a complete `<object>box(delimiter box)*</object>`.

    The first `</object>` is not the right place to stop: after stray text it closes nothing. An answer that begins
    with a cell counts as open, because the opening tag then stood at the end of the prompt.
    """
    *ids, delimiter, closing = box_tokens(tokenizer, side)
    cells, opening = frozenset(ids), tokenizer.convert_tokens_to_ids("<object>")

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
        written = text_of(tokenizer, tokens)
        return any(text in written for text in texts)

    return done


def complete_json(tokenizer, opening: str = "") -> StopRule:
    """The answer's first JSON value is closed: as many brackets shut as were opened, those in strings not counted, nor those
    in its thinking. `opening` is the mark of a thought that the prompt ends in."""
    closing: dict[int, bool] = {}

    def done(tokens: Sequence[int]) -> bool:
        newest = tokens[-1]
        if newest not in closing:
            closing[newest] = any(bracket in tokenizer.decode([newest]) for bracket in "]}")
        if not closing[newest]:
            return False
        depth, quoted, escaped = 0, False, False
        for letter in answer_of(opening + text_of(tokenizer, tokens))[0]:
            if quoted:
                quoted, escaped = escaped or letter != '"', letter == "\\" and not escaped
            elif letter == '"':
                quoted = depth > 0
            elif letter in "[{":
                depth += 1
            elif letter in "]}" and depth:
                depth -= 1
                if not depth:
                    return True
        return False

    return done


def box_tokens(tokenizer, side: int = 32) -> list[int]:
    """The ids of all cells of a grid in order, of the delimiter and of the closing tag."""
    tokens = [*(f"<patch_index_{cell:04d}>" for cell in range(side * side)), DELIMITER, "</object>"]
    vocabulary = tokenizer.get_vocab()
    missing = [token for token in tokens if token not in vocabulary]
    if missing:
        raise ValueError(
            f"This tokenizer has no token {missing[0]} ({len(missing)} of the tags are missing): only Kosmos-2 and its "
            "fine-tuned models write boxes as cells. Leave out `constrained`; to stop answers of other models use "
            "`first_text` or `complete_json`."
        )
    return [vocabulary[token] for token in tokens]
