# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How many rows each split has when it is whole, and the wrong numbers that circulate, with where they come from."""

# Expressions for RefCOCO, RefCOCO+ and RefCOCOg, phrases with a box for Flickr30k Entities, else questions. RefCOCO and
# RefCOCO+ by UNC's partition, RefCOCOg by UMD's.
KNOWN_SIZES: dict[str, dict[str, int]] = {
    "refcoco": {"train": 120_624, "val": 10_834, "testA": 5_657, "testB": 5_095},
    "refcoco+": {"train": 120_191, "val": 10_758, "testA": 5_726, "testB": 4_889},
    "refcocog": {"train": 80_512, "val": 4_896, "test": 9_602},
    "promvil_lines": {"refcocog_test": 9_602, "gqa_testdev": 12_578},
    "flickr30k": {"val": 14_433, "test": 14_481},
    "gqa": {"train_balanced": 943_000, "val_balanced": 132_062, "testdev_balanced": 12_578},
    "gqa_ood": {"testdev": 2_796, "val": 51_045},
    "pope": {"random": 3_000, "popular": 3_000, "adversarial": 3_000},
    "vqav2": {"train2014": 443_757, "val2014": 214_354},
    "textvqa": {"train": 34_602, "val": 5_000},
    "vsr": {
        "zeroshot_train": 3_489, "zeroshot_dev": 340, "zeroshot_test": 1_222,
        "random_train": 7_680, "random_dev": 1_097, "random_test": 2_195,
    },
    "scienceqa": {"train": 12_726, "val": 4_241, "test": 4_241},
    "okvqa": {"train2014": 9_009, "val2014": 5_046},
    "vizwiz": {"train": 20_523, "val": 4_319},
    "refadv": {"s": 1_142},
    "ref_l4": {"all": 45_341},
    "finecops": {"test positive": 9_605, "test negative text": 9_814, "test negative image": 8_507},
    "hallusionbench": {"all": 1_129},
    "naturalbench": {"all": 7_600, "test_set": 3_800},
    "mmvp": {"all": 300},
}  # fmt: skip

_BY_OBJECT = "that is one row per object, not one per expression as published accuracies count"
WRONG_SIZES: dict[tuple[str, str, int], str] = {
    ("refcoco", "val", 3_811): _BY_OBJECT,
    ("refcoco", "testA", 1_975): _BY_OBJECT,
    ("refcoco", "testB", 1_810): _BY_OBJECT,
    ("refcoco+", "val", 3_805): _BY_OBJECT,
    ("refcoco+", "testA", 1_975): _BY_OBJECT,
    ("refcoco+", "testB", 1_798): _BY_OBJECT,
    ("refcocog", "val", 2_573): _BY_OBJECT,
    ("refcocog", "test", 5_023): _BY_OBJECT,
    ("pope", "random", 2_910): (
        "that is the first release, on which LLaVA-1.5 was scored; later ones have 3,000 and edited questions"
    ),
    ("hallusionbench", "all", 951): (
        "the 178 questions without a figure are left out, as VLMEvalKit does; the published numbers count 1,129"
    ),
    ("hallusionbench", "all", 254): "that is the first release; the published numbers count 1,129",
    ("vizwiz", "train", 20_000): "that is the first release, of 2018",
    ("vizwiz", "val", 3_173): "that is the first release, of 2018",
    ("finecops", "test positive", 27_926): "positive and negative expressions and negative pictures are counted as one",
    ("scienceqa", "test", 2_017): "those are the test questions that have an image; say so beside the number",
}

# Copies by object that hold another partition beside the one published numbers are on.
MIXED_OBJECTS: dict[tuple[str, str, int], str] = {
    ("refcoco", "val", 8_811): "UNC's 3,811 and Google's 5,000",
    ("refcocog", "val", 7_573): "UMD's 2,573 and Google's 5,000",
}


def mixed_warning(name: str, split: str, objects: int) -> str | None:
    """A sentence if this many objects are known to be two partitions in one."""
    parts = MIXED_OBJECTS.get((name, split, objects))
    if parts is None:
        return None
    return (
        f"{name} {split} has {objects:,} objects here, as many as {parts} together: two partitions in one, and Google's "
        "shares images with training. Numbers on it are not comparable."
    )


def size_warning(name: str, split: str, rows: int, counted: str = "rows") -> str | None:
    """A sentence if this split is known to have another number of rows."""
    if why := WRONG_SIZES.get((name, split, rows)):
        return f"{name} {split} has {rows:,} {counted} here: {why}. Numbers on it are not comparable."
    known = KNOWN_SIZES.get(name, {}).get(split)
    if known is None or known == rows:
        return None
    return f"{name} {split} has {rows:,} {counted} here, {known:,} when it is whole: numbers on it are not comparable."
