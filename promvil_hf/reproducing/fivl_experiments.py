# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL's tables as commands."""

from promvil_hf.reproducing.experiments import Experiment, Step, Work


_QUICK = "--resamples 999 --batch-size 16 --prompt {{text}}"  # the toy base was not trained on the request for a short answer
_LLAVA = "the published LLaVA-1.5-7B"
_TABLE_3 = "{}: the share of accuracy that is lost, read off the picture of table 3 in the first version of the paper"


def _built(config: str, source: str, files: str, images: str, small: str, rows: int, known: str) -> Step:
    """Key expressions and masks for a benchmark's questions."""
    words = f"build fivl --source {source} --files {files} --images {images} --out {{out}}/fivl"
    return Step(
        f"build-{config}", words, "key expressions by words, masks by GroundingDINO and SAM", small=small,
        full="--dtype float32 --batch-size 8", makes=f"fivl/{config}/report.json", disk=rows * 6_000,
        work=Work("masks", rows, 1, 0, bits=32, known=known),
    )


def _relied(config: str, images: str, rows: int, known: str) -> Step:
    rows_and_model = f"--rows {{out}}/fivl --config {config} --images {images} --model {{llava}}"
    return Step(
        f"reliance-{config}", f"reliance {rows_and_model} --out {{out}}/reliance-{config}",
        "accuracy with the key boxes hidden, and in four controls",
        small=f"{_QUICK} --limit 60", full="--dtype bfloat16", makes=f"reliance-{config}/reliance.json",
        work=Work("llava", rows, 5, 40, writes=4, bits=16, known=f"{known}; five of the six twins show a picture"),
    )


_POPE = _built(
    "pope", "pope", "{data}/pope/coco_pope_popular.json", "{data}/coco/val2014",
    "--masks {data}/pope/key_expressions.jsonl", 3_000, "rows: POPE popular",
)  # fmt: skip
_SCORED = Step(
    "pope-base",
    "evaluate --benchmark pope --files {data}/pope/coco_pope_popular.json --images {data}/coco/val2014 --model {llava} "
    "--yes-no-rule llava --out {out}/pope-base",
    "the accuracy without hiding, on all questions; the drop is a share of it", full="--dtype bfloat16", small=_QUICK,
    makes="pope-base/report.json",
    work=Work("llava", 3_000, 1, 40, writes=4, bits=16, known="rows: POPE popular"),
)  # fmt: skip
_TRAIN = Step(
    "train-fivl", "recipe run llava/lora --model {llava} --rows {out}/fivl --images {data} --output_dir {out}/fivl-adapter",
    "vision modeling beside the language loss, λ 0.1, as LoRA; llava/full is the paper's own, on 8 GPUs of 80 GB",
    makes="fivl-adapter/adapter_model.safetensors", trains="fivl-adapter", disk=1_300_000_000,
    work=Work("llava", 665_298, 1, 350, trains="lora", bits=16, batch=8,
              known="rows: LLaVA's mix; 350 tokens a conversation is assumed, not counted"),
)  # fmt: skip

_HALF = "half of POPE's questions say yes and have something to hide"
_INSTRUCT = (
    "llava-mix665k", "fivl-instruct", "coco-train2017", "gqa-images", "textvqa-images", "vg-images", "ocr-vqa-images", "pope",
    "coco-val2014",
)  # fmt: skip
_TUNED = Step(
    "pope-tuned", f"{_SCORED.words.replace('{out}/pope-base', '{out}/pope-tuned')} --adapter {{out}}/fivl-adapter",
    "the same with the adapter", full="--dtype bfloat16", makes="pope-tuned/report.json", work=_SCORED.work,
)  # fmt: skip
_BUILT_RELEASE = Step(
    "build-instruct",
    "build fivl --source llava --files {data}/llava/llava_v1_5_mix665k.json --images {data} --out {out}/fivl "
    "--published {data}/fivl_release/fivl_instruct.json --tensors {data}/fivl_release/dataset_grounded.tar",
    "the published data set, joined with LLaVA's mix", makes="fivl/instruct/report.json", disk=4_000_000_000,
)  # fmt: skip

