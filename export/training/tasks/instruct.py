"""Group instruct: a question of another group with an instruction on the form of the answer."""

import functools

from samples import Sample
from tasks import chart, math_text, ocr, shapes
from wordings import Wording

FORMS = {
    "upper": Wording("Answer in upper case.", ["Use capital letters only.", "Write the answer in capital letters.", "Reply in upper case.", "Write it in upper case.",
                                              "Use upper case letters.", "Use only upper case.", "In upper case, please.", "All in upper case."],
                     ["Answer in capital letters.", "Use upper case."]),
    "word": Wording("Answer with one word.", ["Reply with a single word.", "One word only.", "Use one word."], ["Answer with a single word.", "Just one word."]),
    "json": Wording("Answer as JSON.", ["Reply as JSON.", "Write the answer as JSON.", "Return JSON."], ["Answer in JSON.", "Give the answer as JSON."]),
    "reverse": Wording("Write the answer in reverse.", ["Answer in reverse.", "Spell the answer backwards.", "Write it in reverse."], ["Spell it backwards.", "Reply in reverse."]),
    "twice": Wording("Write the answer twice.", ["Repeat the answer.", "Answer twice.", "Say it twice."], ["Give the answer twice.", "Reply twice."]),
}


def draw(rng, fonts, difficulty, held_out=False):
    question, answer, images, letters, hints_of = _draw_question(rng, fonts, difficulty, held_out)
    forms = rng.sample(sorted(FORMS), 1 if held_out else rng.randint(2, 5))
    if not held_out and not images:
        forms += rng.choices(sorted(FORMS), k=6)                    # text is cheap, and products take many examples
    turns, answers = [], []
    for name in forms:
        if turns and not images:
            question, answer = _draw_sum(rng, difficulty, held_out)
        if name == "upper" and not any(letter.isalpha() for letter in answer):
            name = "json"
        instruction = FORMS[name].choose(rng, held_out)
        asked = f"{question} {instruction}" if held_out or rng.random() < 0.8 else f"{instruction} {question}"
        turns.append((asked, apply_form(name, answer)))
        answers.append((asked, answer))
    hints = hints_of(answers) if hints_of else []
    return Sample("instruct", turns, images, letters, hints, metric="json" if name == "json" else "exact")


def apply_form(name, answer):
    """The short answer in the form that was asked for; "word" is the answer itself, since it is one word."""
    return {"upper": answer.upper(), "word": answer, "json": f'{{"answer":"{answer}"}}', "reverse": answer[::-1], "twice": f"{answer} {answer}"}[name]


def _draw_question(rng, fonts, difficulty, held_out):
    """Returns (question, answer, images, letters, hints_of(turns) or None); the answer is one word or number without quotes."""
    source = rng.choices(["text", "shapes", "chart", "sum"], [50, 18, 12, 20] if held_out else [36, 18, 18, 28])[0]
    if source == "shapes":
        scene, image, letters = shapes.draw_scene(rng, difficulty, held_out)
        return *shapes.ask(rng, scene, held_out), [image], letters, functools.partial(shapes.hints_of, scene)
    if source == "chart":
        bars, image, letters = chart.draw_chart(rng, fonts, difficulty, held_out)
        return *chart.ask(rng, bars, held_out), [image], letters, functools.partial(chart.hints_of, bars)
    if source == "sum":
        return *_draw_sum(rng, difficulty, held_out), [], [], math_text.hints_of
    while True:
        _, text, _, image, letters = ocr.draw_line(rng, fonts, 0.55 * difficulty, held_out)
        if text.isalnum():
            break
    return ocr.MAIN_PROMPT if rng.random() < 0.6 else rng.choice(ocr.PROMPTS), text, [image], letters, None


def _draw_sum(rng, difficulty, held_out):
    """Returns (question, answer); products are such as one can do without steps. In training they are most of all, and larger, so that they are worked out and not kept."""
    while True:
        operator, a, b = math_text.draw_operands(rng, (0.5 if held_out else rng.choice([0.5, 1])) * difficulty, held_out)
        if operator != "*" and not held_out and rng.random() < 0.7:
            continue
        if operator != "*" or min(a, b) <= 9 or a % 10 == 0 or b % 10 == 0:
            return rng.choice(["What is {}?", "What is {}?", "Compute {}."]).format(f"{a} {operator} {b}"), str(math_text.result(operator, a, b))
