"""Group follow: what a short instruction says to do with the words in it, as text only: say it, change it, count, remember it, put it in JSON."""

import functools
import json

from samples import Sample
from tasks import code
from text import words
from wordings import Wording

SAY = Wording("Reply with exactly: {t}",
              ["Say {t}.", 'Say "{t}".', "Repeat: {t}", "Repeat after me: {t}", "Reply with {t} and nothing else.", "Answer with the word {t}.", "Just say {t}.",
               'Reply only with "{t}".', "Write exactly: {t}", "Please say {t}."],
              ['Repeat "{t}".', "Reply with: {t}", "Please just say {t}."])
UPPER = Wording('Write "{t}" in upper case.', ["Write {t} in capital letters.", "{t} in upper case, please.", 'Put "{t}" in upper case.'], ['Write "{t}" in capital letters.'])
REVERSE = Wording('Spell "{t}" backwards.', ["Write {t} in reverse.", "Spell {t} backwards.", 'Write "{t}" backwards.'], ['Write "{t}" in reverse.'])
TWICE = Wording('Write "{t}" twice.', ["Say {t} twice.", "Repeat {t} two times.", "Write {t} twice."], ['Say "{t}" twice.'])
FIRST = Wording('What is the first letter of "{t}"?', ["What is the first letter of {t}?", "Which letter does {t} start with?", "With what letter does {t} start?", "Which letter begins {t}?"], ["With which letter does {t} begin?"])
LAST = Wording('What is the last letter of "{t}"?', ["What is the last letter of {t}?", "Which letter does {t} end with?", "With what letter does {t} stop?", "Which letter ends {t}?"], ["With which letter does {t} end?"])
LENGTH = Wording('How many letters are in "{t}"?', ["How many letters does {t} have?", "Count the letters of {t}."], ["How many letters are there in {t}?"])
CHANGES = [(UPPER, str.upper), (REVERSE, lambda word: word[::-1]), (TWICE, lambda word: f"{word} {word}"), (FIRST, lambda word: word[0]),
           (LAST, lambda word: word[-1]), (LENGTH, lambda word: str(len(word)))]

NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
COUNT = Wording("Count from {a} to {b}.", ["Count from {a} to {b}, please.", "Please count from {a} to {b}.", "Write the numbers from {a} to {b}.", "List the numbers {a} to {b}."],
                ["Count up from {a} to {b}."])

KEYS = "name city word colour title greeting answer age id status code label type text year reply animal size day month count score kind user room".split()
HELD_OUT_KEYS = "country product message level item".split()
THINGS = ["favorite colour", "favorite animal", "favorite food", "favorite language", "favorite city", "home town", "lucky number", "job", "favorite book",
          "favorite programming language", "favorite word", "dog", "favorite song"]
HELD_OUT_THINGS = ["favorite game", "favorite tree", "cat", "favorite team"]


def draw(rng, fonts, difficulty, held_out=False):
    draw_turns = rng.choices([_say, _change, _count, _remember, _json], [22, 24, 10, 18, 26])[0]
    return Sample("follow", draw_turns(rng, held_out))


def _say(rng, held_out):
    text = _value(rng, held_out)
    if rng.random() < 0.3:
        text += " " + _word(rng, held_out)
    while not held_out and rng.random() < 0.7:
        text += " " + _word(rng, held_out)
    return [(SAY.choose(rng, held_out, t=text), text)]


def _change(rng, held_out):
    wording, change = rng.choice(CHANGES)
    word = _word(rng, held_out, 8)
    return [(wording.choose(rng, held_out, t=word), change(word))]


def _count(rng, held_out):
    first = rng.choice([0, 1, 1, 1, 1, rng.randint(2, 40)])
    last = first + rng.randint(2, 9)
    spell = rng.random() < 0.4 and last < len(NUMBER_WORDS)
    question = COUNT.choose(rng, held_out, a=NUMBER_WORDS[first] if spell else first, b=NUMBER_WORDS[last] if spell else last)
    return [(question, ", ".join(map(str, range(first, last + 1))))]


def _remember(rng, held_out):
    """Two turns: something to keep in mind, and a question about it."""
    if rng.random() < 0.35:
        kind = rng.choice(["number", "word", "name"])
        value = str(rng.randint(1, 999)) if kind == "number" else _word(rng, held_out)
        ask = rng.choice([f"Repeat the {kind} I just gave you, and nothing else.", f"Which {kind} did I give you?", f"What was the {kind}?"])
        return [(f"Remember the {kind} {value}.", "Okay."), (ask, value)]
    name, thing = _word(rng, held_out).capitalize(), rng.choice(HELD_OUT_THINGS if held_out else THINGS)
    if not held_out and rng.random() < 0.6:
        thing = rng.choice(["favorite {}", "favorite {}", "{}"]).format(_word(rng, held_out).lower())
    value = str(rng.randint(1, 99)) if "number" in thing else _word(rng, held_out)
    value = value.capitalize() if rng.random() < 0.5 else value
    first = f"My name is {name} and my {thing} is {value}."
    asked = rng.choice(["", " Please just say hello back.", " Say hello."])
    ask, answer = rng.choice([("What is my name?", f"Your name is {name}."), (f"What is my {thing}?", f"Your {thing} is {value}."),
                              (f"What is my name, and what is my {thing}?", f"Your name is {name} and your {thing} is {value}.")])
    return [(first + asked, f"Hello {name}!"), (ask + rng.choice(["", " Answer in one short sentence."]), answer)]


def _json(rng, held_out):
    """One to three fields; the answer is compact JSON, numbers without quotes."""
    count = rng.randint(1, 3)
    keys = [_word(rng, held_out).lower() for _ in range(count)] if rng.random() < 0.5 else rng.sample(HELD_OUT_KEYS if held_out else KEYS, count)
    fields = {key: rng.randint(0, 999) if rng.random() < 0.25 else _value(rng, held_out) for key in keys}
    written = [(key, f'"{value}"' if isinstance(value, str) else str(value)) for key, value in fields.items()]
    join = lambda parts: " and ".join(parts) if len(parts) < 3 else f"{parts[0]}, {parts[1]} and {parts[2]}"
    first, value = written[0]
    forms = [f"Write {join([f'{key} {value}' for key, value in written])} as JSON.", f"Return JSON with {join([f'{key} {value}' for key, value in written])}.",
             f"Reply with a JSON object with {join([f'{key} set to {value}' for key, value in written])}.",
             f"Give me a JSON object whose {join([f'{key} is {value}' for key, value in written])}."]
    if len(written) == 1:
        forms += [f'Reply with a JSON object holding one field, "{first}", set to {value}.', f"Reply with a {first} object whose {first} is {value}."]
    return [(rng.choice(forms), json.dumps(fields, separators=(",", ":")))]


def _value(rng, held_out):
    return str(rng.randint(0, 9999)) if rng.random() < 0.15 else _word(rng, held_out)


def _word(rng, held_out, longest=10):
    """A word of at most `longest` letters; one in five capitalized. In training one in four is common: those are tokens of their own, and nothing else tells how they are spelled."""
    source = _common_words() if not held_out and rng.random() < 0.25 else words(held_out)
    while len(word := rng.choice(source)) > longest:
        pass
    return word.capitalize() if rng.random() < 0.2 else word


@functools.lru_cache(maxsize=1)
def _common_words():
    """The words in descriptions of code that are not kept for evaluation."""
    common = {word for kind in code.KINDS for description in (*kind[5:-1], *code.PARAPHRASES[kind[0]]) for word in description.split() if word.isalpha() and len(word) > 2}
    return sorted(common.intersection(words(held_out=False)))
