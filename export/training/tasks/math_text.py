"""Group math-text: sums, differences, products, linear equations and two-step word problems, as text only.

The last number of an answer is its result. Products with a number above 9, equations and word problems are answered with short steps.
"""

import re
import string
import zlib

from samples import Sample
from text import words
from wordings import Wording

SUM = Wording("What is {e}?", ["Compute {e}.", "{e} =", "How much is {e}?", "Calculate {e}.", "{e}", "What is the result of {e}?", "{e} = ?", "What is {e} in all?",
                               "What does {e} make?", "What does {e} come to?", "What number is {e} equal to?", "Tell me what {e} is.", "{e} equals what?",
                               "What do you get for {e}?", "{e} is how much?", "Find {e}."],
              ["What does {e} equal?", "Work out {e}.", "What is {e} equal to?"])
EQUATION = Wording("Solve {e}.", ["Find x if {e}.", "What is x if {e}?", "Solve for x: {e}", "{e}. What is x?", "Solve {e}", "Solve the equation {e}.",
                                 "Which x makes {e}?", "Find x: solve {e}.", "For which x is {e}?"],
                   ["Find x: {e}.", "Which x solves {e}?"])
PRODUCT_NAMES = dict(zip(sorted({a * b for a in range(10) for b in range(10)}), string.ascii_letters))     # letters that hints name products of digits by
WORD = re.compile(r"\w+|[?.]")
SIGNS = {"+": ["+", "+", "+", "plus"], "-": ["-", "-", "-", "\u2212", "minus"], "*": ["*", "x", "\u00d7", "times"]}

NAMES = "Anna Ben Clara David Emma Felix Grace Henry Jack Leo Noah Olivia Paul Rosa Tom Zoe".split()
HELD_OUT_NAMES = "Ida Kim Mia Sam Lena Max".split()
THINGS = "apples pears oranges books pens pencils cards coins eggs cakes cookies stamps toys cars balls".split()
HELD_OUT_THINGS = "marbles flowers tickets birds boxes".split()

# Two-step problems: (text, first operator, second operator). {a} {b} {c} numbers, {n} {m} names, {t} things.
PROBLEMS = [
    ("{n} has {a} {t}. {n} buys {b} more {t} and gives {c} to {m}. How many {t} does {n} have now?", "+", "-"),
    ("{n} has {a} {t} and gives {b} {t} to {m}. Then {n} buys {c} more. How many {t} does {n} have now?", "-", "+"),
    ("There are {a} boxes with {b} {t} each. {n} adds {c} {t}. How many {t} are there in all?", "*", "+"),
    ("{n} had {a} bags of {b} {t} and lost {c} of the {t}. How many {t} remain?", "*", "-"),
    ("{n} has {a} {t} and {m} has {b} {t}. They buy {c} more. How many {t} do they have in all?", "+", "+"),
    ("{n} had {a} {t}. {n} lost {b} {t} and gave {c} to {m}. How many {t} are left?", "-", "-"),
    ("{n} buys {a} {t} for {b} dollars each and a book for {c} dollars. How much does {n} pay?", "*", "+"),
    ("{n} finds {a} {t} and then {b} more. {n} loses {c} of them. How many {t} are left?", "+", "-"),
]


def draw(rng, fonts, difficulty, held_out=False):
    if not held_out and rng.random() < 0.3:
        difficulty *= rng.random()                                  # small numbers go on being asked for: large ones are built on them
    form = rng.random()
    if form < 0.55:
        question, answer = draw_sum(rng, difficulty, held_out)
    elif form < 0.8:
        question, answer = draw_equation(rng, difficulty, held_out)
    else:
        question, answer = draw_problem(rng, difficulty, held_out)
    return Sample("math-text", [(question, answer)], metric="number")


def draw_sum(rng, difficulty, held_out):
    """Returns (question, answer); now and then two sums in words that the sign's name spells."""
    operator, a, b = draw_operands(rng, difficulty, held_out)
    return SUM.choose(rng, held_out, e=f"{a} {rng.choice(SIGNS[operator])} {b}"), solve(operator, a, b)


def draw_operands(rng, difficulty, held_out):
    """Returns (operator, a, b); a tenth of all, chosen by CRC-32, is kept for evaluation."""
    while True:
        operator = rng.choices("+-*", [36, 34, 30] if held_out else [32, 32, 36])[0]
        top = round(9 + 90 * difficulty)
        a, b = rng.randint(0, top), rng.randint(0, top)
        if operator == "*" and rng.random() < (0.6 if held_out else 0.45):
            a, b = rng.sample([rng.randint(0, 9), rng.randint(0, max(12, top))], 2)
        if operator == "-" and a < b and rng.random() < (0.7 if held_out else 0.4):
            a, b = b, a
        if is_held_out(operator, a, b) == held_out:
            return operator, a, b


