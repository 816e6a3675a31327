"""Groups ocr-word, ocr-number, ocr-mixed: read the one line of text in the image, and simple questions about it."""

from render import Style, brightness, render_line
from samples import Sample
from text import draw_text

PROMPTS = [
    "Read the text.", "What is written here?", "What does the image say?", "What does this say?", "Read this.", "Transcribe the text.",
    "What text is in the image?", "Which text do you see?", "Please read the text in the image.", "What is the text?", "Read the word.",
    "What is written in the picture?", "Write down the text.", "Can you read this?", "OCR", "Text?",
]
MAIN_PROMPT = "What does the text say?"

FACT_QUESTIONS = {
    "first": ["What is the first character?", "Which character comes first?"],
    "last": ["What is the last character?", "Which character comes last?"],
    "length": ["How many characters are in the text?", "How many characters are there?", "How long is the text?"],
    "digits": ["How many digits are in the text?", "How many digits are there?"],
    "upper": ["Write the text in upper case.", "Read the text in capital letters."],
    "lower": ["Write the text in lower case.", "Read the text in small letters."],
    "polarity": ["Is the text dark or light?", "Is it dark or light text?"],
    "any digits": ["Are there digits in the text?", "Does the text contain digits?"],
    "kind": ["Is this a word or a number?", "Word or number?"],
    "colour": ["What colour is the text?", "Which colour does the text have?", "What color is the text?"],
    "background": ["What colour is the background?", "Which colour is behind the text?"],
}


def draw_reading(rng, fonts, difficulty, held_out=False):
    """The main task: read the text."""
    kind, text, _, image, letters = draw_line(rng, fonts, difficulty, held_out)
    prompt = MAIN_PROMPT if held_out or rng.random() < 0.6 else rng.choice(PROMPTS)
    return Sample(f"ocr-{kind}", [(prompt, text)], [image], letters, metric="cer")


def draw_fact(rng, fonts, difficulty, held_out=False):
    """A question about the text: its case, length, characters, brightness or colour."""
    kind, text, style, image, letters = draw_line(rng, fonts, difficulty, held_out)
    return Sample("text-fact", [_fact(rng, kind, text, style)], [image], letters)


def draw_dialogue(rng, fonts, difficulty, held_out=False):
    """Two or three questions about one image, one of them to read it."""
    kind, text, style, image, letters = draw_line(rng, fonts, difficulty, held_out)
    turns = [(rng.choice([MAIN_PROMPT, *PROMPTS]), text)]
    for _ in range(rng.randint(1, 2)):
        turns.insert(rng.randint(0, len(turns)), _fact(rng, kind, text, style))
    return Sample("dialogue", turns, [image], letters)


def draw_line(rng, fonts, difficulty, held_out):
    """Returns (kind, text, style, image uint8 [h, w, 3], letters as in Sample)."""
    longest = round(2 + 18 * difficulty)
    while True:
        style = Style(rng, fonts, difficulty)
        kind, text = draw_text(rng, rng.randint(max(1, longest // 3), longest), held_out)
        wide = not held_out and rng.random() < 0.01 * difficulty
        drawn = render_line(rng, text, style, *((224, 72) if wide else (160, 48)))
        if drawn is not None:
            return kind, text, style, *drawn


def _fact(rng, kind, text, style):
    """Returns one (question, answer) about the drawn text."""
    digits = sum(c.isdigit() for c in text)
    answers = {
        "first": text[0], "last": text[-1], "length": str(len(text)), "digits": str(digits), "upper": text.upper(), "lower": text.lower(),
        "polarity": "dark" if brightness(style.foreground) < brightness(style.background) else "light",
        "any digits": "yes" if digits else "no",
    }
    if kind != "mixed":
        answers["kind"] = kind
    if style.foreground_name:
        answers["colour"], answers["background"] = style.foreground_name, style.background_name
    fact = rng.choice(sorted(answers))
    return rng.choice(FACT_QUESTIONS[fact]), answers[fact]
