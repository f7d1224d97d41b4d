# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Load an adapter of Kosmos-2 from the Hub with PEFT, without promvil_hf, and ask it about one picture.

    python -I load_adapter.py microsoft/kosmos-2-patch14-224 promvil/kosmos2-compovl picture.jpg
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoProcessor, Kosmos2ForConditionalGeneration
from transformers.image_utils import load_image


base, adapter, picture = sys.argv[1:]
processor = AutoProcessor.from_pretrained(base)
model = PeftModel.from_pretrained(Kosmos2ForConditionalGeneration.from_pretrained(base, dtype="float32"), adapter).eval()
asked = processor(text="<grounding><phrase> the cup</phrase>", images=load_image(picture), return_tensors="pt")
with torch.no_grad():
    tuned = model(**asked).logits
    with model.disable_adapter():
        plain = model(**asked).logits
assert torch.isfinite(tuned).all()
assert not torch.equal(tuned, plain), "the adapter changes nothing"
assert "promvil_hf" not in sys.modules
print(json.dumps({"adapter_changes_logits_by": float((tuned - plain).abs().max())}))
