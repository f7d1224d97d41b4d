# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.toy.exam`: held-out scenes as benchmark files, for `promvil evaluate` and for anybody's own code.

    python -m promvil_hf.toy.exam --out runs/exam
    promvil evaluate --benchmark compovl --files runs/exam/simple.jsonl --images runs/exam/images --model toy:kosmos2
    promvil evaluate --benchmark compovl --files runs/exam/nested.jsonl --images runs/exam/images --model toy:kosmos2
    promvil evaluate --benchmark compovl --files runs/exam/near.jsonl --images runs/exam/images --model toy:kosmos2 \\
        --adapter toy:chains --mode progressive
    promvil evaluate --benchmark gqa --files runs/exam/questions.json --images runs/exam/images --model toy:llava \\
        --prompt "{text}"
    promvil evaluate --benchmark pope --files runs/exam/pope.jsonl --images runs/exam/images --model toy:llava \\
        --prompt "{text}"

The files have the forms of the real benchmarks (CompoVL's rows of steps, GQA's and POPE's questions), and no scene of
them is ever drawn in training. `--prompt "{text}"`: the toy LLaVA was not trained on the sentence that asks real ones for a short
answer. No torch.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from promvil_hf.toy.chains import chain_of
from promvil_hf.toy.scenery import Scene
from promvil_hf.toy.small_world import ASKED_ABOUT, HARD, NEAR, NESTED, asked, held_out


FILES = {
    "simple.jsonl": "phrases of one level in scenes of four to six objects",
    "nested.jsonl": "phrases of three levels, each step with what it refers to",
    "near.jsonl": "phrases of three levels whose parts have to be found first, as the adapter toy:chains was trained on",
    "questions.json": "questions of GQA's kind",
    "pope.jsonl": "is there a red circle? as many yes as no",
}


def write_exam(folder: Path, scenes: int = 100, seed: int = 0) -> dict[str, int]:
    """Write the files of `FILES` and `images/`; the number of rows in each."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)

    def drawn(config, kind: str) -> Iterator[tuple[Scene, str]]:
        for scene in tqdm(held_out(config, scenes, seed), desc=kind, unit="scene", leave=False, disable=None):
            name = f"{kind}_{scene.image_id}.png"
            scene.image().save(images / name)
            yield scene, name

    simple = [row for scene, name in drawn(HARD, "simple") for row in step_rows(scene, name, levels=1)]
    nested = [row for scene, name in drawn(NESTED, "nested") for row in step_rows(scene, name)]
    near = [row for scene, name in drawn(NEAR, "near") for row in step_rows(scene, name)]
    questions: dict[str, dict] = {}
    present: list[dict] = []
    for scene, name in drawn(ASKED_ABOUT, "asked"):
        for kind, question in asked(scene):
            if kind == "pope":
                present.append(question.to_pope() | {"image": name})
            else:
                questions[question.question_id] = question.to_gqa() | {"imageId": name.removesuffix(".png")}
    _lines(folder / "simple.jsonl", simple)
    _lines(folder / "nested.jsonl", nested)
    _lines(folder / "near.jsonl", near)
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    _lines(folder / "pope.jsonl", present)
    return dict(zip(FILES, map(len, (simple, nested, near, questions, present)), strict=True))


def step_rows(scene: Scene, image: str, levels: int | None = None, per_level: int = 4) -> Iterator[dict]:
    """The whole expressions of a scene as rows of CompoVL's view of steps, with the true boxes of what each refers to."""
    width, height = scene.size
    for number, expression in enumerate(scene.expressions(per_level)):
        if levels is not None and expression.level > levels:
            continue
        chain = chain_of(scene, expression)
        last = len(chain.steps) - 1
        yield {
            "step_id": f"{scene.image_id}-{number}",
            "image_path": image,
            "width": width,
            "height": height,
            "text": expression.text,
            "level": expression.level,
            "boxes": [list(box.xyxy) for box in chain.steps[last].target.boxes],
            "evidence": [
                {"text": known.text, "boxes": [list(box.xyxy) for box in known.boxes]} for known in chain.evidence(last)
            ],
        }


def _lines(path: Path, rows: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m promvil_hf.toy.exam",
        description=__doc__.rpartition(" No torch")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--scenes", type=int, default=100, help="of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other scenes (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.scenes < 1:
        print(f"You passed --scenes {options.scenes}. Pass 1 or more.", file=sys.stderr)
        return 2
    for name, rows in write_exam(options.out, options.scenes, options.seed).items():
        print(f"{options.out / name}: {rows:,} rows, {FILES[name]}")
    print(f"{options.out / 'images'}: their pictures. Try:")
    ask = f"promvil evaluate --images {options.out / 'images'} --limit 100"
    print(f"  {ask} --benchmark compovl --files {options.out / 'near.jsonl'} --model toy:kosmos2 --adapter toy:chains "
          "--mode progressive --out runs/levels")  # fmt: skip
    print(f'  {ask} --benchmark pope --files {options.out / "pope.jsonl"} --model toy:llava --prompt "{{text}}" --out runs/pope')
    return 0


if __name__ == "__main__":
    sys.exit(main())