def is_held_out(*parts):
    return zlib.crc32(" ".join(map(str, parts)).encode()) % 10 == 0


def solve(operator, a, b):
    """The answer of the model: the result; for products with a number above 9, what was asked and the partial products before it, so that each step is one of digits."""
    asked = f"{a} * {b}"
    if operator == "*" and a > 9 and (b <= 9 or a % 10 == 0):
        a, b = b, a                                                 # 83 * 7 is worked out as 7 * 83, 40 * 12 as 12 * 40
    tens, ones = b // 10 * 10, b % 10
    if operator != "*" or not tens or a % 10 == 0 or a <= 9 and not ones:
        return str(result(operator, a, b))
    parts = [_partial_product(a, part) for part in (tens, ones) if part]
    if len(parts) > 1:
        parts.append(f"{a * tens} + {a * ones} = {a * b}")
    return ", ".join(parts if parts[0].startswith(asked + " ") else [asked, *parts])


def _partial_product(a, b):
    """A step: "7 * 80 = 560", or with a above 9 "87 * 40 = 3200 + 280 = 3480"; one of b's digits is zero."""
    tens, ones = a // 10 * 10, a % 10
    return f"{a} * {b} = {a * b}" if not tens else f"{a} * {b} = {tens * b} + {ones * b} = {a * b}"


def hints_of(turns):
    """Returns the hints of turns (see Sample) that ask for products of a digit and a number of two, a zero aside: the words after the second factor begin to
    say the products with its tens and ones and then the first digits of the result, which an answer without steps needs at once."""
    hints = []
    for turn, (question, _) in enumerate(turns):
        factors = re.search(r"(\d+) \* (\d+)", question)
        if not factors:
            continue
        a, b = sorted(map(int, factors.groups()), key=lambda factor: (factor > 9, factor % 10 > 0))
        digit = a // 10 if a > 9 else a
        names = [PRODUCT_NAMES[digit * (b // 10)], PRODUCT_NAMES[digit * (b % 10)], *str(a * b)[:2]]
        ends = [factors.end(), *(word.end() for word in WORD.finditer(question, factors.end()))]
        hints += [(turn, end, name) for end, name in zip(ends, names)]
    return hints


def result(operator, a, b):
    return {"+": a + b, "-": a - b, "*": a * b}[operator]


def draw_equation(rng, difficulty, held_out):
    """Returns (question, answer) for ax + b = c with a whole solution."""
    equation, answer = draw_equation_parts(rng, difficulty, held_out)
    return EQUATION.choose(rng, held_out, e=equation), answer


def draw_equation_parts(rng, difficulty, held_out):
    """Returns (equation, answer), such as ("3x + 4 = 19", "3x = 15 so x = 5")."""
    while True:
        a, x, b = rng.randint(1, 9), rng.randint(0, round(5 + 7 * difficulty)), rng.randint(-round(9 + 11 * difficulty), round(9 + 11 * difficulty))
        if difficulty > 0.7 and rng.random() < 0.12:
            x = -x
        if b != 0 and is_held_out(a, b, x) == held_out:
            break
    left = ("x" if a == 1 else f"{a}x") + f" {'+' if b > 0 else '-'} {abs(b)}"
    if a == 1:
        return f"{left} = {x + b}", f"x = {x}"
    return f"{left} = {a * x + b}", f"{a}x = {a * x} so x = {x}"


def draw_problem(rng, difficulty, held_out):
    """Returns (question, answer) of a two-step word problem; evaluation uses other names, things and numbers, training also any words."""
    text, first, second = rng.choice(PROBLEMS)
    while True:
        top = round(9 + 40 * difficulty)
        a, b, c = (rng.randint(2, 9 if "*" in first else top) for _ in range(3))
        middle = result(first, a, b)
        last = result(second, middle, c)
        if middle >= 0 and last >= 0 and is_held_out(text, a, b, c) == held_out:
            break
    n, m = rng.sample(HELD_OUT_NAMES if held_out else NAMES, 2)
    thing = rng.choice(HELD_OUT_THINGS if held_out else THINGS)
    if not held_out and rng.random() < 0.6:
        n, m, thing = (rng.choice(words(held_out)) for _ in range(3))
        n, m = n.capitalize(), m.capitalize()
    question = text.format(a=a, b=b, c=c, n=n, m=m, t=thing)
    return question, f"{a} {first} {b} = {middle}, {middle} {second} {c} = {last}"
