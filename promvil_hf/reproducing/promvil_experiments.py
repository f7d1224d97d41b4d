# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""PromViL's claims as commands."""

from promvil_hf.evaluation.benchmarks.known_sizes import KNOWN_SIZES
from promvil_hf.reproducing.experiments import Experiment, Step, Work


_GRAPHS = ("vg", "vg-images", "refcoco", "refcoco+", "refcocog", "gqa", "vsr", "llava-detail", "coco-annotations-2017",
           "coco-train2017", "coco-val2017")  # fmt: skip
_QUICK = "--resamples 999 --batch-size 16"
_CHAINS = "60,000 rows as the paper's summary has it; four texts a row as its published rows have, 25 tokens each"

BUILD = Step(
    "build",
    "build compovl --vg {data}/vg --release 1.2 --out {out}/compovl --exclude-coco '{data}/refcoco/refs(unc).p' "
    "--exclude-coco '{data}/refcoco+/refs(unc).p' --exclude-coco '{data}/refcocog/refs(umd).p' "
    "--exclude-vg {data}/gqa/val_balanced_questions.json --vg-qa --llava {data}/llava/detail_23k.json "
    "--vsr-train {data}/vsr/train.jsonl --vsr-validation {data}/vsr/dev.jsonl "
    "--coco-instances {data}/coco/annotations/instances_train2017.json",
    "CompoVL and the mixture, without the images that models are scored on",
    small="--test-share 0.2 --validation-share 0.1 --test-per-level 16", makes="compovl/report.json",
    minutes=11, measured="python -m benchmarks.rehearsal, 108,077 images with made-up graphs", disk=950_000_000,
)  # fmt: skip
TRAIN = Step(
    "train",
    "recipe run kosmos2/lora --model {kosmos2} --rows {out}/compovl --images {data} --output_dir {out}/adapter",
    "LoRA on both towers with the paper's settings, chains mixed with questions",
    small="--max_steps 40 --eval_steps 0.25 --save_steps 0.25 --learning_rate 3e-3 --dataloader_num_workers 0",
    makes="adapter/adapter_model.safetensors", trains="adapter", disk=3 * 1_040_000_000,
    work=Work("kosmos2", 60_000, 4, 25, trains="lora", bits=32, batch=4, known=_CHAINS),
)  # fmt: skip


def _asked(name: str, benchmark: str, why: str, work: Work, small: str = "", tuned: bool = False, mode: str = "one_shot") -> Step:
    adapter = " --adapter {out}/adapter" if tuned else ""
    how = "" if mode == "one_shot" else f" --mode {mode}"
    words = f"evaluate --benchmark {benchmark} --model {{kosmos2}}{adapter}{how} --out {{out}}/{name}"
    return Step(name, words, why, small=f"{_QUICK} {small}".strip(), makes=f"{name}/report.json", work=work, disk=50_000_000)


def _compared(name: str, before: str, after: str, images: str) -> Step:
    words = f"evaluate --compare {{out}}/{before}/report.json {{out}}/{after}/report.json --images {images} --out {{out}}/{name}"
    return Step(
        name, words, "the difference with its interval and a paired test, for each level", small="--resamples 999",
        makes=f"{name}/report.html",
    )


def _both(stem: str, benchmark: str, images: str, rows: int, known: str, progressive: float = 2.5,
small: str = "") -> tuple[Step, ...]:
    """Base and adapter on one benchmark, in one shot and level by level."""

    def work(texts: float) -> Work:
        return Work("kosmos2", rows, texts, 25, writes=8, known=known)

    where = f"{benchmark} --images {images}"
    return (
        _asked(f"{stem}-base", where, "the base, each expression by itself", work(1), small),
        _asked(f"{stem}-base-levels", where, "the base, simple phrases first", work(progressive), small, mode="progressive"),
        TRAIN,
        _asked(f"{stem}-tuned", where, "the adapter, each expression by itself", work(1), small, tuned=True),
        _asked(f"{stem}-tuned-levels", where, "the adapter, simple phrases first: the paper's way", work(progressive), small,
               tuned=True, mode="progressive"),
        _compared(f"{stem}-compared", f"{stem}-base", f"{stem}-tuned-levels", images),
    )  # fmt: skip


def _accuracy(stem: str, benchmark: str, images: str, rows: int, known: str, small: str = "") -> tuple[Step, ...]:
    where = f"{benchmark} --images {images}"
    work = Work("kosmos2", rows, 1, 20, writes=6, known=known)
    return (
        _asked(f"{stem}-base", where, "the base", work, small),
        TRAIN,
        _asked(f"{stem}-tuned", where, "the adapter", work, small, tuned=True),
        _compared(f"{stem}-compared", f"{stem}-base", f"{stem}-tuned", images),
    )


