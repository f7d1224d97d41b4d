# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The table of sources that training data is built from: Visual Genome, COCO, GQA, VSR, LLaVA's mixes, FiVL-Instruct.

Nothing here was downloaded when the table was written: each source says where its facts were read, and `mark` what is doubtful.
"""

from promvil_hf.fetching.sources import GB, KB, MB, RemoteFile, Source, Unpacking


_VG = "https://homes.cs.washington.edu/~ranjay/visualgenome/data/dataset"
_VG_FACTS = (
    "addresses and which file is of which release: the loading script visual_genome.py on the Hub (ranjaykrishna/visual_genome); "
    "sizes: public download scripts that compare Content-Length; SHA-256 of image_data and both archives of pictures: "
    "dataset_infos.json of the same Hub repository"
)
_COCO = "http://images.cocodataset.org"
_COCO_FACTS = (
    "addresses: cocodataset.org/#download; sizes and MD5: torchvision for R, PaddleDetection and others that check them; "
    "SHA-256: projects that computed it on the file with this MD5"
)
_CC_BY = "CC BY 4.0"
_PHOTOS = "photographs: licences of their Flickr authors"
_LLAVA = "https://huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K/resolve/main"
_FIVL = "https://huggingface.co/datasets/Intel/fivl-instruct/resolve/main"
_VSR = "https://raw.githubusercontent.com/cambridgeltl/visual-spatial-reasoning/master/data/splits/zeroshot"
_GQA = "https://downloads.cs.stanford.edu/nlp/data/gqa"


def _graphs(name: str, kept: int, size: int | None = None, checksum: str = "", mark: str = "") -> RemoteFile:
    """A zip of Visual Genome with one JSON file, which is called here as the reader wants it."""
    plain = name.removesuffix(".json.zip").removesuffix("_v1_2")
    unpack = Unpacking("vg", kept, keep=("*.json",), flat=True, renamed=((f"{plain}*.json", f"{plain}.json"),))
    mark = mark or ("size not published" if size is None else "")
    return RemoteFile(name, (f"{_VG}/{name}",), size, checksum=checksum, unpack=unpack, mark=mark)


_IMAGE_DATA = _graphs(
    "image_data.json.zip", 18 * MB, 1_780_854, "sha256:b87a94918cb2ff4d952cf1dfeca0b9cf6cd6fd204c2f8704645653be1163681a",
    "the checksum is of the copy that visualgenome.org served before it moved",
)  # fmt: skip
_ATTRIBUTES = _graphs("attributes.json.zip", 500 * MB, 83_280_561)
_REGIONS = (
    _graphs("region_graphs.json.zip", 4 * GB),
    _graphs("region_descriptions.json.zip", 730 * MB, 127_377_968),
    _graphs("question_answers.json.zip", 410 * MB, 24_776_315),
)
_VG_GIVES = "vg/*.json for `promvil build compovl --vg vg`, question_answers.json for --vg-qa"


def _coco_zip(name: str, size: int, kept: int, checksum: str, folder: str = "zips", mark: str = "") -> RemoteFile:
    return RemoteFile(
        name, (f"{_COCO}/{folder}/{name}",), size, checksum=checksum, unpack=Unpacking("coco", kept), mark=mark
    )


def _coco(name: str, about: str, gives: str, file: RemoteFile, licence: str = _PHOTOS) -> Source:
    return Source(name, about, licence, "https://cocodataset.org/#download", _COCO_FACTS, gives, (file,))


TRAINING_SOURCES: tuple[Source, ...] = (
    Source(
        "vg", "Visual Genome 1.2: scene graphs, regions and questions of 108,077 images", _CC_BY,
        "https://homes.cs.washington.edu/~ranjay/visualgenome/api.html", _VG_FACTS, _VG_GIVES,
        (_IMAGE_DATA, _graphs("objects_v1_2.json.zip", 420 * MB), _graphs("relationships_v1_2.json.zip", 710 * MB),
         _ATTRIBUTES, *_REGIONS),
    ),
    Source(
        "vg-1.4", "Visual Genome 1.4: objects merged, and fewer of them; do not mix it with 1.2", _CC_BY,
        "https://homes.cs.washington.edu/~ranjay/visualgenome/api.html", _VG_FACTS, _VG_GIVES,
        (_IMAGE_DATA, _graphs("objects.json.zip", 414 * MB, 55_323_929),
         _graphs("relationships.json.zip", 740 * MB, 77_904_473), _ATTRIBUTES, *_REGIONS),
    ),
    Source(
        "vg-images", "photographs of Visual Genome", _PHOTOS,
        "https://homes.cs.washington.edu/~ranjay/visualgenome/api.html", _VG_FACTS,
        "vg/VG_100K and vg/VG_100K_2, for `--images vg`; LLaVA's mix finds them as vg/... with `--images data`",
        (
            RemoteFile(
                "images.zip", ("https://cs.stanford.edu/people/rak248/VG_100K_2/images.zip",), 9_731_705_982,
                checksum="sha256:51c682d2721f880150720bb416e0346a4c787e4c55d7f80dfd1bd3f73ba81646",
                unpack=Unpacking("vg", 9_800 * MB),
            ),
            RemoteFile(
                "images2.zip", ("https://cs.stanford.edu/people/rak248/VG_100K_2/images2.zip",), 5_471_658_058,
                checksum="sha256:99da1a0ddf87011319ff3b05cf9176ffee2731cc3c52951162d9ef0d68e3cfb5",
                unpack=Unpacking("vg", 5_550 * MB),
            ),
        ),
    ),
    _coco(
        "coco-train2014", "82,783 photographs: those of RefCOCO, RefCOCO+ and RefCOCOg",
        "coco/train2014, for `--images coco/train2014`",
        _coco_zip("train2014.zip", 13_510_573_713, 13_600 * MB, "",
                  mark="two MD5 circulate (0da8c0bd…, 0da8cfa0…), so none is checked; the CRC-32 of every member is"),
    ),
    _coco(
        "coco-val2014", "40,504 photographs: those of POPE, VQAv2 and OK-VQA", "coco/val2014, for `--images coco/val2014`",
        _coco_zip("val2014.zip", 6_645_013_297, 6_700 * MB, "md5:a3d79f5ed8d289b7a7554ce06a5782b3"),
    ),
    _coco(
        "coco-train2017", "118,287 photographs: those of LLaVA's mix and VSR", "coco/train2017",
        _coco_zip("train2017.zip", 19_336_861_798, 19_400 * MB,
                  "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
    ),
    _coco(
        "coco-val2017", "5,000 photographs", "coco/val2017",
        _coco_zip("val2017.zip", 815_585_330, 820 * MB,
                  "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
    ),
    _coco(
        "coco-annotations-2014", "instances, captions and keypoints of train2014 and val2014",
        "coco/annotations/instances_train2014.json and others",
        _coco_zip("annotations_trainval2014.zip", 252_872_794, 845 * MB, "md5:0a379cfc70b0e71301e0f377548639bd", "annotations"),
        _CC_BY,
    ),
    _coco(
        "coco-annotations-2017", "instances, captions and keypoints of train2017 and val2017",
        "coco/annotations/instances_train2017.json and others, for `--coco-instances`",
        _coco_zip("annotations_trainval2017.zip", 252_907_541, 850 * MB,
                  "sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268", "annotations"),
        _CC_BY,
    ),
    Source(
        "gqa-graphs", "GQA's scene graphs of 85,638 images", f"{_CC_BY} by the paper's site; the archive states none",
        "https://cs.stanford.edu/people/dorarad/gqa/download.html", "address and size: that page",
        "gqa/train_sceneGraphs.json and gqa/val_sceneGraphs.json, for `promvil build compovl --gqa`",
        (RemoteFile("sceneGraphs.zip", (f"{_GQA}/sceneGraphs.zip", "https://nlp.stanford.edu/data/gqa/sceneGraphs.zip"),
                    42_700 * KB, exact=False,
                    unpack=Unpacking("gqa", 500 * MB, keep=("*sceneGraphs.json",), flat=True)),),
    ),
    Source(
        "gqa-images", "148,854 pictures of GQA: Visual Genome's and COCO's", _PHOTOS,
        "https://cs.stanford.edu/people/dorarad/gqa/download.html", "address and size (20.3 GB): that page",
        "gqa/images, for `--images gqa/images`; LLaVA's mix finds them as gqa/images/... with `--images data`",
        (RemoteFile("images.zip", (f"{_GQA}/images.zip", "https://nlp.stanford.edu/data/gqa/images.zip"), 20_300 * MB,
                    exact=False, unpack=Unpacking("gqa", 20_600 * MB, keep=("images/*",))),),
    ),
    Source(
        "vsr", "Visual Spatial Reasoning, zero-shot split: statements about pictures of COCO",
        f"Apache-2.0 (repository), {_CC_BY} (its Hub repository)", "https://github.com/cambridgeltl/visual-spatial-reasoning",
        "addresses: the repository's files; size and SHA-256 of dev: computed on the file of commit b27a0af0",
        "vsr/train.jsonl, vsr/dev.jsonl, vsr/test.jsonl, for --vsr-train, --vsr-validation and `--benchmark vsr`",
        (RemoteFile("train.jsonl", (f"{_VSR}/train.jsonl",), place="vsr/train.jsonl", mark="size not published"),
         RemoteFile("dev.jsonl", (f"{_VSR}/dev.jsonl",), 107_245, place="vsr/dev.jsonl",
                    checksum="sha256:0abda42fe9333ab6a8671b32886738b5cfa6d37a8c277b56d8368c339c8dffce"),
         RemoteFile("test.jsonl", (f"{_VSR}/test.jsonl",), place="vsr/test.jsonl", mark="size not published")),
        needs=("coco-train2017", "coco-val2017", "coco-annotations-2017"),
    ),
    Source(
        "llava-detail", "LLaVA's 23 thousand detailed descriptions, one turn each, of pictures of COCO",
        f"{_CC_BY}; written by GPT-4, so OpenAI's terms stand beside it",
        "https://huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K", "address and size: the repository's list of files",
        "llava/detail_23k.json, for `promvil build compovl --llava`; which part of LLaVA PromViL took is not published, and "
        "this is "
        "the one that does not outnumber the rest",
        (RemoteFile("detail_23k.json", (f"{_LLAVA}/detail_23k.json",), 20_500 * KB, exact=False, place="llava/detail_23k.json"),),
        needs=("coco-train2017",),
    ),
    Source(
        "llava-150k", "LLaVA's first 150 thousand conversations, about pictures of COCO",
        f"{_CC_BY}; written by GPT-4, so OpenAI's terms stand beside it",
        "https://huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K",
        "address and size: the repository's list of files",
        "llava/llava_instruct_150k.json, for `promvil build compovl --llava`",
        (RemoteFile("llava_instruct_150k.json", (f"{_LLAVA}/llava_instruct_150k.json",), 229 * MB, exact=False,
                    place="llava/llava_instruct_150k.json"),),
        needs=("coco-train2017",),
    ),
    Source(
        "llava-mix665k", "the 665,298 conversations of LLaVA-1.5 that FiVL-Instruct augments",
        f"{_CC_BY} and those of its parts; written by GPT-4 in part",
        "https://huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K",
        "address and size: the repository's list of files; SHA-256: a project that records it beside that file",
        "llava/llava_v1_5_mix665k.json, for `promvil build fivl --source llava --images data`",
        (RemoteFile("llava_v1_5_mix665k.json", (f"{_LLAVA}/llava_v1_5_mix665k.json",), 1_030 * MB, exact=False,
                    checksum="sha256:ce959ce6e23073ee1cd1a8a2ef1c633768c10d4174327b8b2dc7113b91af6cf8",
                    place="llava/llava_v1_5_mix665k.json"),),
        needs=("coco-train2017", "gqa-images", "textvqa-images", "vg-images", "ocr-vqa-images"),
    ),
    Source(
        "textvqa-images", "pictures of TextVQA, train and val", "pictures: Open Images' own, CC BY 2.0 each; not confirmed",
        "https://textvqa.org/dataset",
        "address: that page; size: a public script that compares it", "textvqa/train_images",
        (RemoteFile("train_val_images.zip", ("https://dl.fbaipublicfiles.com/textvqa/images/train_val_images.zip",),
                    7_072_297_970, unpack=Unpacking("textvqa", 7_150 * MB)),),
    ),
    Source(
        "ocr-vqa-images", "covers of books, for LLaVA's mix", "not stated", "https://ocr-vqa.github.io",
        "the authors give a script on Google Drive that fetches cover by cover; the copy on the Hub (qnguyen3/ocr_vqa) is what "
        "public training scripts use",
        "ocr_vqa/images",
        (RemoteFile("ocr_vqa.zip", ("https://huggingface.co/datasets/qnguyen3/ocr_vqa/resolve/main/ocr_vqa.zip",),
                    unpack=Unpacking("ocr_vqa/images", 15 * GB, keep=("*.jpg", "*.png", "*.gif"), flat=True),
                    mark="a copy by a third person; size and content not confirmed"),),
    ),
    Source(
        "fivl-instruct", "FiVL-Instruct as published: key expressions and masks for LLaVA's mix", _CC_BY,
        "https://huggingface.co/datasets/Intel/fivl-instruct", "addresses and sizes: the repository's list of files",
        "fivl_release/fivl_instruct.json and fivl_release/dataset_grounded.tar (read in place), for --published and --tensors",
        (RemoteFile("fivl_instruct.json", (f"{_FIVL}/fivl_instruct.json",), 172 * MB, exact=False,
                    place="fivl_release/fivl_instruct.json"),
         RemoteFile("dataset_grounded.tar", (f"{_FIVL}/dataset_grounded.tar",), 8_290 * MB, exact=False,
                    place="fivl_release/dataset_grounded.tar")),
        needs=("llava-mix665k",),
    ),
)  # fmt: skip
