# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The cells of the rehearsal: commands, of which most are those that docs/reproduce.md prints."""

import shlex
import sys
from dataclasses import dataclass

from promvil_hf.reproducing.experiments import FULL
from promvil_hf.reproducing.experiments import MODELS as NAMES
from promvil_hf.reproducing.promvil_experiments import BUILD


KOSMOS2, LLAVA = NAMES[FULL]["kosmos2"], NAMES[FULL]["llava"]
COMPOVL, FIVL, ADAPTER = "promvil/compovl", "promvil/fivl-instruct", "promvil/kosmos2-compovl"
FETCHED = ("vg", "vg-images", "refcoco", "refcoco+", "refcocog", "gqa", "gqa-images", "pope", "vsr", "llava-detail",
           "coco-annotations-2017", "coco-train2014", "coco-val2014", "coco-train2017")  # fmt: skip
# What two steps on a CPU have to change in a recipe, and what they have no use for.
TWO_STEPS = (
    "--max_steps 2 --gradient_accumulation_steps 1 --per_device_train_batch_size 1 --use_cpu true --bf16 false --dtype float32 "
    "--save_steps 2 --logging_steps 1 --dataloader_num_workers 0 "
)
ASKED = "--resamples 99 --batch-size 1"


@dataclass(frozen=True, slots=True)
class Cell:
    """One command in its own process.

    Args:
        name: Of the cell.
        why: In a few words.
        words: The command, with {out}, {data}, {mirror}, {limit}, {images}, {quarter}, {layers} and {processor}.
        gives: Repository of the Hub and the folder below {out} that it is made of, for a checkpoint that nobody uploads.
        trains: Folder below {out} with checkpoints, from which a training goes on.
    """

    name: str
    why: str
    words: str
    gives: tuple[str, str] | None = None
    trains: str = ""

    def argv(self, **places: object) -> list[str]:
        """The words as they are called."""
        words = [word.format(**places) for word in shlex.split(self.words)]
        start = {"promvil": [sys.executable, "-m", "promvil_hf"], "python": [sys.executable]}
        return [word for word in (*start[words[0]], *words[1:]) if word]


def _fetch(names: str, why: str) -> Cell:
    return Cell(f"fetch {names}", why, f"promvil fetch {names} --out {{data}} --mirror {{mirror}} --accept-changed --quiet")


CELLS = (
    Cell("weights of Kosmos-2", "random, at its published size, in shards of 1 GB",
         "python -m benchmarks.rehearsal.checkpoints kosmos2 --out {out}/kosmos2 {processor} {layers}",
         gives=(KOSMOS2, "kosmos2")),
    Cell("weights of LLaVA", "random, at its published widths; one layer", "python -m benchmarks.rehearsal.checkpoints llava "
         "--out {out}/llava {layers}", gives=(LLAVA, "llava")),
    Cell("archives", "Visual Genome and others in the real ones' form",
         "python -m benchmarks.rehearsal.archives --images {images} --out {out}/mirror"),
    *(_fetch(name, "one download is cut in its middle" if name == "vg" else "") for name in FETCHED),
    Cell("build, a quarter", "CompoVL of a quarter of the images, for the growth of memory",
         f"promvil {BUILD.words} --limit {{quarter}} --quiet".replace("{out}/compovl", "{out}/compovl-quarter")),
    Cell("build", "CompoVL and the mixture, of all images", f"promvil {BUILD.words} --quiet"),
    Cell("publish compovl", "to the Hub", f"promvil publish compovl {{out}}/compovl {COMPOVL}"),
    Cell("load_dataset", "in a script without this package", f"python -I benchmarks/rehearsal/load_rows.py {COMPOVL}"),
    Cell("train Kosmos-2", "two steps of LoRA in float32, rows and model from the Hub",
         "python recipes/train_kosmos2.py --config recipes/kosmos2/lora.yaml --images {data} --output_dir {out}/adapter "
         f"{TWO_STEPS} --eval_steps 2 --max_eval_samples 1 --max_samples 8", trains="adapter"),
    Cell("evaluate with the adapter", "CompoVL's test rows, simple phrases first",
         "promvil evaluate --benchmark compovl --files {out}/compovl/steps/test-00000-of-00001.parquet --images {data} --model "
         f"{KOSMOS2} --adapter {{out}}/adapter --mode progressive --limit {{limit}} {ASKED} --out {{out}}/adapter-compovl "
         f"--eval-results {COMPOVL}"),
    Cell("publish adapter", "to the Hub", f"promvil publish adapter {{out}}/adapter {ADAPTER}"),
    Cell("PeftModel.from_pretrained", "in a script without this package",
         f"python -I benchmarks/rehearsal/load_adapter.py {KOSMOS2} {ADAPTER} {{data}}/vg/VG_100K/2.jpg"),
    Cell("evaluate from the Hub", "RefCOCOg with the adapter from the Hub",
         "promvil evaluate --benchmark refcocog --files {data}/refcocog --split test --images {data}/coco/train2014 --model "
         f"{KOSMOS2} --adapter {ADAPTER} --limit {{limit}} {ASKED} --out {{out}}/refcocog-tuned"),
    Cell("publish report", "to the Hub", "promvil publish report {out}/refcocog-tuned promvil/refcocog-tuned"),
    Cell("build FiVL", "LLaVA's conversations with the drawn scenes' true masks",
         "promvil build fivl --source llava --files {data}/llava/detail_23k.json --images {data}/coco/train2017 --masks "
         "{out}/mirror/key_expressions.jsonl --out {out}/fivl --quiet"),
    Cell("publish fivl", "to the Hub", f"promvil publish fivl {{out}}/fivl {FIVL}"),
    Cell("train LLaVA", "two steps of FiVL's joint loss, rows and model from the Hub",
         "python recipes/train_fivl.py --config recipes/llava/lora.yaml --images {data}/coco/train2017 "
         f"--output_dir {{out}}/fivl-adapter {TWO_STEPS} --max_samples 8", trains="fivl-adapter"),
    Cell("evaluate LLaVA", "POPE with the adapter",
         "promvil evaluate --benchmark pope --files {data}/pope/coco_pope_popular.json --images {data}/coco/val2014 --model "
         f"{LLAVA} --adapter {{out}}/fivl-adapter --limit {{limit}} {ASKED} --out {{out}}/pope-tuned"),
)  # fmt: skip
