# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Chat templates of the tiny models, each in the manner of its family.

What stands between `generation` and `endgeneration` is the assistant's own text, its end marker included, so that
`apply_chat_template(..., return_assistant_tokens_mask=True)` marks exactly what a model has to learn. Line ends are
written as expressions, because the renderer of transformers drops a line end that follows a block. No generation prompt
ends in a blank, which would be a token of its own where training has it at the front of the answer. Plain strings: no
imports.
"""

LLAVA_CHAT = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}ASSISTANT: {% generation %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}</s>{% endgeneration %}"
    "{% else %}{{ m['role'] | upper }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %} {% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)

QWEN_CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<|im_end|>{% endgeneration %}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

IDEFICS_CHAT = (
    "{% for m in messages %}{{ m['role'] | capitalize }}:{% if m['role'] == 'assistant' %}{% generation %}"
    "{% for c in m['content'] %} {{ c['text'] }}{% endfor %}<end_of_utterance>{% endgeneration %}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %} {{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

GEMMA_CHAT = (
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<end_of_turn>{% endgeneration %}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<start_of_image>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<end_of_turn>{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

GEMMA4_CHAT = (
    "{% for m in messages %}{{ '<|turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<turn|>{% endgeneration %}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|image|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<turn|>{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|turn>model\n' }}{% endif %}"
)

GLM_CHAT = (
    "[gMASK]<sop>{% for m in messages %}{{ '<|' + m['role'] + '|>\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<|endoftext|>{% endgeneration %}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|begin_of_image|><|image|><|end_of_image|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)

MISTRAL_CHAT = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{% generation %}"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}</s>{% endgeneration %}"
    "{% elif m['role'] == 'system' %}[SYSTEM_PROMPT]{{ m['content'][0]['text'] }}[/SYSTEM_PROMPT]"
    "{% else %}[INST]{% for c in m['content'] %}{% if c['type'] == 'image' %}[IMG]"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}[/INST]{% endif %}{% endfor %}"
)
