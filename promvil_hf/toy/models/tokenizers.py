# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tokenizers made from sentences, with nothing to download: the same sentences give the same ids in every process.

Four shapes, one for each kind of tokenizer the tiny models need: sentencepiece-like pieces (Kosmos-2), byte-level BPE
(LLaVA, Qwen, Gemma ...), CLIP's BPE (OWLv2, SAM 3) and WordPiece (Grounding DINO). Each falls back to single characters or
bytes, so text outside the sentences is spelled out rather than lost: both kinds of BPE keep every text (CLIP's in lower case),
the other two keep printable ASCII.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BertTokenizer, CLIPTokenizer, PreTrainedTokenizerFast, XLMRobertaTokenizer

from promvil_hf.json_records import decoded


# What users of this package write: questions, references to things in a picture, and answers with places.
DEFAULT_SENTENCES = (
    "USER: What is the color of the small circle? ASSISTANT: The small circle is red.",
    "Is there a blue square to the left of the green triangle? Answer yes or no.",
    "the circle above the square left of the red triangle",
    "the large striped square touching the yellow star",
    "the dotted green circle inside the large blue square",
    "the car behind the person next to the man wearing a jacket",
    "the woman holding an umbrella on the left of the red bus",
    "a snowman warming himself by a fire",
    "An image of two dogs in front of a wooden fence.",
    "Where is the phrase in the image? It is at the top right of the picture.",
    "Which object is below the purple diamond and right of the gray cross?",
    "How many triangles are there? There are three small triangles.",
    "Describe this image. A black cat sits on a white chair under the table.",
    "there is a red truck in between the other trucks",
    "the plain orange ring holding the tiny pink dot, near the border",
    "No, the shape on the bottom is not a star.",
)

_WORD = re.compile(r"\w+")
# A sentencepiece vocabulary writes the space before a word as this character.
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


def piece_tokenizer(sentences: Iterable[str] = DEFAULT_SENTENCES, vocabulary_size: int = 512) -> XLMRobertaTokenizer:
    """The tokenizer of Kosmos-2 before its processor adds the tags: words of the sentences, and single characters.

    Ids 0 to 3 are `<s> <pad> </s> <unk>` and id 4 is the full stop, as in the real checkpoint: there the ids of
    ordinary pieces, from 4 on, also stand for image slots, and code that separates the two by id must fail here as
    well.
    """
    sentences = _checked(sentences)
    characters = [".", _SPACE, *(c for c in string.punctuation + string.digits + string.ascii_letters if c != ".")]
    characters += sorted(set("".join(sentences)) - set(characters) - set(string.whitespace))
    head = ["<s>", "<pad>", "</s>", "<unk>"]
    words = _frequent_words(sentences, vocabulary_size - len(head) - len(characters) - 1)
    total = sum(words.values())
    scored = {_SPACE + word: math.log(count / total) for word, count in words.items()}
    # A whole word always beats its spelling, however rare it is.
    spelled = min(scored.values(), default=0.0) - 10.0
    vocabulary = [(token, 0.0) for token in head] + [(character, spelled) for character in characters]
    return XLMRobertaTokenizer(vocab=[*vocabulary, *scored.items(), ("<mask>", 0.0)])


def byte_tokenizer(
    sentences: Iterable[str] = DEFAULT_SENTENCES,
    vocabulary_size: int = 512,
    *,
    special_tokens: Sequence[str],
    bos_token: str | None = None,
    eos_token: str,
    pad_token: str,
    named_tokens: dict[str, str] | None = None,
    add_bos_token: bool = False,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer whose first ids are `special_tokens`, in their order; any text comes back unchanged.

    `named_tokens` become attributes of the tokenizer (`{"image_token": "<image>"}` gives `tokenizer.image_token`).
    """
    sentences = _checked(sentences)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocabulary_size < len(special_tokens) + len(alphabet):
        raise ValueError(
            f"vocabulary_size={vocabulary_size} leaves no room for {len(alphabet)} bytes and {len(special_tokens)} "
            f"special tokens: ask for at least {len(special_tokens) + len(alphabet)}."
        )
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=list(special_tokens), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(sentences, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=bos_token,
        eos_token=eos_token,
        pad_token=pad_token,
        extra_special_tokens=named_tokens or {},
        add_bos_token=add_bos_token,
    )


def clip_tokenizer(sentences: Iterable[str] = DEFAULT_SENTENCES, vocabulary_size: int = 1024) -> CLIPTokenizer:
    """The lower-casing tokenizer of CLIP, which OWLv2 and SAM 3 have: its two special tokens have the highest ids.

    CLIP's kin finds the end of a text as its highest id.
    """
    untrained = CLIPTokenizer().backend_tokenizer
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer, bpe.pre_tokenizer = untrained.normalizer, untrained.pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(alphabet) - 2,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator(_checked(sentences), trainer)
    learned = decoded(bpe.to_str())["model"]
    pieces = list(learned["vocab"]) + [f"{letter}</w>" for letter in sorted(alphabet)]  # a letter alone ends a word as well
    pieces = list(dict.fromkeys(pieces)) + ["<|startoftext|>", "<|endoftext|>"]
    merges = [tuple(merge) for merge in learned["merges"]]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges)


def wordpiece_tokenizer(sentences: Iterable[str] = DEFAULT_SENTENCES, vocabulary_size: int = 1536) -> BertTokenizer:
    """A lower-casing BERT tokenizer with BERT's own ids for `[CLS]` 101, `[SEP]` 102, `.` 1012 and `?` 1029.

    Grounding DINO finds the borders of its phrases by these four numbers, which are constants in its code.
    """
    sentences = _checked(sentences)
    fixed = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    plain = [c for c in string.punctuation + string.digits + string.ascii_lowercase if c not in fixed]
    plain += ["##" + c for c in string.digits + string.ascii_lowercase]
    room = vocabulary_size - len(fixed) - len(plain)
    if vocabulary_size <= max(fixed.values()):
        raise ValueError(
            f"vocabulary_size={vocabulary_size} cannot hold the fixed id {max(fixed.values())} of `?`: "
            f"ask for more than {max(fixed.values())}."
        )
    lowered = [sentence.lower() for sentence in sentences]
    plain += [word for word in _frequent_words(lowered, room) if word not in plain]
    taken = set(fixed.values())
    free = (i for i in range(vocabulary_size) if i not in taken)
    vocabulary = fixed | dict(zip(plain, free, strict=False))
    used = set(vocabulary.values())
    vocabulary |= {f"[unused{i}]": i for i in range(vocabulary_size) if i not in used}
    return BertTokenizer(vocab=dict(sorted(vocabulary.items(), key=lambda item: item[1])))


def _checked(sentences: Iterable[str]) -> list[str]:
    if isinstance(sentences, str):
        raise TypeError("sentences is one string, whose letters would be taken as sentences: pass a list of strings.")
    sentences = list(sentences)
    if not sentences:
        raise ValueError("sentences is empty, so there are no words to learn: leave it out for the default ones.")
    return sentences


def _frequent_words(sentences: list[str], limit: int) -> dict[str, int]:
    counts = Counter(
        word for sentence in sentences for word in _WORD.findall(sentence) if len(word) > 1 or word.isalpha()
    )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[: max(0, limit)])
