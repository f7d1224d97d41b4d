# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The chat template of an assembled model: that of its language model, for messages that hold pictures too."""

# Messages whose content is a list become messages with one text, each picture its mark and a line end.
_AS_TEXT = (
    "{%- set flat = namespace(messages=[]) -%}{%- for message in messages -%}"
    "{%- if message['content'] is string or message['content'] is none -%}"
    "{%- set flat.messages = flat.messages + [message] -%}"
    "{%- else -%}{%- set joined = namespace(text='') -%}{%- for part in message['content'] -%}"
    "{%- set joined.text = joined.text + (IMAGE + '\n' if part['type'] == 'image' else part['text']) -%}"
    "{%- endfor -%}{%- set flat.messages = flat.messages + [dict(message, content=joined.text)] -%}"
    "{%- endif -%}{%- endfor -%}{%- set messages = flat.messages -%}"
)
# For a language model that was never trained to chat: the template of LLaVA-1.5.
_OF_LLAVA = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ ' ASSISTANT: ' + message['content'] + END }}"
    "{% else %}{{ message['role'] | upper + ': ' + message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)


def chat_template(of_language_model: str | None, image_token: str, end_token: str) -> str:
    """The template for text and pictures; `of_language_model` is the one for text alone, if the language model has one."""
    for_text = of_language_model or _OF_LLAVA.replace("END", repr(end_token))
    return _AS_TEXT.replace("IMAGE", repr(image_token)) + for_text
