"""Ways to ask the same thing."""


class Wording:
    """The main form, which half of all questions take; paraphrases for training; and others that only evaluation uses."""

    def __init__(self, main, training=(), held_out=()):
        self.main, self.training, self.held_out = main, [*training] or [main], [*held_out] or [main]

    def choose(self, rng, held_out, **values):
        form = self.main if rng.random() < 0.5 else rng.choice(self.held_out if held_out else self.training)
        return form.format(**values)


def draw_turns(rng, ask, held_out, fewest=1, most=4, last=None, before=""):
    """Returns fewest..most (question, answer) turns from ask(), different ones; evaluation asks one thing at a time.

    last() gives a turn that training often adds at the end: after the others, so that those are answered from the image. before: what the first question begins with.
    """
    turns = {}
    for _ in range(1 if held_out else rng.randint(fewest, most)):
        question, answer = ask()
        turns.setdefault(question, answer)
    if last and not held_out and rng.random() < 0.6:
        turns.update([last()])
    (question, answer), *others = turns.items()
    return [(before + question, answer), *others]
