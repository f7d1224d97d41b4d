# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The forms in which an answer says that what was asked for is not in the picture. All else without a box is no refusal.

The whole answer must be such a form: one of `WORDS`, an empty list, or one sentence of `SENTENCES`. "I cannot say" is none
of them, because it says nothing about the picture.
"""

import re


WORDS = frozenset({
    "null", "none", "[null]", "[none]", "n/a", "absent", "no such object", "no such thing",
    "no object", "no objects", "no object detected", "no objects detected", "no object found", "no objects found", "no target",
    "not found", "not present", "not visible", "not in the image", "does not exist", "it does not exist",
})  # fmt: skip
_PICTURE = r"(?:the|this|that) (?:image|picture|photo|photograph|scene)"
SENTENCES = (
    r"(?:sorry, )?there (?:is|are|was|were) (?:no|none|not any)\b[^.!?\n]*",
    rf"(?:sorry, )?{_PICTURE} (?:does not|doesn't) (?:contain|show|have|include|depict)\b[^.!?\n]*",
    r"no [^.!?\n]*\b(?:is|are|was|were|can be) (?:found|visible|present|seen|detected|shown)\b[^.!?\n]*",
    rf"[^.!?\n]*\b(?:is|are|was|were) not (?:(?:present|visible|shown|depicted)\b[^.!?\n]*|(?:in|on) {_PICTURE})",
    r"[^.!?\n]*\b(?:does not|do not|doesn't|don't) (?:exist|appear)\b[^.!?\n]*",
)
_SENTENCE = re.compile("|".join(SENTENCES))
_EMPTY = re.compile(r"(?:\[[\[\]\s]*\]\s*|\(\s*\))+")  # empty lists, perhaps several
_FENCE = re.compile(r"\A```[a-z]*\s*|\s*```\Z")
_LONGEST = 300


def is_refusal(text: str, also: tuple[str, ...] = ()) -> bool:
    """Whether a whole answer, its thinking taken out, refuses; `also` are further forms, compared without case."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return False
    said = " ".join(_FENCE.sub("", text).lower().replace("’", "'").split())
    if said in (form.strip().lower() for form in also):
        return True
    said = said.strip(" \"'`").rstrip(".!").strip(" \"'`")
    return said in WORDS or bool(_EMPTY.fullmatch(said)) or bool(_SENTENCE.fullmatch(said))
