# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Invented contents of the files of hard benchmarks, in the forms in which they are published."""

REFADV = [
    {
        "row_idx": number, "file_name": f"{number:012d}.jpg", "normal_caption": f"the cup that is not {colour}",
        "solution": [10.0, 10.0, 60.0, 40.0], "width": 200, "height": 100, "image_source": "coco_val2017",
        "human_authored": number % 2 == 0, "use_negation": number == 1, "distractors": distractors,
    }
    for number, (colour, distractors) in enumerate((("red", "2"), ("blue", "5"), ("green", 7)))
]  # fmt: skip
REFADV_HUB = [row | {"distractors": str(row["distractors"])} for row in REFADV]
REFADV_PREDICTIONS = [
    {
        **{name: row[name] for name in ("row_idx", "file_name", "normal_caption", "use_negation", "human_authored")},
        "distractor_count": int(row["distractors"]), "gt_bbox_xyxy": row["solution"], "first_iou": 1.0, "parse_error": "",
        "pred_box_xyxy_first": [10.0, 10.0, 60.0, 40.0],
    }
    for row in REFADV
]  # fmt: skip
SIZES = {
    "images": [{"id": number, "file_name": f"{number:012d}.jpg", "width": 200, "height": 100} for number in range(3)],
    "annotations": [],
}
REF_L4 = [
    {
        "id": f"{split}{number}", "caption": "the tall cup with a handle, left of the plate", "bbox": [20.0, 10.0, 100.0, 50.0],
        "bbox_area": 5000.0, "bbox_id": number, "ori_category_id": category, "image_id": "coco_1", "height": 100, "width": 200,
        "file_name": f"{number}.jpg", "is_rewrite": number == 1, "split": split,
    }
    for split in ("val", "test") for number, category in enumerate(("refcoco_47", "o365_11"))
]  # fmt: skip


def finecops_rows() -> list[dict]:
    """A positive, and a negative of each sort that was made of it."""
    row = {
        "id": 1, "image_id": 2370, "objects_id": ["90", "91"], "tuple": [["cup", "on", "table"]], "tuple_type": "1_hop",
        "level": 2, "spatial": None, "attribute": {"cup": ["red"]}, "expression": "The red cup on the table.",
    }  # fmt: skip
    negative = {"positive_id": 1, "negative_level": 1, "negative_type": "attribute", "shuffle_index": None, "ori_type": "1_hop"}
    return [
        row,
        row | negative | {"id": 2, "expression": "The blue cup on the table.", "negative_cate": "text"},
        row | negative | {"id": 3, "image_id": "neg_7", "negative_type": "object", "negative_cate": "image"},
    ]


def finecops_coco() -> dict:
    """The same in COCO's form."""
    rows = finecops_rows()
    given = ("level", "tuple_type", "positive_id", "negative_level", "negative_type", "negative_cate")
    return {
        "images": [
            {"id": row["id"], "file_name": f"{row['image_id']}.jpg", "caption": row["expression"], "width": 200, "height": 100}
            for row in rows
        ],
        "annotations": [
            {"id": row["id"], "image_id": row["id"], "bbox": [20, 10, 100, 50], "category_id": 1}
            | {name: row[name] for name in given if name in row}
            for row in rows
        ],
        "categories": [{"id": 1, "name": "object"}],
    }


