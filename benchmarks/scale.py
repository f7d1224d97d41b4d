# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Large inputs through the commands: CPU seconds and peak memory, each command in its own process.

    python -m benchmarks.scale [--only evaluate] [--answers 1000000] [--expressions 20000] [--images 5000 20000]

evaluate   `promvil evaluate` on POPE questions, six to an image, and as many answers in whole sentences.
decompose  `promvil decompose --json`, expressions a second, without the start of the command. --file names a file of
           expressions, one a line; by default they are made.
compovl    `promvil build compovl` at each number of images; `growth` is the last peak over the first.
fivl       `promvil build fivl` on conversations about drawn scenes, stage by stage, with key expressions by words and given
           masks: CPU seconds beyond those of ten conversations, and bytes. `paid` is what a paid answer takes on disk.

Memory is the highest resident set size (`ru_maxrss`), which counts mapped files too.
"""

import json
import random
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from benchmarks.build_compovl import ATTRIBUTES, NOUNS, PREDICATES, write_data
from benchmarks.timing import parsed, parser, printed
from promvil_hf.endpoint import Endpoint
from promvil_hf.fivl.extraction import SeenTurn, prompt
from promvil_hf.fivl.extraction import schema as answer_schema
from promvil_hf.key_expressions import Turn
from promvil_hf.toy.world import WorldConfig, scenes, write_world


# A process counts the memory of the one that starts it as its own until it runs: so a small one starts it.
_STARTER = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[2:], stdin=open(sys.argv[1]), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr[-500:], used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


def measured(*arguments: object, given: Path | str = "/dev/null") -> dict[str, float]:
    """CPU seconds and peak bytes of one call of `promvil`; `given` is its standard input."""
    command = [sys.executable, "-c", _STARTER, given, sys.executable, "-m", "promvil_hf", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    status, error, seconds, peak = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"promvil {' '.join(map(str, arguments))} failed: {error}")
    return {"cpu_seconds": round(seconds, 2), "peak_bytes": peak}


def evaluate(folder: Path, answers: int) -> dict[str, float]:
    rng = random.Random(0)
    asked, said = folder / "coco_pope_popular.json", folder / "answers.jsonl"
    with open(asked, "w") as questions, open(said, "w") as file:
        for number in range(answers):
            noun, label = rng.choice(NOUNS), ("no", "yes")[number % 2]
            image = f"COCO_val2014_{number // 6:012d}.jpg"
            row = {"question_id": number, "image": image, "text": f"Is there a {noun} in the image?", "label": label}
            yes = (label == "yes") == (rng.random() < 0.85)
            text = f"Yes, there is a {noun} in the image." if yes else f"No, there is no {noun} in the image."
            questions.write(json.dumps(row) + "\n")
            file.write(json.dumps({"question_id": number, "text": text}) + "\n")
    found = measured("evaluate", "--benchmark", "pope", "--files", asked, "--predictions", said, "--out", folder / "report")
    return {"answers": answers, **found}


def decompose(folder: Path, expressions: int, listed: Path | None) -> dict[str, float]:
    rng, given = random.Random(0), folder / "expressions.txt"

    def noun_phrase() -> str:
        return f"the {rng.choice(ATTRIBUTES)} {rng.choice(NOUNS)}"

    made = (f"{noun_phrase()} {rng.choice(PREDICATES).lower()} {noun_phrase()}" for _ in range(expressions))
    lines = made if listed is None else islice(cycle(listed.read_text().splitlines()), expressions)
    given.write_text("".join(f"{line}\n" for line in lines))
    start = measured("decompose", "--json")
    found = measured("decompose", "--json", given=given)
    spent = max(found["cpu_seconds"] - start["cpu_seconds"], 0.01)
    return {"expressions": expressions, **found, "start": start["cpu_seconds"], "a_second": round(expressions / spent)}


def compovl(folder: Path, sizes: list[int]) -> dict:
    points = []
    for images in sizes:
        data = folder / f"vg-{images}"
        data.mkdir()
        write_data(data, images)
        found = measured("build", "compovl", "--quiet", "--vg", data, "--out", folder / f"built-{images}")
        points.append({"images": images, **found})
    return {"points": points, "growth": round(points[-1]["peak_bytes"] / points[0]["peak_bytes"], 3)}


def fivl(folder: Path, conversations: int) -> dict[str, float]:
    world, out = folder / "world", folder / "fivl"
    write_world(scenes(WorldConfig(), conversations), world)
    asked = world / "llava_conversations.json"
    turns = sum(len(record["conversations"]) // 2 for record in json.loads(asked.read_text()))
    words = ["build", "fivl", "--source", "llava", "--files", asked, "--images", world, "--quiet",
             "--masks", world / "key_expressions.jsonl"]  # fmt: skip
    spent = {}
    for stage in ("expressions", "masks", "rows"):
        few, all_of_them = (
            measured(*words, "--stage", stage, "--out", place, *limit)["cpu_seconds"]
            for place, limit in ((folder / "few", ("--limit", 10)), (out, ()))
        )
        spent[stage] = round(all_of_them - few, 2)
    endpoint = Endpoint("http://127.0.0.1/v1", "m", folder / "paid")
    messages = prompt(SeenTurn("", Turn(0, "What is it?", "A cup.")))
    reply = {"choices": [{"message": {"content": json.dumps({"key_expressions": ["A cup"]})}}]}
    endpoint.keep(messages, answer_schema(), json.dumps(reply).encode())
    return {
        "conversations": conversations, "turns": turns, **spent, "expressions_a_turn": spent["expressions"] / turns,
        "rows_a_conversation": (spent["masks"] + spent["rows"]) / conversations,
        "bytes_a_conversation": size(out) / conversations, "paid": size(folder / "paid"),
    }  # fmt: skip


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(argv: list[str] | None = None) -> dict:
    options = parser(
        __doc__, answers=(1_000_000, "of POPE"), expressions=(20_000, "to decompose"), conversations=(1_000, "for FiVL-Instruct")
    )
    options.add_argument("--images", type=int, nargs="+", default=[5_000, 20_000], help="to build CompoVL from")
    options.add_argument("--file", type=Path, help="expressions, one a line")
    options.add_argument("--only", nargs="+", choices=("evaluate", "decompose", "compovl", "fivl"), help="default: all")
    args = parsed(options, argv)
    with tempfile.TemporaryDirectory(prefix="promvil-scale-") as temporary:
        folder = Path(temporary)
        parts = {
            "evaluate": lambda: evaluate(folder, args.answers),
            "decompose": lambda: decompose(folder, args.expressions, args.file),
            "compovl": lambda: compovl(folder, args.images),
            "fivl": lambda: fivl(folder, args.conversations),
        }
        return printed({name: part() for name, part in parts.items() if args.only is None or name in args.only})


if __name__ == "__main__":
    main()
