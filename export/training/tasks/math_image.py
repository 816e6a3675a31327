"""Group math-image: the sums, equations and short word problems of math-text, drawn into an image.

The answer says first what is written, so that what remains is the same problem in text: `17 + 25 = 42`, `3x + 4 = 19, 3x = 15 so x = 5`,
`28 * 6, 6 * 20 = 120, ...`, `There are 3 boxes ... in all? 3 * 5 = 15, ...`.
"""

from canvas import Canvas, draw_background, draw_font, draw_ink, load_font, text_width
from samples import Sample
from tasks import math_text
from wordings import Wording

PROMPT = Wording("Solve it.", ["Solve the equation in the image.", "What is the result?", "Solve this.", "Compute it.", "What is the answer?", "Calculate it.", "Solve this problem.",
                               "Please solve it.", "Solve what is shown.", "Find the solution.", "Work this out.", "Do the sum.", "Solve the problem in the image.",
                               "Tell me the solution.", "Solution?", "What is the right solution?"],
                 ["Solve the problem.", "What is the solution?", "Work it out."])
MAX_AREA_PX = 16000


def draw(rng, fonts, difficulty, held_out=False):
    form = rng.choices(["sum", "equation", "problem"], [60, 33, 7] if held_out else [50, 30, 20])[0]
    if form == "sum":
        operator, a, b = math_text.draw_operands(rng, difficulty, held_out)
        text = f"{a} {rng.choice({'+': '+', '-': '-', '*': 'x*'}[operator])} {b}" + rng.choice(["", " =", " = ?"])
        answer = math_text.solve(operator, a, b)
        answer = answer if "=" in answer else f"{a} {operator} {b} = {answer}"
    elif form == "equation" or difficulty < 0.6:
        text, answer = math_text.draw_equation_parts(rng, difficulty, held_out)
        answer = text + (" so " if answer.startswith("x") else ", ") + answer
    else:
        text, answer = math_text.draw_problem(rng, 0.2, held_out)
        answer = f"{text} {answer}"
    if rng.random() < 0.15 and len(text) < 16:
        text = text.replace(" ", "")
    image, letters = paint(rng, fonts, text, difficulty)
    return Sample("math-image", [(PROMPT.choose(rng, held_out), answer)], [image], letters, metric="number")


def paint(rng, fonts, text, difficulty):
    """Draws the text, in several lines when it is long or says so. Returns (image, letters)."""
    while True:
        font = draw_font(rng, fonts, difficulty)
        size = rng.randint(14, 26) if len(text) < 24 else rng.randint(11, 12)
        lines = _wrap(text, font, size, 190 if len(text) < 24 else 150)
        above, below = -load_font(font, size).getbbox("Hd(", anchor="ls")[1], load_font(font, size).getbbox("gpy,", anchor="ls")[3]
        step, margins = above + below + rng.uniform(1, 4), [rng.uniform(2, 9) for _ in range(4)]
        width = round(max(text_width(font, size, line) for line in lines) + margins[0] + margins[2] + 2)
        height = round(step * (len(lines) - 1) + above + below + margins[1] + margins[3])
        if width * height <= MAX_AREA_PX and width <= 200:
            break
    background = draw_background(rng, difficulty)
    ink = draw_ink(rng, background)
    canvas = Canvas(rng, width, height, background, difficulty, enlarge=width <= 128)
    for i, line in enumerate(lines):
        canvas.text(margins[0], margins[1] + above + i * step, line, font, size, ink)
    return canvas.finish(), canvas.letters


def _wrap(text, font, size, max_width):
    lines, line = [], ""
    if "\n" in text:
        return text.split("\n")
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and text_width(font, size, longer) > max_width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]
