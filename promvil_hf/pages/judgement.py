# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Forms on which a person judges items one by one, and the verdict files they save.

The page works from a file, without a server: the browser hands the verdicts over as a download, keeps a copy in its
own storage where it may, and opens a saved file again.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from promvil_hf.json_records import RecordError, decoded, read_bytes
from promvil_hf.pages.elements import Content, Html, fragment, tag


_FORMAT = "promvil_hf.verdicts"
_KEY = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every item. `key` names it in the verdict file."""

    key: str
    text: str
    options: tuple[str, ...] = ("yes", "no", "cannot tell")

    def __post_init__(self):
        object.__setattr__(self, "options", tuple(self.options))
        if not _KEY.match(self.key):
            raise ValueError(
                f"You passed the key {self.key!r} to Question: it names the answers in the verdict file and must be "
                "lower case letters, digits and underscores, a letter first."
            )
        if len(self.options) < 2 or len(set(self.options)) < len(self.options):
            raise ValueError(f"You passed the options {self.options} to Question: give two or more, each once.")
        for option in self.options:
            _refuse_unprintable(option)


@dataclass(frozen=True, slots=True)
class JudgementItem:
    """One thing to judge: `key` names it in the verdict file, `content` is what the page shows."""

    key: str
    content: Content
    title: str = ""

    def __post_init__(self):
        _refuse_unprintable(self.key)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A verdict file: who judged, what was shown, what was asked, and the answers so far."""

    form: str
    judge: str
    questions: tuple[Question, ...]
    items: tuple[str, ...]  # every item shown, judged or not
    answers: Mapping[str, Mapping[str, str]]  # item -> question -> option
    remarks: Mapping[str, str]  # item -> remark

    def counts(self, question: str) -> dict[str, int]:
        """How often each option of a question was chosen; items without an answer are not counted."""
        asked = {asked.key: asked for asked in self.questions}
        if question not in asked:
            raise ValueError(f"You asked for {question!r}: this file has answers to {', '.join(asked)}.")
        chosen = Counter(given[question] for given in self.answers.values() if question in given)
        return {option: chosen[option] for option in asked[question].options}


def _refuse_unprintable(text: str):
    """A browser changes blanks and control characters, and the verdict file would not match."""
    if not text or not text.isprintable():
        raise ValueError(
            f"You passed {text!r} as a key or option: it comes back from the browser and must be printable."
        )


def judgement_form(
    items: Iterable[JudgementItem],
    questions: Sequence[Question],
    *,
    form: str,
    remarks: bool = True,
    wide: bool = False,
) -> Html:
    """The items with radio buttons for every question, and a bar that shows progress and saves the verdicts.

    `form` names the form in the verdict file and, with items and questions, makes the key under which the browser keeps the
    verdicts. `items` may be a generator. `wide` puts the questions below an item instead of beside it.
    """
    questions = tuple(questions)
    keys = [question.key for question in questions]
    if not questions or len(set(keys)) < len(keys):
        raise ValueError(f"You passed questions with the keys {keys}: give at least one, each key once.")
    described = json.dumps([{"key": q.key, "text": q.text, "options": list(q.options)} for q in questions])
    return fragment(
        tag(
            "form",
            _parts(items, questions, hashlib.sha256(json.dumps([form, described]).encode()), remarks, wide),
            class_="judgement",
            autocomplete="off",
            data_form=form,
            data_questions=described,
        ),
        Html(f"<script>{SCRIPT}</script>\n"),
    )


