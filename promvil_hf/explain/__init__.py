# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a patch-token model looks at while it answers, and what its image tokens say.

    attention_rows     the attention of chosen tokens to the image, layer by layer, without ever keeping a map
    answered           prompt and answer in one row: which query predicts which word
    heads              which heads' attention follows the mask of the named object, measured on a model
    layer_names        how layers and heads are named, hybrids and several stacks included
    head_atlas         the scores of all heads, their null and its error control
    vision_logits      what each image token would say, as segmentation
    maps               from image tokens back to the pixels of the original picture
    explanations       one answer explained, as plain values
    explanation_pages  explanations and atlases as static pages
    explorer           the same pages with filters, in a browser

`layer_names`, `head_atlas`, `explanations`, `explanation_pages`, `explorer` and `maps` load no torch, the others do.
"""