_SEEN_AND_BLIND = Step(
    "pope-4b",
    "evaluate --benchmark pope --files {data}/pope/coco_pope_popular.json --images {data}/coco/val2014 --model {vlm4b} "
    "--yes-no-rule llava --blind-too --out {out}/pope-4b",
    "the score, and how much of it stays without the picture", full="--dtype bfloat16", small=_QUICK,
    makes="pope-4b/picture_needed.json",
    work=Work("vlm4b", 3_000, 2, 40, writes=4, bits=16, known="rows: POPE popular, once with the picture and once without"),
)  # fmt: skip
_RELIED_4B = Step(
    "reliance-4b",
    "reliance --rows {out}/fivl --config pope --images {data}/coco/val2014 --model {vlm4b} --out {out}/reliance-4b",
    "accuracy with the key boxes hidden, and in four controls", full="--dtype bfloat16", small=f"{_QUICK} --limit 60",
    makes="reliance-4b/reliance.json",
    work=Work("vlm4b", 1_500, 5, 40, writes=4, bits=16, known=f"{_HALF}; five of the six twins show a picture"),
)  # fmt: skip
RELIANCE_OF_4B = (_POPE, _SEEN_AND_BLIND, _RELIED_4B)

FIVL_EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "fivl-pope", "FiVL", "Visual Reliance Score on POPE",
        _TABLE_3.format("LLaVA-1.5-7B 0.47 on POPE"), ("pope", "coco-val2014"),
        (_POPE, _SCORED, _relied("pope", "{data}/coco/val2014", 1_500, _HALF)),
        "reliance-pope/reliance.html",
        "In the paper GPT-4o names the key expressions. Here the nouns of the question are taken; `--expressions "
        "endpoint` asks a "
        "model. It is not known which of POPE's three files the paper used, which formula, and which colour hid the boxes. Here "
        "they are popular, the relative drop, and black.",
    ),
    Experiment(
        "fivl-reliance", "FiVL", "table 3: reliance on VQAv2, GQA and POPE",
        _TABLE_3.format("LLaVA-1.5-7B 0.56, 0.31 and 0.47; seven models in all"),
        ("pope", "vqav2", "gqa", "gqa-images", "coco-val2014"),
        (
            _POPE,
            _built("gqa", "gqa", "{data}/gqa/testdev_balanced_questions.json", "{data}/gqa/images",
                   "--masks {data}/gqa/key_expressions.jsonl", 12_578, "rows: GQA testdev"),
            _relied("pope", "{data}/coco/val2014", 1_500, _HALF),
            _relied("gqa", "{data}/gqa/images", 12_578, "rows: GQA testdev at most"),
        ),
        "reliance-gqa/reliance.html",
        "The page for POPE is reliance-pope/reliance.html. VQAv2 is not part of these steps: it has 214,354 questions, and it is "
        "not known which of them the paper used. `promvil build fivl --source vqav2` builds them with the same "
        "options. The other "
        "six models take the same command with their `--model`, or `--base-url` for GPT-4o.",
    ),
    Experiment(
        "fivl-training", "FiVL", "the radar plot: LLaVA-1.5-7B against FiVL-VM",
        "in the first version of the paper POPE accuracy .87 to .86, GQA .62 to .62, TextVQA .46 to .46, ScienceQA "
        ".66 to .70, OK-VQA .53 to .55, "
        "VizWiz .54 to .54, MME perception 1508.61 to 1469.98. Gains are small, and some scores fall",
        _INSTRUCT,
        (
            _BUILT_RELEASE, _TRAIN, _SCORED, _TUNED,
            Step("pope-compared",
                 "evaluate --compare {out}/pope-base/report.json {out}/pope-tuned/report.json --out {out}/pope-compared",
                 "the difference with its interval", makes="pope-compared/report.html"),
        ),
        "pope-compared/report.html",
        "The paper trains the whole model, starting from Vicuna. Here an adapter is trained on the published LLaVA. "
        "For GQA, TextVQA "
        "and VQAv2 use `promvil evaluate` in the same way, for MME, MMBench and the others lmms-eval with `--model "
        "promvil`. There "
        "is no small form, because the published masks cannot be drawn.",
    ),
    Experiment(
        "fivl-heads", "FiVL", "heads whose attention follows the masks",
        "the best heads of LLaVA-1.5-7B, as (layer, head): (10, 6) .25, (14, 11) .246, (7, 8) .236, over 500 data points. They "
        "were read off the colour map of the first version of the paper",
        ("pope", "coco-val2014"),
        (_POPE,
         Step("atlas", "explain --rows {out}/fivl --config pope --images {data}/coco/val2014 --model {llava} --out {out}/atlas",
              "rank correlation of each head with the mask, against a null", small="--limit 24 --batch-size 8 --prompt {{text}}",
              full="--limit 500 --dtype bfloat16", makes="atlas/atlas.json",
              work=Work("llava", 500, 2, 40, writes=20, bits=16, known="500 turns, as the paper's map"))),
        "atlas/atlas.html",
        "The paper uses conversations of FiVL-Instruct with the model's answers. Here POPE's questions are used, "
        "because they need "
        "no published masks.",
    ),
)  # fmt: skip