def _parts(items, questions: tuple[Question, ...], fingerprint, remarks: bool, wide: bool) -> Iterator[Html]:
    seen: set[str] = set()
    yield tag("noscript", tag("p", "Saving verdicts needs JavaScript, which this browser has switched off."))
    name = tag("input", type="text", class_="judge", maxlength=80, placeholder="your name")
    file = tag("input", type="file", accept=".json,application/json", class_="unseen open")
    yield tag(
        "div",
        tag("label", "Judge", name, class_="name"),
        tag("label", "Open saved verdicts", file, class_="button"),
        tag("button", "Start over", type="button", class_="clear"),
        class_="form-head",
    )
    for number, item in enumerate(items, start=1):
        if item.key in seen:
            raise ValueError(
                f"You passed two items with the key {item.key!r}: verdicts are matched by key, so each needs its own."
            )
        seen.add(item.key)
        fingerprint.update(json.dumps(item.key).encode())
        yield _item(number, item, questions, remarks, wide)
    yield tag(
        "div",
        tag("span", f"0 of {len(seen)} judged", class_="progress", role="status"),
        tag("button", "Next open", type="button", class_="next"),
        tag("button", "Save verdicts", type="button", class_="main save"),
        tag("p", class_="said", role="status"),
        class_="toolbar",
        data_fingerprint=fingerprint.hexdigest()[:16],
    )


def _item(number: int, item: JudgementItem, questions: tuple[Question, ...], remarks: bool, wide: bool) -> Html:
    asked = [
        tag(
            "fieldset",
            tag("legend", question.text),
            tag(
                "div",
                [
                    tag(
                        "label",
                        tag(
                            "input",
                            type="radio",
                            name=f"{number}-{question.key}",
                            value=option,
                            data_question=question.key,
                        ),
                        tag("span", option),
                    )
                    for option in question.options
                ],
                class_="options",
            ),
        )
        for question in questions
    ]
    remark = tag("label", "Remark", tag("textarea", rows=1, maxlength=2000), class_="remark") if remarks else None
    return fragment(
        tag(
            "article",
            tag("h3", tag("span", item.title or f"Item {number}"), tag("span", "✓ judged", class_="state")),
            tag("div", item.content, class_="shown"),
            tag("div", asked, remark, class_="asked"),
            class_="item long" if wide else "item",
            data_item=item.key,
        ),
        Html("\n"),
    )


def _options_by_key(questions: Sequence[Question]) -> dict[str, Sequence[str]]:
    return {question.key: question.options for question in questions}


def read_verdicts(path: str | os.PathLike, form: str | None = None, questions: Sequence[Question] | None = None) -> Verdicts:
    """The verdicts a page saved, of the form and the questions that are given, or of any. A file that was cut or edited into
    something else is refused with the reason."""
    path, wanted, asked = Path(path), form, questions
    try:
        saved = decoded(read_bytes(path))
    except RecordError as error:
        raise ValueError(
            f"You passed {path}, which is not JSON ({error}). Save the verdicts again from the page."
        ) from None
    if not isinstance(saved, dict) or saved.get("format") != _FORMAT or saved.get("version") != 1:
        raise ValueError(f"You passed {path}, which is not a verdict file: it lacks format {_FORMAT!r}, version 1.")
    try:
        questions = tuple(Question(asked["key"], asked["text"], asked["options"]) for asked in saved["questions"])
        items = tuple(_text(item) for item in saved["items"])
        answers: dict[str, Mapping[str, str]] = {}
        remarks: dict[str, str] = {}
        for verdict in saved["verdicts"]:
            item = verdict["item"]
            if item not in items or item in answers:
                raise ValueError(f"item {item!r} was not on the page, or is judged twice")
            options = _options_by_key(questions)
            for key, option in verdict["answers"].items():
                if option not in options.get(key, ()):
                    raise ValueError(f"item {item!r} answers {key!r} with {option!r}, which was not offered")
            answers[item] = MappingProxyType(dict(verdict["answers"]))
            if verdict.get("remark"):
                remarks[item] = _text(verdict["remark"])
        form, judge = _text(saved["form"]), _text(saved.get("judge", ""))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        fault = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"You passed {path}, a verdict file that does not hold together: {fault}.") from None
    if wanted not in (None, form):
        raise ValueError(f"{path} holds verdicts of the form {form!r}, not of {wanted!r}: pass the file of this page.")
    if asked is not None and _options_by_key(asked) != _options_by_key(questions):
        raise ValueError(f"{path} holds verdicts on other questions than this page asks: pass one that was saved from it.")
    return Verdicts(form, judge, questions, items, MappingProxyType(answers), MappingProxyType(remarks))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} stands where a text belongs")
    return value


SCRIPT = Path(__file__).with_name("judgement.js").read_text(encoding="utf-8")
