# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What a patch-token model looks at while it answers, and what its image tokens say.

    attention_rows  the attention of chosen tokens to the image, layer by layer, without ever keeping a map
    answered        prompt and answer in one row: which query predicts which word
    ranks           many ranks and correlations at once
    heads           which heads look at what the words name, measured on a model; a value of `atlas`
    atlas           the scores of all heads, their null and its error control
    vision_logits   what each image token would say, as segmentation
    maps            from image tokens back to the pixels of the original picture
    explanations    one answer explained, as plain values
    shown           explanations and atlases as static pages
    explorer        the same pages with filters, in a browser

Floor 4. `atlas`, `explanations`, `explorer`, `maps`, `ranks` and `shown` load no torch, the others do.
"""
