# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The commands that README and docs show: in fenced blocks, in indented ones, and in the first column of the README's table."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("promvil", "python", "torchrun", "accelerate", "make", "pip", "export")
_FENCED = re.compile(r"^```(?:bash|sh)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^ {4,}\S.*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`(promvil [^`]*(?:--|\")[^`]*)`")  # with an option or a text: others only name a command
_ASIDE = re.compile(r"(?:\s+#|\s{3,}|\s{2,}\()\s*.*$")  # a remark behind the command, as help texts have it


@dataclass(frozen=True)
class Shown:
    """A command, its words, and the page it stands on; `mentioned` where it stands within a sentence.

    `whole` is False where a part is left out ("..." or "…"), as it may be within a sentence. `block` counts the blocks of a page.
    """

    page: str
    text: str
    mentioned: bool = False
    block: int = 0

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text.replace("$(", "").replace(")", "") if "$(" in self.text else self.text)

    @property
    def whole(self) -> bool:
        return not self.mentioned and not re.search(r"(?:^|\s|=)(?:\.\.\.|…)(?:\s|$)", self.text)


def shown_commands(page: Path) -> list[Shown]:
    """Every command of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    python = re.sub(r"^```python\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    blocks = [*_FENCED.findall(python), *_INDENTED.findall(_FENCED.sub("", python))]
    name = str(page.relative_to(ROOT))
    joined = ((number, line) for number, block in enumerate(blocks) for line in re.sub(r" \\\n\s*", " ", block).splitlines())
    commands = ((number, _ASIDE.sub("", line.strip())) for number, line in joined)
    shown = [Shown(name, command, block=number) for number, command in commands if command.split(" ")[0] in PROGRAMS]
    return [*shown, *(Shown(name, command, mentioned=True) for command in _INLINE.findall(python))]


def every_command() -> list[Shown]:
    """Of all pages, each once."""
    return list({shown.text: shown for page in PAGES for shown in shown_commands(page)}.values())
