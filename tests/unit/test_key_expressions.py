# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
import json

import pytest

from promvil_hf import Box, KeyExpression, Rle


def test_a_key_expression_survives_json():
    key = KeyExpression("the red cup", 2, (Box(0.1, 0.2, 0.3, 0.4),), Rle((4, 6), b"R3"))
    assert KeyExpression.from_dict(json.loads(json.dumps(key.to_dict()))) == key
    assert key.mask.image_size == (6, 4)


def test_a_bare_key_expression_is_known_by_text_alone():
    assert KeyExpression.from_dict({"text": "cup", "turn": 0}) == KeyExpression("cup", 0)


def test_what_cannot_be_a_key_expression_is_refused():
    with pytest.raises(ValueError, match="blank text"):
        KeyExpression(" ", 0)
    with pytest.raises(ValueError, match="turn=-1.*count from 0"):
        KeyExpression("cup", -1)
    with pytest.raises(ValueError, match="counts of type list.*promvil_hf.masks.encode"):
        Rle((4, 6), [1, 2])
    with pytest.raises(ValueError, match=r"size=\(0, 6\).*\(height, width\)"):
        Rle((0, 6), "R3")