SCENE_GRAPHS = {
    "2370": {
        "width": 200, "height": 100,
        "objects": {
            "90": {"name": "cup", "x": 20, "y": 10, "w": 100, "h": 50},
            "91": {"name": "table", "x": 0, "y": 50, "w": 200, "h": 50},
        },
    },
    "99": {"width": 10, "height": 10, "objects": {}},
}  # fmt: skip
GREFS = [
    {
        "ref_id": number, "ann_id": targets, "category_id": [1] * len(targets), "image_id": 7, "split": split,
        "file_name": f"COCO_train2014_000000000007_{number}.jpg",
        "sentences": [{"sent_id": 10 * number + k, "sent": f"{words} {k}", "tokens": []} for k in range(2)],
    }
    for number, (targets, split, words) in enumerate(
        (([-1], "val", "the zebra"), ([71], "val", "the man"), ([71, 72], "val", "both men"), ([72], "testA", "right"))
    )
]  # fmt: skip
GREF_COCO = {
    "images": [
        {"id": number, "file_name": "COCO_train2014_000000000007_2.jpg", "caption": caption, "width": 200, "height": 100}
        for number, caption in enumerate(("the zebra", "both men"))
    ],
    "annotations": [
        {"id": 1, "image_id": 0, "bbox": [0, 0, 0, 0], "category_id": -1, "empty": True},
        {"id": 2, "image_id": 1, "bbox": [20.0, 10.0, 100.0, 50.0], "category_id": 1, "empty": False},
        {"id": 3, "image_id": 1, "bbox": [150.0, 0.0, 50.0, 100.0], "category_id": 1, "empty": False},
    ],
}
_ASKED = {"category": "VD", "subcategory": "illusion", "set_id": "0", "sample_note": "circle", "gt_answer_details": "?"}
HALLUSION = [
    _ASKED | {"visual_input": "1", "figure_id": "0", "question_id": "0", "question": "Is A larger than B?", "gt_answer": "0",
              "filename": "./hallusion_bench/VD/illusion/0_0.png"},
    _ASKED | {"visual_input": "1", "figure_id": "0", "question_id": "1", "question": "Are A and B equal?", "gt_answer": "1",
              "filename": "./hallusion_bench/VD/illusion/0_0.png"},
    _ASKED | {"visual_input": "2", "figure_id": "1", "question_id": "0", "question": "Is A larger than B?", "gt_answer": "1",
              "filename": "./hallusion_bench/VD/illusion/0_1.png"},
    _ASKED | {"category": "VS", "subcategory": "map", "visual_input": "0", "figure_id": "0", "question_id": "0",
              "question": "Is Delhi in India?", "gt_answer": "1", "filename": None},
    _ASKED | {"category": "VS", "subcategory": "map", "visual_input": "1", "figure_id": "1", "question_id": "0",
              "question": "Is Delhi in India?", "gt_answer": "1", "filename": "./hallusion_bench/VS/map/0_1.png"},
]  # fmt: skip
_SAY = "Please answer Yes or No."
_LETTER = "Please output the letter corresponding to the correct option."
NATURAL = [
    [f"Is the cup red?{_SAY}", "1.jpg", "Yes", "yes_no"],
    [f"Is the cup red?{_SAY}", "2.jpg", "No", "yes_no"],
    [f"Is the cup blue?{_SAY}", "1.jpg", "No", "yes_no"],
    [f"Is the cup blue?{_SAY}", "2.jpg", "Yes", "yes_no"],
    [f"What is worn?\nOption: A:Cap; B:Helmet;{_LETTER}", "3.jpg", "A", "mcq"],
    [f"What is worn?\nOption: A:Cap; B:Helmet;{_LETTER}", "4.jpg", "B", "mcq"],
    [f"What is done?\nOption: A:Skating; B:Walking;{_LETTER}", "3.jpg", "B", "mcq"],
    [f"What is done?\nOption: A:Skating; B:Walking;{_LETTER}", "4.jpg", "A", "mcq"],
]
NATURAL_HUB = [
    {
        "Index": 0, "Image_0": {"bytes": b"", "path": "1.jpg"}, "Image_1": {"bytes": b"", "path": "2.jpg"},
        "Question_0": "Is the cup red?", "Question_1": "Is the cup blue?", "Image_0_Question_0": "Yes",
        "Image_1_Question_0": "No", "Image_0_Question_1": "No", "Image_1_Question_1": "Yes", "Question_Type": "yes_no",
    },
    {
        "Index": 1, "Image_0": {"bytes": b"", "path": "3.jpg"}, "Image_1": {"bytes": b"", "path": "4.jpg"},
        "Question_0": "What is worn?\nOption: A:Cap; B:Helmet;", "Question_1": "What is done?\nOption: A:Skating; B:Walking;",
        "Image_0_Question_0": "A", "Image_1_Question_0": "B", "Image_0_Question_1": "B", "Image_1_Question_1": "A",
        "Question_Type": "multiple_choice",
    },
]  # fmt: skip


def mmvp_csv(count: int = 300) -> str:
    """As many questions; every odd one is (a)."""
    lines = ["lndex,Question,Options,Correct Answer"]
    for number in range(1, count + 1):
        lines.append(f'{number},"Is cup {(number + 1) // 2} open, or closed?",(a) Open (b) Closed,({"ab"[(number + 1) % 2]})')
    return "\n".join(lines) + "\n"


VIZWIZ = [
    {
        "image": f"VizWiz_val_{number:08d}.jpg", "question": "What is this?",
        "answer_type": kind, "answerable": int(kind == "other"),
        "answers": [{"answer_confidence": "yes", "answer": answer}] * 10,
    }
    for number, (kind, answer) in enumerate((("other", "soup"), ("unanswerable", "unanswerable"), ("other", "a can")))
]  # fmt: skip
PLAIN_PLACES = [
    {"id": "1", "image": "7.jpg", "text": "the red cup", "boxes": [[0.1, 0.2, 0.4, 0.5]], "strata": {"colour": "red", "hops": 2}},
    {"id": "2", "image": "7.jpg", "text": "the blue cup", "absent": True, "units": {"pair": "a"}},
    {"id": "3", "image": "7.jpg", "text": "both cups", "boxes": [[20, 10, 60, 30], [100, 10, 150, 60]], "frame": "pixels",
     "width": 200, "height": 100, "wanted": "all", "level": 2, "group": "g"},
    {"id": "4", "image": "8.jpg", "text": "the tip", "points": [[0.5, 0.5]], "within": 0.1},
    {"id": "5", "image": "8.jpg", "text": "the corner", "masks": [{"size": [2, 3], "counts": [1, 1, 4]}]},
    {"id": "6", "image": "8.jpg", "text": "the field", "polygons": [[1.0, 1.0, 8.0, 1.0, 8.0, 8.0, 1.0, 8.0]],
     "width": 10, "height": 10},
]  # fmt: skip
PLAIN_YES_NO = [
    {"id": "1", "image": "7.jpg", "question": "Is it red?", "answer": "Yes", "units": {"pair": 1}},
    {"id": "2", "image": "8.jpg", "question": "Is it red?", "answer": "no", "units": {"pair": 1}},
    {"id": "3", "image": "8.jpg", "question": "A or B?", "answer": "B", "words": ["A", "B"]},
]
PLAIN_CHOICES = [{"id": "1", "image": "7.jpg", "question": "Which?", "choices": ["a cup", "a jar"], "answer": "B"}]
PLAIN_STATEMENTS = [{"id": "1", "image": "7.jpg", "text": "The cup is red.", "answer": True}]
PLAIN_PEOPLE = [{"id": "1", "image": "7.jpg", "question": "Which colour?", "answers": ["red", "red", "pink"]}]
