"""Group ocr-lines: two to four lines of up to 14 characters; read them all, or one of them."""

from canvas import Canvas, draw_background, draw_font, draw_ink, load_font, text_width
from samples import Sample
from text import draw_text
from wordings import Wording

ALL = Wording("Read all the text.",
              ["Read all lines.", "Read the text.", "What does the text say?", "Transcribe the text.", "Write down all the text.", "Read every line.",
               "What is written here?", "What text is in the image?", "Read this text.", "Give me all the text.",
               "Read the complete text.", "Write all the text you see.", "Please read the text.", "Copy the text.", "Please transcribe all lines.",
               "Read the entire text.", "Read the full text.", "Read the whole page.", "Read everything.", "Read the whole of it.", "What is the whole text?",
               "Read the text as a whole."],
              ["Read the whole text.", "Please read all the text in the image."])
ONE = {
    "first": Wording("What is in the first line?", ["Read the first line.", "What does the first line say?", "Read line 1."]),
    "last": Wording("What is in the last line?", ["Read the last line.", "What does the last line say?"]),
    "second": Wording("What does line 2 say?", ["Read the second line.", "What is in the second line?", "Read line 2."]),
}
MAX_WIDTH = 128


def draw(rng, fonts, difficulty, held_out=False):
    lines, image, letters = draw_page(rng, fonts, difficulty, held_out)
    turns = [(ALL.choose(rng, held_out), "\n".join(lines))]
    if not held_out and rng.random() < 0.3:
        which = rng.choice(sorted(ONE))
        line = {"first": lines[0], "last": lines[-1], "second": lines[min(1, len(lines) - 1)]}[which]
        if len(lines) > 1:
            turns.insert(rng.randint(0, 1), (ONE[which].choose(rng, held_out), line))
    return Sample("ocr-lines", turns, [image], letters, metric="cer")


def draw_page(rng, fonts, difficulty, held_out):
    """Returns (lines, image, letters)."""
    while True:
        font, size = draw_font(rng, fonts, difficulty), rng.randint(12 if held_out else 10, 18)
        lines = [_draw_line_of_text(rng, difficulty, held_out) for _ in range(rng.randint(1 if difficulty < 0.3 else 2, 2 + round(2 * difficulty)))]
        widths = [text_width(font, size, line) for line in lines]
        above, below = -load_font(font, size).getbbox("Hdl", anchor="ls")[1], load_font(font, size).getbbox("gpy", anchor="ls")[3]
        step = above + below + rng.uniform(1, 6)
        margins = [rng.uniform(2, 10) for _ in range(4)]
        width, height = round(max(widths) + margins[0] + margins[2] + 2), round(step * (len(lines) - 1) + above + below + margins[1] + margins[3])
        if width <= MAX_WIDTH and width * height <= 15000:
            break
    background = draw_background(rng, difficulty)
    ink = draw_ink(rng, background)
    canvas = Canvas(rng, width, height, background, difficulty)
    anchor = rng.choices(["ls", "ms", "rs"], [70, 20, 10])[0]
    x = {"ls": margins[0], "ms": margins[0] + max(widths) / 2, "rs": margins[0] + max(widths)}[anchor]
    for i, line in enumerate(lines):
        canvas.text(x, margins[1] + above + i * step, line, font, size, ink, anchor)
    return lines, canvas.finish(), canvas.letters


def _draw_line_of_text(rng, difficulty, held_out):
    """One word, number or code, or two of them, of at most 14 characters in all."""
    longest = round(4 + 10 * difficulty)
    text = draw_text(rng, rng.randint(3, longest), held_out)[1]
    room = longest - len(text) - 1
    if room >= 2 and rng.random() < 0.5:
        text += " " + draw_text(rng, room, held_out)[1]
    return text