_REFER = {
    name: tuple(
        _asked(
            f"{name.replace('+', '-plus')}-{split}",
            f"{name} --files {{data}}/{name} --split {split} --images {{data}}/coco/train2014", f"{name}, {split}",
            Work("kosmos2", KNOWN_SIZES[name][split], 1, 12, writes=8, known="rows: the split's known size"), "--limit 24",
        )
        for split in splits
    )
    for name, splits in {
        "refcoco": ("val", "testA", "testB"), "refcoco+": ("val", "testA", "testB"), "refcocog": ("val", "test"),
    }.items()
}  # fmt: skip

_COMPOVL = _both(
    "compovl", "compovl --files {out}/compovl/steps/test-00000-of-00001.parquet", "{data}", 4_000,
    "1,000 expressions of each level, which is where `--test-per-level` stops",
)  # fmt: skip

PROMVIL_EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "promvil-compovl", "PromViL", "gain on the CompoVL benchmark",
        "+9.0 points over Kosmos-2. This is from a summary of the paper; the table itself could not be read", _GRAPHS,
        (BUILD, *_COMPOVL),
        "compovl-compared/report.html",
        "The paper's benchmark was not published. This one is built anew from Visual Genome: a grammar writes its "
        "expressions, and it has different rows. It is not known which part of LLaVA's data the paper mixed in, nor how "
        "many rows each part had.",
    ),
    Experiment(
        "promvil-refcocog", "PromViL", "zero-shot grounding on RefCOCOg",
        "up to +5.5 points, from a summary of the paper. Kosmos-2 itself has 61.65 on the test split, from its README",
        (*_GRAPHS, "coco-train2014"),
        (BUILD, *_both("refcocog-test-all", "refcocog --files {data}/refcocog --split test", "{data}/coco/train2014",
                       KNOWN_SIZES["refcocog"]["test"], "rows: the split's known size", small="--limit 32")),
        "refcocog-test-all-compared/report.html",
        "A model may answer with several boxes. It is not known which of them the paper scores; here it is the first.",
    ),
    Experiment(
        "promvil-gqa", "PromViL", "GQA: accuracy, and validity",
        "nearly +5 points of accuracy and +10 of validity, from a summary of the paper. Another summary says 4.0 points on GQA",
        (*_GRAPHS, "gqa-images"),
        (BUILD, *_accuracy("gqa", "gqa --files {data}/gqa/testdev_balanced_questions.json", "{data}/gqa/images",
                           KNOWN_SIZES["gqa"]["testdev_balanced"], "rows: the split's known size", "--limit 40"),
         *(_asked(f"gqa-val-{who}", "gqa --files {data}/gqa/val_balanced_questions.json --choices {data}/gqa/val_choices.json "
                  "--images {data}/gqa/images --limit 12578", f"validity, {who}: choices are published for train and val only",
                  Work("kosmos2", 12_578, 1, 20, writes=6, known="as many rows as testdev has"), "--limit 40",
                  tuned=who == "tuned")
           for who in ("base", "tuned"))),
        "gqa-compared/report.html",
        "Validity is measured here by GQA's official definition, on val. How the paper measured it is not known. For GQA-OOD use "
        "the same commands with `--benchmark gqa_ood --files data/gqa_ood`.",
    ),
    Experiment(
        "promvil-kosmos2", "PromViL", "the baseline row: Kosmos-2, zero-shot",
        "RefCOCO 52.32 / 57.42 / 47.26 (val, testA, testB), RefCOCO+ 45.48 / 50.73 / 42.24, RefCOCOg 60.57 / 61.65 (val, test), "
        "from the README of Kosmos-2. Begin with this one: nothing is trained, and the numbers are known",
        ("refcoco", "refcoco+", "refcocog", "coco-train2014"),
        tuple(step for steps in _REFER.values() for step in steps), "refcocog-test/report.html",
        "Microsoft's script counts an answer only if it repeats the phrase. Here the first box counts, whatever "
        "stands before it.",
    ),
    Experiment(
        "promvil-evidence", "PromViL", "ablation: lower levels as context in training",
        "a claim that this helps. No number could be read", _GRAPHS,
        (BUILD, TRAIN,
         Step("train-alone",
              "recipe run kosmos2/lora --model {kosmos2} --rows {out}/compovl --images {data} --train_evidence false "
              "--output_dir {out}/adapter-alone", "the same training, each phrase by itself", small=TRAIN.small,
              makes="adapter-alone/adapter_model.safetensors", trains="adapter-alone", disk=TRAIN.disk, work=TRAIN.work),
         _COMPOVL[3],
         Step("compovl-alone",
              "evaluate --benchmark compovl --files {out}/compovl/steps/test-00000-of-00001.parquet --images {data} "
              "--model {kosmos2} --adapter {out}/adapter-alone --out {out}/compovl-alone", "the adapter trained without evidence",
              small=_QUICK,
              makes="compovl-alone/report.json", work=Work("kosmos2", 4_000, 1, 25, writes=8, known="as promvil-compovl")),
         _compared("evidence-compared", "compovl-alone", "compovl-tuned", "{data}")),
        "evidence-compared/report.html", "The paper's own numbers are not known.",
    ),
)  # fmt: skip
