# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Random decompositions and chains of real rows on one page: of this code, and beside it of another checkout or by another
tagger. `benchmarks.nesting_quality --page` writes it; rows that were set aside for readers never come on it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

from benchmarks.nesting_quality import read_expressions
from promvil_hf import pages


LABELS = Path(__file__).with_name("word_labels")
HERE = Path(__file__).parents[1]
LONG = 7  # words of an expression
# Runs in either checkout: only what both of them have.
SCRIPT = """
import json, sys
from pathlib import Path
from benchmarks.negatives_on_real_graphs import graphs
from promvil_hf.compovl.compose import Composing, compose
from promvil_hf.nesting import tagged_decomposer, tagger

asked = json.load(sys.stdin)
decompose = tagged_decomposer(tagger(asked["tagger"]))
spans = [[phrase.chars for phrase in decompose(line).phrases[:-1]] for line in asked["lines"]]
chains = {
    name: [chain.expression for chain in compose(graph, Composing(per_image=6)).chains]
    for name, graph, _ in graphs(Path(asked["data"]))
    if name in asked["graphs"]
}
json.dump({"spans": spans, "chains": chains}, sys.stdout)
"""


def bracketed(text: str, spans: list) -> str:
    """The text with brackets around each span.

    >>> bracketed("a man in a hat", [(9, 14)])
    'a man in [a hat]'
    """
    marked = ""
    for at, letter in enumerate(text + " "):
        marked += "]" * sum(end == at for _, end in spans) + "[" * sum(start == at for start, _ in spans) + letter
    return marked.rstrip()


def made_by(checkout: Path, asked: dict) -> dict:
    """What the code of a checkout makes of the rows."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(asked), cwd=checkout, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(checkout.resolve())},
    )  # fmt: skip
    if done.returncode:
        raise ValueError(f"The code in {checkout} cannot decompose or compose these rows: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def rows(data: Path, count: int, seed: int) -> tuple[list[str], list[str]]:
    """Random long expressions, and the names of random graphs. None of them was set aside."""
    random = Random(seed)
    [(file, aside)] = json.loads((LABELS / "unseen_decompositions.json").read_text()).items()
    hidden = {row["row"] for row in aside}
    lines = [line for row, line in enumerate(read_expressions(data / file)) if row not in hidden and len(line.split()) >= LONG]
    unseen = {row["image"] for row in json.loads((LABELS / "unseen_chains.json").read_text())}
    contexts = (data / "ferret_bench" / "ground_conv_context.jsonl").read_text(encoding="utf-8").splitlines()
    names = [f"ferret {number}" for number in range(len(contexts)) if number not in unseen]
    return random.sample(lines, min(count, len(lines))), random.sample(names, min(count, len(names)))


def write(html: Path, data: Path, before: Path | None = None, tagger: str = "rules", count: int = 20, seed: int = 0) -> Path:
    """The page. `before` is another checkout; `tagger` is the one that decomposes beside the rules where there is none."""
    lines, names = rows(data, count, seed)
    asked = {"lines": lines, "graphs": names, "data": str(data.resolve()), "tagger": "rules"}
    made = {"this code": made_by(HERE, asked)}
    if before is not None:
        made = {str(before): made_by(before, asked)} | made
    if tagger != "rules":
        made[f"this code, {tagger}"] = made_by(HERE, asked | {"tagger": tagger, "graphs": []})
    parts = [pages.paragraph("Decompositions: an expression with brackets around each of its phrases.")]
    for k, line in enumerate(lines):
        parts.append(pages.facts({name: bracketed(line, found["spans"][k]) for name, found in made.items()}))
    parts.append(pages.paragraph("Chains: expressions composed from the same graph."))
    for name in names:
        composed = {who: " | ".join(found["chains"][name]) for who, found in made.items() if name in found["chains"]}
        parts.append(pages.facts({"graph": name} | composed))
    return pages.write(html, pages.page("Decompositions and chains, side by side", *parts))
