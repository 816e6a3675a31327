"""Cases whose form training never had: other verbs and orders in word problems, other letters in functions, other keys in JSON, longer labels in charts, and
questions that have no answer. A score on forms that were trained tells what was learned by heart; this tells the rest.

Nothing here may be used for training: a form that is wanted there is written anew in tasks/, and another takes its place here.
"""

import json

from cairo_canvas import KINDS, paint_bars, paint_scene, paint_text
from tasks import json_form
from text import words

PEOPLE = ["Priya", "Omar", "Yuki", "Lars", "Ingrid", "Diego", "Farah", "Pavel"]
OBJECTS = ["shells", "stickers", "beads", "tiles", "ribbons", "bricks", "candles", "buttons"]

# Word problems: (text, steps); {a} {b} {c} numbers, {p} {q} people, {o} objects. A step is an operator and the number it takes.
PROBLEMS = [
    ("How many {o} does {p} own after collecting {b}, if there were {a} before?", [("+", "b")]),
    ("{p} donated {b} of {a} {o}. How many {o} does {p} still own?", [("-", "b")]),
    ("Each of {a} shelves holds {b} {o}. How many {o} do the shelves hold together?", [("*", "b")]),
    ("{p} puts {a} {o} into {b} equal piles. How many {o} are in one pile?", [("/", "b")]),
    ("If {p} earns {b} {o} and already owned {a}, and {q} then borrows {c}, how many does {p} keep?", [("+", "b"), ("-", "c")]),
    ("A jar held {a} {o}. {p} took out {b}, and {q} dropped {c} in. How many {o} does the jar hold?", [("-", "b"), ("+", "c")]),
    ("{p} is {c} years old and owns {a} {o}. {q} hands over {b} more. How many {o} does {p} own?", [("+", "b")]),
    ("{a} {o} are split evenly between {b} people, and each person then receives {c} more. How many does one person own?", [("/", "b"), ("+", "c")]),
]
SUMS = [
    ("What do you get when you divide {a} by {b}?", "/"), ("{a} ÷ {b} = ?", "/"), ("What is {a} + {b} × {c}?", "+*"), ("What is ({a} - {b}) × {c}?", "-*"),
    ("Add {a} and {b}.", "+"), ("Take {b} away from {a}.", "-"), ("Three hundred and {a} more makes what?", "300"),
]

# Functions: (C# or Python description with letters {x} {y}, calls as a function of the arguments).
FUNCTIONS = [
    ("{x} times {y}", lambda x, y: x * y, 2), ("the sum of {x} and {y}", lambda x, y: x + y, 2), ("{x} minus {y}", lambda x, y: x - y, 2),
    ("the larger of {x} and {y}", max, 2), ("{x} squared", lambda x: x * x, 1), ("whether {x} is even", lambda x: x % 2 == 0, 1), ("{x} plus one", lambda x: x + 1, 1),
    ("twice {x}", lambda x: 2 * x, 1),
]
LETTERS = [("x", "y"), ("n", "m"), ("p", "q"), ("u", "v"), ("left", "right"), ("k", "j")]

BEYOND_IMAGE = ["Describe this image.", "Who wrote Hamlet?", "What is the capital of Peru?", "Write a poem about this picture.", "What is the mood of this image?",
                "Who took this photograph?", "How old is the person?", "What is the weather like here?"]


def draw_chart(rng):
    count = rng.randint(3, 4)
    labels = rng.sample([word.capitalize() for word in words(held_out=True) if word.islower() and 4 <= len(word) <= 7], count)
    values = rng.sample(range(1, 11), count)
    first, second = sorted(rng.sample(range(count), 2), key=lambda i: -values[i])
    prompt, expected = rng.choice([
        ("Which bar is the largest?", labels[values.index(max(values))]), ("Which bar is the smallest?", labels[values.index(min(values))]),
        (f"What is the value of {labels[second]}?", str(values[second])), (f"How much larger is {labels[first]} than {labels[second]}?", str(values[first] - values[second]))])
    return {"prompt": prompt, "expected": expected}, paint_bars(rng, labels, values)


def draw_math_text(rng):
    question, result = _draw_problem(rng)
    return {"prompt": question, "expected": str(result), "metric": "number"}, None


