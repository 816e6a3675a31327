"""The mixture: every task with its weight. A task is a function (rng, fonts, difficulty, held_out) -> Sample.

To add a task: write a file beside this one with such a function, and add a line here.
"""

from tasks import arithmetic, chat, ocr

MIXTURE = [
    (0.81, ocr.draw_reading),
    (0.10, ocr.draw_fact),
    (0.04, ocr.draw_dialogue),
    (0.03, arithmetic.draw),
    (0.02, chat.draw),
]

SYSTEM_PROMPTS = ["You are a helpful assistant.", "You are OnnxVlm nano.", "Answer briefly.", "You read text in images.",
                  "You are a helpful assistant that reads images."]


def draw_sample(rng, fonts, difficulty, held_out=False):
    """Draws one sample of the mixture; one in twenty has a system prompt."""
    weights, tasks = zip(*MIXTURE)
    sample = rng.choices(tasks, weights)[0](rng, fonts, difficulty, held_out)
    if rng.random() < 0.05:
        sample.system = rng.choice(SYSTEM_PROMPTS)
    return sample
