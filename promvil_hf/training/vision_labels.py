# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which word each patch of a picture is to predict: from the masks of a row's key expressions to labels of image tokens.

A key expression gives one of its nouns to the patches its mask touches. Masks stay in original image coordinates
and are held against the box of each image token in that image, so crops, paddings, tiles and newlines come out right
for every family; and the token is the one the tokenizer writes inside a sentence, whatever its kind. The defaults are
the rules of FiVL's published code.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.frames import ImageSize
from promvil_hf.key_expressions import KeyExpression, Turn
from promvil_hf.nesting.tags import ADJ, DET, NOUN, NUM, POSS, tag
from promvil_hf.nesting.tokens import tokenize
from promvil_hf.training.losses import UNLABELLED


OVERLAPS = ("first", "smallest")
TOKENS = ("first_subtoken", "whole_word")
NOUNS = ("random", "first", "last")

_OPENS_PHRASE = (DET, POSS, NUM, ADJ)
_NAMES_NOTHING = frozenset("yes no yeah nope ok okay none both".split())  # the rule tagger takes unknown words for nouns


def nouns(expression: str) -> list[str]:
    """The nouns of an expression as written there, by the rule tagger: no model, no download.

    A quality that closes a phrase ("the square") stands for the thing.
    """
    tokens = tokenize(expression)
    tags = tag([token.word for token in tokens])
    for i, word_tag in enumerate(tags):
        if word_tag == ADJ and i and tags[i - 1] in _OPENS_PHRASE and tags[i + 1 : i + 2] not in ([ADJ], [NOUN]):
            tags[i] = NOUN
    return [
        expression[token.start : token.end]
        for token, word_tag in zip(tokens, tags, strict=True)
        if word_tag == NOUN and token.word not in _NAMES_NOTHING
    ]


@dataclass(frozen=True, slots=True)
class LabelRules:
    """How labels are made. The defaults are FiVL's.

    Args:
        max_mask_fraction: A mask that touches more than this share of the image tokens is left out.
        min_patch_coverage: A patch belongs to a mask that covers this share of it; 0 means any part of it. 0.5 keeps a
            mask's area without bias, but loses small things.
        overlap: Which expression a patch of several masks belongs to: the `"first"` of the row, or that of the `"smallest"`
            mask.
        token: `"first_subtoken"` of the noun, or the `"whole_word"`: the loss of a patch is the mean over its sub-tokens.
        noun: Of several nouns a `"random"` one, the `"first"` or the `"last"`. The random choice hangs on seed, row,
            turn and expression alone: the same in every epoch, on every rank and after a resume.
        seed: Of that choice.
    """

    max_mask_fraction: float = 0.3
    min_patch_coverage: float = 0.0
    overlap: str = "first"
    token: str = "first_subtoken"
    noun: str = "random"
    seed: int = 0

    def __post_init__(self):
        for name, known in (("overlap", OVERLAPS), ("token", TOKENS), ("noun", NOUNS)):
            if getattr(self, name) not in known:
                raise ValueError(f"You passed {name}={getattr(self, name)!r}: it is one of {', '.join(known)}.")
        for name in ("max_mask_fraction", "min_patch_coverage"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"You passed {name}={getattr(self, name)}: it is a share, between 0 and 1.")

    def touched(self, coverage: np.ndarray) -> np.ndarray:
        """(n,) which image tokens belong to a mask; a token that is no place (NaN) never does."""
        coverage = np.nan_to_num(coverage)
        return coverage > 0 if self.min_patch_coverage == 0 else coverage >= self.min_patch_coverage


def label_patches(
    coverages: Sequence[np.ndarray], tokens: Sequence[Sequence[int]], rules: LabelRules = LabelRules()
) -> tuple[np.ndarray, list[int]]:
    """(n, K) labels of n image tokens, -100 where there is none, and which of the masks were too large.

    Entry i of `coverages` is the share of each image token that mask i covers, entry i of `tokens` what its patches are to
    predict. K is 1 unless a word has several tokens.
    """
    if len(coverages) != len(tokens):
        raise ValueError(f"You passed {len(coverages)} masks and tokens for {len(tokens)}: give each mask its tokens.")
    count = len(coverages[0]) if coverages else 0
    labels = np.full((count, max(map(len, tokens), default=1)), UNLABELLED, dtype=np.int64)
    order = range(len(coverages))
    if rules.overlap == "smallest":
        order = sorted(order, key=lambda index: np.nan_to_num(coverages[index]).sum())
    too_large = []
    for index in order:
        touched = rules.touched(coverages[index])
        if touched.mean() > rules.max_mask_fraction:
            too_large.append(index)
            continue
        labels[touched & (labels[:, 0] == UNLABELLED), : len(tokens[index])] = tokens[index]
    return labels, sorted(too_large)


