"""Group math-text: sums, differences and products of small numbers, as text only."""

from samples import Sample


def draw(rng, fonts, difficulty, held_out=False):
    operator = rng.choice("+-*")
    top = 12 if operator == "*" else 99
    a, b = rng.randint(0, top), rng.randint(0, top)
    answer = {"+": a + b, "-": a - b, "*": a * b}[operator]
    question = rng.choice(["What is {} {} {}?", "Compute {} {} {}.", "{} {} {} =", "How much is {} {} {}?"])
    return Sample("math-text", [(question.format(a, operator, b), str(answer))])
