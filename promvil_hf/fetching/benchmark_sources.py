# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The table of sources that models are scored on: both papers' benchmarks and newer ones.

Nothing here was downloaded when the table was written: each source says where its facts were read, and `mark` what is doubtful.
"""

from promvil_hf.fetching.sources import GB, KB, MB, RemoteFile, Source, Unpacking


_CC_BY = "CC BY 4.0"
_HUB = "https://huggingface.co/datasets"
_RAW = "https://raw.githubusercontent.com"
_UNC = "bvisionweb1.cs.unc.edu/licheng/referit/data"
_REFER_FACTS = (
    "address: README of github.com/lichengunc/refer; its server has been down for years, so the copy that the Internet Archive "
    "made of the same address in 2022 comes first; sizes and SHA-256: two projects that computed the same on these copies"
)
_POPE = f"{_RAW}/RUCAIBox/POPE/e3e39262c85a6a83f26cf5094022a782cb0df58d/output/coco"
_OOD = f"{_RAW}/gqa-ood/GQA-OOD/3853e118dc096e0551cb5792da135967cb7a312b/data"
_VQA = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
_OKVQA = "https://okvqa.allenai.org/static/data"
_REF_ADV = "e7a53e352b5885b8228fc6afa8645ab78e76d5f1"
_GQA = "https://downloads.cs.stanford.edu/nlp/data/gqa"


def _refer(name: str, stamp: str, size: int, sha256: str, partition: str, about: str, gives: str) -> Source:
    archive = RemoteFile(
        f"{name}.zip", (f"https://web.archive.org/web/{stamp}id_/https://{_UNC}/{name}.zip", f"https://{_UNC}/{name}.zip"),
        size, checksum=f"sha256:{sha256}",
        unpack=Unpacking(name, 200 * MB, keep=(f"*refs({partition}).p", "*instances.json"), flat=True),
    )  # fmt: skip
    licence = "Apache-2.0 (repository); boxes: CC BY 4.0 (COCO)"
    page = "https://github.com/lichengunc/refer"
    return Source(name, about, licence, page, _REFER_FACTS, gives, (archive,), needs=("coco-train2014",))


def _vqa(name: str, size: int, kept: int) -> RemoteFile:
    return RemoteFile(name, (f"{_VQA}/{name}",), size, unpack=Unpacking("vqav2", kept, keep=("*.json",), flat=True))


def _okvqa(name: str) -> RemoteFile:
    unpack = Unpacking("okvqa", 20 * MB, keep=("*.json",), flat=True)
    return RemoteFile(f"{name}.zip", (f"{_OKVQA}/{name}.zip",), unpack=unpack, mark="size not published")


BENCHMARK_SOURCES: tuple[Source, ...] = (
    _refer(
        "refcoco", "20220413011718", 53_993_993, "7f924bb7ed8dc4568058e4ff626281918d56e5206f4c868c5a80f088f38c8bf0", "unc",
        "RefCOCO, UNC's partition",
        "refcoco/, for `--benchmark refcoco --files refcoco` and as a list to leave out (--exclude-coco)",
    ),
    _refer(
        "refcoco+", "20220413011656", 45_613_210, "5f1238112d63199e68da54a28f201471909b21ded7ed79a57d51b4c1443c6b45", "unc",
        "RefCOCO+, UNC's partition", "refcoco+/, as refcoco",
    ),
    _refer(
        "refcocog", "20220413012904", 56_712_951, "3d1f7e5b2ff2205940bf59de55f861f5f2cc1403fb980669933a7f9af1aa8211", "umd",
        "RefCOCOg, UMD's partition: PromViL's zero-shot benchmark",
        "refcocog/, for `--benchmark refcocog --files refcocog --split test`",
    ),
    Source(
        "gqa", "GQA's balanced questions, and the choices that validity needs",
        "CC BY 4.0 by the paper's site; the archive states none",
        "https://cs.stanford.edu/people/dorarad/gqa/download.html",
        "address: that page and evaluate.html beside it; bytes of the questions: public scripts that compare them",
        "gqa/testdev_balanced_questions.json and others, gqa/val_choices.json; choices are published for train and val only",
        (
            RemoteFile(
                "questions1.2.zip", (f"{_GQA}/questions1.2.zip", "https://nlp.stanford.edu/data/gqa/questions1.2.zip"),
                1_498_616_372,
                unpack=Unpacking("gqa", 2_200 * MB, keep=("*_balanced_questions.json",), flat=True),
            ),
            RemoteFile(
                "eval.zip", ("https://nlp.stanford.edu/data/gqa/eval.zip", f"{_GQA}/eval.zip"),
                unpack=Unpacking("gqa", 1_500 * MB, keep=("*choices*.json",), flat=True),
                mark="size not published; which files it holds is not confirmed",
            ),
        ),
        needs=("gqa-images",),
    ),
    Source(
        "gqa-ood", "GQA-OOD's rare and frequent answers of testdev", "GQA's; the repository has no licence file",
        "https://github.com/gqa-ood/GQA-OOD", "addresses: the files of that commit",
        "gqa_ood/ood_testdev_head.json and gqa_ood/ood_testdev_tail.json",
        tuple(RemoteFile(f"ood_testdev_{part}.json", (f"{_OOD}/ood_testdev_{part}.json",), mark="size not published",
                         place=f"gqa_ood/ood_testdev_{part}.json") for part in ("head", "tail")),
        needs=("gqa-images",),
    ),
    Source(
        "pope", "POPE at the commit that LLaVA-1.5 was scored on: later ones edited the questions", "MIT",
        "https://github.com/RUCAIBox/POPE",
        "addresses: LLaVA's evaluation page names the commit; size and SHA-256 of popular: computed",
        "pope/coco_pope_popular.json and two others, for `--benchmark pope`",
        (
            RemoteFile("coco_pope_popular.json", (f"{_POPE}/coco_pope_popular.json",), 370_234,
                       place="pope/coco_pope_popular.json",
                       checksum="sha256:5b16653023bf4f64d57eb0d168259de6627f5cde7538b85ebed3cc33034aa6cc"),
            *(RemoteFile(f"coco_pope_{kind}.json", (f"{_POPE}/coco_pope_{kind}.json",), 370 * KB, exact=False,
                         place=f"pope/coco_pope_{kind}.json") for kind in ("random", "adversarial")),
        ),
        needs=("coco-val2014",),
    ),
    Source(
        "vqav2", "VQAv2, train and val: questions and ten answers each", _CC_BY, "https://visualqa.org/download.html",
        "addresses: that page; sizes: public scripts that compare them",
        "vqav2/v2_OpenEnded_mscoco_val2014_questions.json and v2_mscoco_val2014_annotations.json, for `--benchmark vqav2`",
        (_vqa("v2_Questions_Val_mscoco.zip", 3_494_929, 26 * MB), _vqa("v2_Annotations_Val_mscoco.zip", 10_518_930, 190 * MB),
         _vqa("v2_Questions_Train_mscoco.zip", 7_239_401, 55 * MB), _vqa("v2_Annotations_Train_mscoco.zip", 21_708_861,
         390 * MB)),
        needs=("coco-val2014", "coco-train2014"),
    ),
    Source(
        "textvqa", "TextVQA 0.5.1, val", _CC_BY, "https://textvqa.org/dataset",
        "address: that page; size: a public script that compares it",
        "textvqa/TextVQA_0.5.1_val.json, for `--benchmark textvqa`",
        (RemoteFile("TextVQA_0.5.1_val.json", ("https://dl.fbaipublicfiles.com/textvqa/data/TextVQA_0.5.1_val.json",), 3_116_162,
                    place="textvqa/TextVQA_0.5.1_val.json"),),
        needs=("textvqa-images",),
    ),
    Source(
        "promvil-lines", "PromViL's own lists of prompts for RefCOCOg and GQA", "MIT", "https://github.com/lqh52/PromViL",
        "addresses: the repository's files", "promvil_lines/, for `--benchmark promvil_lines --labelled`",
        tuple(RemoteFile(name, (f"{_RAW}/lqh52/PromViL/main/eval_data/{name}",), 1_200 * KB, exact=False,
                         place=f"promvil_lines/{name}", mark="name of the branch not confirmed")
              for name in ("finetune_refcocog_test.txt", "gqa_testdev.txt")),
        needs=("refcocog", "gqa"),
    ),
    Source(
        "ref-adv", "Ref-Adv-s: 1,142 hard referring expressions", "CC BY 4.0 by its card; pictures keep their own",
        f"{_HUB}/dddraxxx/ref-adv-s", "address, revision and bytes: a project that pins them",
        "ref_adv/train-00000-of-00001.parquet, pictures included",
        (RemoteFile("train-00000-of-00001.parquet",
                    (f"{_HUB}/dddraxxx/ref-adv-s/resolve/{_REF_ADV}/data/train-00000-of-00001.parquet",),
                    255_481_432, place="ref_adv/train-00000-of-00001.parquet"),),
    ),
    Source(
        "finecops-ref", "FineCops-Ref: expressions by difficulty, with negative texts and pictures", "CC BY 4.0 by the paper",
        "https://github.com/liujunzhuo/FineCops-Ref",
        "address: a public script; the authors publish through figshare (article 26048050)",
        "finecops_ref/: annotations, and neg_images.tgz, which is left packed",
        (RemoteFile("finecopsref_anno.zip",
                    ("https://figshare.com/ndownloader/articles/26048050?private_link=e323fe078924c8b36043",),
                    unpack=Unpacking("finecops_ref", 4 * GB, flat=True), mark="size and content not confirmed"),),
        needs=("gqa-images",),
    ),
    Source(
        "grefcoco", "gRefCOCO: expressions with none, one or several targets", "CC BY-NC-SA 4.0 by its page",
        "https://github.com/henghuiding/gRefCOCO", "addresses and sizes: public scripts that fetch the authors' Hub repository",
        "grefcoco/grefs(unc).json and grefcoco/instances.json",
        (RemoteFile("grefs(unc).json", (f"{_HUB}/FudanCVL/gRefCOCO/resolve/main/grefs(unc).json",), 59 * MB, exact=False,
                    place="grefcoco/grefs(unc).json"),
         RemoteFile("instances.json", (f"{_HUB}/FudanCVL/gRefCOCO/resolve/main/instances.json",), 120 * MB, exact=False,
                    place="grefcoco/instances.json")),
        needs=("coco-train2014",),
    ),
    Source(
        "ref-l4", "Ref-L4: 45,341 long expressions", "CC BY-NC 4.0; pictures keep their own", f"{_HUB}/JierunChen/Ref-L4",
        "names: the authors' loader and a public runbook", "ref_l4/ref-l4-val.parquet, ref_l4/ref-l4-test.parquet, ref_l4/images",
        (
            *(RemoteFile(f"ref-l4-{part}.parquet", (f"{_HUB}/JierunChen/Ref-L4/resolve/main/ref-l4-{part}.parquet",),
                         place=f"ref_l4/ref-l4-{part}.parquet", mark="size and name not confirmed") for part in ("val", "test")),
            RemoteFile("images.tar.gz", (f"{_HUB}/JierunChen/Ref-L4/resolve/main/images.tar.gz",),
                       unpack=Unpacking("ref_l4", 4 * GB), mark="size not published"),
        ),
    ),
    Source(
        "hallusionbench", "HallusionBench: 1,129 questions in pairs", "BSD-3-Clause",
        "https://github.com/tianyi-lab/HallusionBench",
        "address: the repository; size and SHA-256 of the questions: computed on the file of commit 744007c2",
        "hallusionbench/HallusionBench.json and the figures beside it",
        (RemoteFile("HallusionBench.json", (f"{_RAW}/tianyi-lab/HallusionBench/main/HallusionBench.json",), 431_987,
                    place="hallusionbench/HallusionBench.json",
                    checksum="sha256:ca6e0fb677dd56e5fb0e2700d06c58d01f8a6ae66e0f1773b2ac48c0a095d051"),
         RemoteFile("hallusion_bench.zip", (), unpack=Unpacking("hallusionbench", 400 * MB),
                    mark="Google Drive only: drive.google.com/file/d/1sAXmVg3I3A6gjb8JnA6HWjSv1ntrSBki")),
    ),
    Source(
        "naturalbench", "NaturalBench: pairs of questions and pictures", "Apache-2.0 by its card", f"{_HUB}/BaiqiL/NaturalBench",
        "names and sizes: the repository's list of files", "naturalbench/train-*.parquet, pictures included",
        tuple(RemoteFile(f"train-0000{part}-of-00003.parquet",
                         (f"{_HUB}/BaiqiL/NaturalBench/resolve/main/data/train-0000{part}-of-00003.parquet",),
                         size * MB, exact=False,
                         place=f"naturalbench/train-0000{part}-of-00003.parquet") for part, size in enumerate((375, 386, 381))),
    ),
    Source(
        "mmvp", "MMVP: 300 questions about pairs that CLIP confuses",
        "MIT by the card of its sister MMVP_VLM; its own was not read",
        f"{_HUB}/MMVP/MMVP",
        "names: public evaluation code that clones the repository", "mmvp/Questions.csv and `mmvp/MMVP Images`",
        (RemoteFile("Questions.csv", (f"{_HUB}/MMVP/MMVP/resolve/main/Questions.csv",), place="mmvp/Questions.csv",
                    mark="size not published"),
         *(RemoteFile(f"MMVP Images/{number}.jpg", (f"{_HUB}/MMVP/MMVP/resolve/main/MMVP%20Images/{number}.jpg",),
                      place=f"mmvp/MMVP Images/{number}.jpg") for number in range(1, 301))),
    ),
    Source(
        "okvqa", "OK-VQA, val: questions whose answers are not in the picture", "not stated",
        "https://okvqa.allenai.org/download.html",
        "addresses: that page",
        "okvqa/OpenEnded_mscoco_val2014_questions.json and okvqa/mscoco_val2014_annotations.json, in VQAv2's form",
        (_okvqa("OpenEnded_mscoco_val2014_questions.json"), _okvqa("mscoco_val2014_annotations.json")), needs=("coco-val2014",),
    ),
    Source(
        "vizwiz", "VizWiz-VQA, val: questions that blind people asked", _CC_BY, "https://vizwiz.org/tasks-and-datasets/vqa",
        "addresses: LLaVA's evaluation page and others; size of the pictures: a public page", "vizwiz/val.json and vizwiz/val",
        (RemoteFile("Annotations.zip", ("https://vizwiz.cs.colorado.edu/VizWiz_final/vqa_data/Annotations.zip",),
                    unpack=Unpacking("vizwiz", 60 * MB, keep=("*.json",), flat=True), mark="size not published"),
         RemoteFile("val.zip", ("https://vizwiz.cs.colorado.edu/VizWiz_final/images/val.zip",), 3_700 * MB, exact=False,
                    unpack=Unpacking("vizwiz", 3_800 * MB, keep=("val/*",)))),
    ),
)  # fmt: skip