@dataclass(frozen=True, slots=True)
class PatchLabels:
    """Labels of a row's image tokens, (n, K), and how many of its key expressions gave none, by reason."""

    labels: np.ndarray
    unused: Counter


@dataclass
class PatchLabeller:
    """Labels for the rows of one tokenizer. `nouns` may be another tagger, such as
    `lambda text: [t.text for t in nlp(text) if t.pos_ == "NOUN"]` with spaCy, which FiVL used."""

    tokenizer: object
    rules: LabelRules = LabelRules()
    nouns: Callable[[str], Sequence[str]] = nouns
    _known: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if not getattr(self.tokenizer, "is_fast", False):
            raise ValueError(
                f"You passed a {type(self.tokenizer).__name__}, which cannot say which characters a token stands for: "
                "load the fast tokenizer of this model."
            )

    def word_tokens(self, word: str) -> tuple[int, ...]:
        """The tokens of a word inside a sentence: with its leading blank for SentencePiece and byte-level BPE alike.

        Read off the characters each token stands for. A token that is nothing but the blank does not count.
        """
        if word not in self._known:
            lead = "a "
            encoded = self.tokenizer(lead + word, add_special_tokens=False, return_offsets_mapping=True)
            self._known[word] = tuple(
                token
                for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
                if end > max(start, len(lead))
            )
        return self._known[word]

    def targets(self, expression: KeyExpression, row_id: str) -> tuple[int, ...]:
        """What the patches of an expression are to predict; nothing where it has no noun."""
        found = list(self.nouns(expression.text))
        if not found:
            return ()
        if self.rules.noun == "random":
            draw = Random(f"{self.rules.seed} {row_id} {expression.turn} {expression.text}")
            word = draw.choice(found)
        else:
            word = found[0 if self.rules.noun == "first" else -1]
        tokens = self.word_tokens(word)
        return tokens[:1] if self.rules.token == "first_subtoken" else tuple(dict.fromkeys(tokens))

    def __call__(
        self,
        row_id: str,
        expressions: Sequence[KeyExpression],
        boxes: Sequence[Box | None],
        image_size: ImageSize,
        turns: Sequence[Turn] | None = None,
    ) -> PatchLabels:
        """Labels of the image tokens of one row, whose boxes are `backend.token_boxes`' for its picture of `image_size`.

        With `turns`, an expression that its turn does not say is refused.
        """
        unused: Counter = Counter()
        cells = masks.Cells.of(boxes, image_size)
        coverages, tokens = [], []
        for expression in sorted(expressions, key=lambda key: key.turn):
            if turns is not None:
                check_said(expression, turns, row_id)
            if expression.mask is None:
                unused["no mask"] += 1
                continue
            wanted = self.targets(expression, row_id)
            if not wanted:
                unused["no noun"] += 1
                continue
            try:
                coverage = cells.coverage(expression.mask)
            except ValueError as error:
                raise ValueError(f"Row {row_id}, {expression.text!r}: {error}") from error
            if not self.rules.touched(coverage).any():
                unused["not on any patch"] += 1  # cropped away, or empty
                continue
            coverages.append(coverage)
            tokens.append(wanted)
        labels, too_large = label_patches(coverages, tokens, self.rules)
        if not coverages:
            labels = np.full((len(boxes), 1), UNLABELLED, dtype=np.int64)
        if too_large:
            unused["too large"] = len(too_large)
        return PatchLabels(labels, unused)


def check_said(expression: KeyExpression, turns: Sequence[Turn], row_id: str) -> None:
    """Raise unless the turn of a key expression exists and says it, in the answer or in the question."""
    if expression.turn >= len(turns):
        raise ValueError(
            f"Row {row_id} has the key expression {expression.text!r} of turn {expression.turn}, but only {len(turns)} "
            "turns: turns count from 0."
        )
    turn = turns[expression.turn]
    said = f"{turn.question}\n{turn.answer}".casefold()
    if expression.text.casefold() not in said:
        raise ValueError(
            f"Row {row_id} has the key expression {expression.text!r}, which turn {expression.turn} does not say (its "
            f"answer is {turn.answer[:80]!r}): a patch would learn a word of another turn. Mend its `turn` or leave it out."
        )
