"""The mixture: every task with its weight. A task is a function (rng, fonts, difficulty, held_out) -> Sample.

To add a task: write a file beside this one with such a function, and add a line here.
"""

from tasks import blind, chart, chat, code, digits, follow, instruct, json_form, math_image, math_text, ocr, ocr_lines, shapes

MIXTURE = [
    (0.06, ocr.draw_reading),
    (0.02, ocr.draw_fact),
    (0.01, ocr.draw_dialogue),
    (0.12, ocr_lines.draw),
    (0.08, digits.draw),
    (0.12, shapes.draw),
    (0.03, shapes.draw_named),
    (0.12, blind.draw),
    (0.17, chart.draw),
    (0.03, chart.draw_named),
    (0.14, math_text.draw),
    (0.17, math_image.draw),
    (0.40, json_form.draw),
    (0.12, code.draw),
    (0.26, instruct.draw),
    (0.08, follow.draw),
    (0.06, chat.draw),
]

SYSTEM_PROMPTS = ["You are a helpful assistant.", "You are OnnxVlm nano.", "Answer briefly.", "You read text in images.",
                  "You are a helpful assistant that reads images."]


def draw_sample(rng, fonts, difficulty, held_out=False):
    """Draws one sample of the mixture; one in twenty has a system prompt."""
    weights, tasks = zip(*MIXTURE)
    try:
        sample = rng.choices(tasks, weights)[0](rng, fonts, difficulty, held_out)
    except OSError as error:
        if "glyph" not in str(error):
            raise
        return draw_sample(rng, fonts, difficulty, held_out)         # a rare font lacks a glyph at one of its sizes: "Bitmap missing for glyph"
    if rng.random() < 0.05:
        sample.system = rng.choice(SYSTEM_PROMPTS)
    return sample
