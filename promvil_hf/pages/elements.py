# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Markup that is safe by construction: whatever is not an `Html` is escaped, so text can only ever show as text.

An `Html` may hold generators. It is then made piece by piece while it is written, so a page of a thousand pictures
never sits in memory.
"""

import html
import re
from collections.abc import Iterable, Iterator

from promvil_hf.shown_text import TURNING


# Characters HTML cannot hold, or that a terminal or an editor would obey: shown as their symbols, never passed on.
# Marks that turn the direction of writing, by which a text may look like another one, show as their numbers.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_TURNING = re.compile(f"[{TURNING}]")
_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})
_SCHEME = re.compile(r"[\s\x00-\x20]*[A-Za-z][A-Za-z0-9+.\-\s]*:")


class Html:
    """Markup known to be safe. `str(html)` is the whole text, `html.chunks()` the same bit by bit."""

    __slots__ = ("_parts",)

    def __init__(self, markup: str):
        self._parts: tuple = (markup,)

    def chunks(self) -> Iterator[str]:
        for part in self._parts:
            if isinstance(part, str):
                yield part
            else:
                for content in part:
                    yield from _markup(content)

    @property
    def is_lazy(self) -> bool:
        """Whether a part is still to be made by a generator."""
        return not all(isinstance(part, str) for part in self._parts)

    def __str__(self) -> str:
        return "".join(self.chunks())

    def __repr__(self) -> str:
        return "Html(made while it is written)" if self.is_lazy else f"Html({str(self)!r})"

    def __eq__(self, other) -> bool:
        return isinstance(other, Html) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def _repr_html_(self) -> str:  # notebooks
        return str(self)


Content = Html | str | int | float | None | Iterable["Content"]


class _Once:
    """A generator inside a page. A second reading would silently give an empty page, so it is refused."""

    def __init__(self, source: Iterator):
        self._source: Iterator | None = source

    def __iter__(self) -> Iterator:
        source, self._source = self._source, None
        if source is None:
            raise ValueError(
                "You wrote the same page twice, and a part of it came from a generator, which can be read only once. "
                "Build the page again, or pass a list instead of the generator."
            )
        return source


def escape(value: object) -> str:
    """Text as markup: angle brackets, ampersands and quotes escaped, control characters shown and not obeyed."""
    return _escape(_TURNING.sub(lambda mark: f"[U+{ord(mark[0]):04X}]", str(value)))


def _escape(text: str) -> str:
    return html.escape(_UNSHOWABLE.sub(_symbol, text), quote=True)


def described(alt: str) -> str:
    """The words that stand for a picture where it cannot be seen; blank ones are refused."""
    if not alt.strip():
        raise ValueError(
            "You passed a blank alt: say in a few words what the picture shows, for those who cannot see it."
        )
    return alt


def captioned(caption: Content) -> Html | None:
    """The caption of a figure, where it has one."""
    return None if caption is None else tag("figcaption", caption)


def short(value: float) -> str:
    """A length or a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def fragment(*children: Content) -> Html:
    """Several contents one after the other."""
    return _assemble(children)


def tag(name: str, /, *children: Content, **attributes: object) -> Html:
    """One element. `class_` is the attribute `class`, `aria_label` is `aria-label`; None and False leave one out."""
    opening = f"<{name}{_attributes(name, attributes)}>"
    if name in _VOID:
        return Html(opening)
    return _assemble((Html(opening), *children, Html(f"</{name}>")))


def _assemble(children: Iterable[Content]) -> Html:
    parts: list = []
    ready: list[str] = []
    for child in children:
        if isinstance(child, Iterator):
            parts += ["".join(ready), _Once(child)]
            ready = []
        elif isinstance(child, Html) and child.is_lazy:
            parts += ["".join(ready), *child._parts]
            ready = []
        elif _holds_lazy(child):
            inner = _assemble(child)
            parts += ["".join(ready), *inner._parts]
            ready = []
        else:
            ready.extend(_markup(child))
    made = Html("")
    made._parts = tuple(part for part in (*parts, "".join(ready)) if part != "")
    return made


def _holds_lazy(content: Content) -> bool:
    return isinstance(content, (list, tuple)) and any(
        isinstance(item, Iterator) or (isinstance(item, Html) and item.is_lazy) or _holds_lazy(item)
        for item in content
    )


def _markup(content: Content) -> Iterator[str]:
    if content is None:
        return
    if isinstance(content, Html):
        yield from content.chunks()
    elif isinstance(content, str) or not isinstance(content, Iterable):
        yield escape(content)
    else:
        for item in content:
            yield from _markup(item)


def _attributes(name: str, attributes: dict[str, object]) -> str:
    written = []
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if key.lower().startswith("on"):
            raise ValueError(
                f"You passed the attribute {key!r} to <{name}>: pages carry no event handlers. Leave it out."
            )
        if value is None or value is False:
            continue
        is_picture = str(value).startswith("data:image/")
        if key == "href" and not (_is_safe_link(str(value)) or (name == "image" and is_picture)):
            raise ValueError(
                f"You passed href={str(value)[:80]!r} to <{name}>: a page may point to a place in itself (#name), "
                "to an http(s) or mailto address, or to a relative file."
            )
        if key == "src" and not is_picture:
            raise ValueError(
                f"You passed src={str(value)[:80]!r} to <{name}>: a page carries its pictures inside. Use `figure`."
            )
        text = _escape(str(value)) if key.startswith("data-") else escape(value)  # data are read back and not shown
        written.append(f" {key}" if value is True else f' {key}="{text}"')
    return "".join(written)


def _is_safe_link(target: str) -> bool:
    if _SCHEME.match(target):
        return target.lower().startswith(("http://", "https://", "mailto:"))
    return not target.lstrip().startswith(("//", "\\"))


def _symbol(match: re.Match) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"