def draw_math_image(rng):
    question, result = _draw_problem(rng)
    text, lines = question.split(" "), [""]
    for word in text:
        lines[-1:] = [f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < 22 else [lines[-1], word]
    return {"prompt": "Solve it.", "expected": str(result), "metric": "number"}, paint_text(rng, lines, rng.randint(12, 14))


def draw_json(rng):
    """A form with keys that no training form has."""
    keys = rng.sample([word for word in words(held_out=True) if word.islower() and 4 <= len(word) <= 8], 3)
    values = [_draw_value(rng) for _ in keys]
    expected = {key: value for key, value in zip(keys, values)}
    texts = {key: json.dumps(value) for key, value in expected.items()}
    surface = paint_text(rng, [f"{key.capitalize()}: {value}" for key, value in expected.items()], rng.randint(12, 14))
    return {"prompt": f"Extract {keys[0]}, {keys[1]} and {keys[2]} as JSON.", "expected": json.dumps(expected), "metric": "json", "json_schema": json_form.schema(texts)}, surface


def draw_code(rng):
    what, function, count = rng.choice(FUNCTIONS)
    letters, language = rng.choice(LETTERS), rng.choice(["csharp", "python"])
    word = rng.choice([word for word in words(held_out=True) if word.islower() and 4 <= len(word) <= 7])
    name = word.capitalize() if language == "csharp" else word
    calls = [[arguments, function(*arguments)] for arguments in ([rng.randint(-9, 20) for _ in range(count)] for _ in range(4))]
    asked = f"Write a {'C# method' if language == 'csharp' else 'Python function'} {name} that returns {what.format(x=letters[0], y=letters[1])}."
    return {"prompt": asked, "expected": json.dumps({"language": language, "function": name, "cases": calls}), "metric": "code"}, None


def draw_instruction(rng):
    word, key = (rng.choice([word for word in words(held_out=True) if word.islower() and 4 <= len(word) <= 8]) for _ in range(2))
    prompt, expected, metric = rng.choice([
        (f"Reverse this word: {word}", word[::-1], "exact"), (f"Copy this word: {word}", word, "exact"), (f"The word is {word}. Write it in upper case.", word.upper(), "exact"),
        (f"What does the text say? Answer as JSON with the key {key}.", json.dumps({key: word}), "json"), ("What does the text say? Put it in brackets.", f"({word})", "exact")])
    return {"prompt": prompt, "expected": expected, "metric": metric}, paint_text(rng, [word], rng.randint(15, 24)) if "text" in prompt else None


def draw_talk(rng):
    """A second question that leans on the first."""
    surface, scene = paint_scene(rng)
    unique = [shape for shape in scene if sum(other[0] == shape[0] for other in scene) == 1]
    if not unique:
        return draw_talk(rng)
    kind, colour = rng.choice(unique)[:2]
    first, second, expected = rng.choice([(f"Is there a {kind}?", "What colour is it?", colour), (f"What colour is the {kind}?", f"How many {kind}s are there?", "1")])
    return {"turns": [{"prompt": first}], "prompt": second, "expected": expected}, surface


def draw_declined(rng):
    """Questions that an honest small model declines, about an image that shows something else, or nothing that can be read."""
    if rng.random() < 0.4:
        surface, scene = paint_scene(rng)
        absent = [kind for kind in KINDS if all(kind != shape[0] for shape in scene)]
        if absent:
            return {"prompt": f"What colour is the {rng.choice(absent)}?", "expected": "not", "metric": "contains"}, surface
    surface = paint_scene(rng)[0] if rng.random() < 0.5 else paint_text(rng, [rng.choice(words(held_out=True))], 20)
    return {"prompt": rng.choice(BEYOND_IMAGE), "expected": "not", "metric": "contains"}, surface


GROUPS = {"chart": draw_chart, "math-text": draw_math_text, "math-image": draw_math_image, "json": draw_json, "code": draw_code, "instruct": draw_instruction, "chat": draw_talk,
          "decline": draw_declined}


def _draw_problem(rng):
    """Returns (question, result); results are whole and from 0 to 999."""
    if rng.random() < 0.35:
        text, kind = rng.choice(SUMS)
        b, c = rng.randint(2, 12), rng.randint(2, 9)
        a = b * rng.randint(2, 12) if kind == "/" else rng.randint(20, 400) if kind in ("+", "-") else rng.randint(b, 60)
        result = {"/": a // b, "+*": a + b * c, "-*": (a - b) * c, "+": a + b, "-": a - b, "300": 300 + a}[kind]
        return text.format(a=a, b=b, c=c), result
    text, steps = rng.choice(PROBLEMS)
    people, o = rng.sample(PEOPLE, 2), rng.choice(OBJECTS)
    while True:
        a, b, c = (rng.randint(2, 40) for _ in range(3))
        if steps[0][0] == "*":
            a, b = rng.randint(2, 9), rng.randint(2, 12)
        if steps[0][0] == "/":
            b = rng.randint(2, 9)
            a = b * rng.randint(2, 12)
        result = a
        for operator, name in steps:
            number = {"b": b, "c": c}[name]
            result = {"+": result + number, "-": result - number, "*": result * number, "/": result // number}[operator]
            if result < 0:
                break
        if 0 <= result <= 999:
            return text.format(a=a, b=b, c=c, p=people[0], q=people[1], o=o), result


def _draw_value(rng):
    """A word, two words with "&" or an apostrophe, a telephone number, a date in words, or a number."""
    first, second = (rng.choice([word for word in words(held_out=True) if word.islower() and 3 <= len(word) <= 6]).capitalize() for _ in range(2))
    return rng.choice([first, f"{first} & {second}", f"{first}'s", f"0{rng.randint(20, 89)} {rng.randint(1000, 9999)}", f"{rng.randint(1, 28)} May {rng.randint(1990, 2030)}",
                       rng.randint(100, 9999), rng.randint(10, 999) / 10])
