# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.commands.sources_page > docs/sources.md` writes the page of what `promvil fetch` gets, and from where."""

from collections.abc import Iterator

from promvil_hf.fetching.catalog import SETS, SOURCES
from promvil_hf.fetching.sources import RemoteFile, Source, size_text


START = """# Sources

<!-- `python -m promvil_hf.commands.sources_page > docs/sources.md` writes this page from its table: do not edit it. -->

What `promvil fetch NAME --out data` gets, from where, and how each fact is known. **None of these addresses could be tried where
this page was written**, but for the two of `promvil fetch real`: they were read in the places named, sizes and checksums too.
Where one is wrong, the command says what the server answered; `--mirror`, `--accept-changed` and a file put at
`data/downloads/SOURCE/NAME` by hand are the ways round it.

A licence is the authors' word, as far as it could be read; read theirs before you publish anything. Nothing of this is part of
this package.
"""
MOST_LISTED = 10  # files of a source that are named one by one


def page() -> str:
    """The page, the same on every machine."""
    return "\n".join([START, *_overview(), *(line for source in SOURCES.values() for line in _source(source))])


def _overview() -> Iterator[str]:
    yield "| name | what | to download | licence |\n| --- | --- | --- | --- |"
    for source in SOURCES.values():
        yield f"| [`{source.name}`](#{_anchor(source)}) | {source.about} | {_size(source)} | {source.licence} |"
    yield ""
    for name, members in SETS.items():
        size = size_text(sum(SOURCES[member].size for member in members))
        listed = ", ".join(f"`{member}`" for member in members)
        yield f"`promvil fetch {name}` gets {listed}: {size}, as far as sizes are known.\n"


def _source(source: Source) -> Iterator[str]:
    yield f"## {source.name}\n"
    yield f"{source.about}. Page of the authors: <{source.page}>. Licence: {source.licence}.\n"
    yield f"Gives {source.gives}."
    yield f"Known from: {source.facts}."
    if source.needs:
        yield f"Used together with {', '.join(f'`{name}`' for name in source.needs)}."
    yield "\n| file | size | checksum | addresses, in the order they are tried | doubtful |\n| --- | --- | --- | --- | --- |"
    listed = source.files if len(source.files) <= MOST_LISTED else source.files[:2]
    yield from map(_file, listed)
    if len(listed) < len(source.files):
        yield f"| and {len(source.files) - len(listed)} more of the same form | | | | |"
    yield ""


def _file(file: RemoteFile) -> str:
    size = size_text(file.size) if file.size is None or not file.exact else f"{file.size:,} B"
    kind, _, digits = file.checksum.partition(":")
    checksum = f"{kind.upper()} `{digits}`" if digits else "none published"
    urls = "<br>".join(f"<{url}>" for url in file.urls) or "by hand"
    return f"| `{file.name}` | {size} | {checksum} | {urls} | {file.mark} |"


def _size(source: Source) -> str:
    return size_text(source.size) + ("" if source.size_is_known else " and more") if source.size else "unknown"


def _anchor(source: Source) -> str:
    return "".join(letter for letter in source.name.lower() if letter.isalnum() or letter in "-_")


if __name__ == "__main__":
    print(page(), end="")
