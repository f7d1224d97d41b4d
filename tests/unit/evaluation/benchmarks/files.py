# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Small files in the forms in which benchmarks are published."""

import json


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows) + "\n"


IMAGES = [{"id": 7, "file_name": "COCO_train2014_000000000007.jpg", "width": 200, "height": 100}]
ANNOTATIONS = [
    {"id": 71, "image_id": 7, "bbox": [20.0, 10.0, 100.0, 50.0]},
    {"id": 72, "image_id": 7, "bbox": [150.0, 0.0, 50.5, 100.0]},
]
REFS = [
    {"ref_id": 1, "ann_id": 71, "image_id": 7, "split": "testA", "file_name": "COCO_train2014_000000000007_1.jpg",
     "category_id": 1, "sent_ids": [0, 1],
     "sentences": [{"sent_id": 0, "sent": "man in black", "raw": "Man in black", "tokens": ["man"]},
                   {"sent_id": 1, "sent": "the left man", "raw": "the left man", "tokens": []}]},
    {"ref_id": 2, "ann_id": 72, "image_id": 7, "split": "testA", "file_name": "x_2.jpg", "category_id": 1, "sent_ids": [2],
     "sentences": [{"sent_id": 2, "sent": "right", "raw": "right", "tokens": []}]},
    {"ref_id": 3, "ann_id": 71, "image_id": 7, "split": "val", "file_name": "x_3.jpg", "category_id": 1, "sent_ids": [3],
     "sentences": [{"sent_id": 3, "sent": "someone", "raw": "someone", "tokens": []}]},
]  # fmt: skip


def refcoco_folder(folder, content, partition="unc"):
    folder.mkdir()
    (folder / f"refs({partition}).p").write_bytes(content)
    write(folder / "instances.json", {"images": IMAGES, "annotations": ANNOTATIONS})
    return folder


def parquet(path, rows):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path
