"""Ways to ask the same thing."""


class Wording:
    """The main form, which half of all questions take; paraphrases for training; and others that only evaluation uses."""

    def __init__(self, main, training=(), held_out=()):
        self.main, self.training, self.held_out = main, [*training] or [main], [*held_out] or [main]

    def choose(self, rng, held_out, **values):
        form = self.main if rng.random() < 0.5 else rng.choice(self.held_out if held_out else self.training)
        return form.format(**values)


def draw_turns(rng, ask, held_out, most=4):
    """Returns 1..most different (question, answer) turns from ask(); evaluation asks one thing at a time."""
    turns = {}
    for _ in range(1 if held_out else rng.randint(1, most)):
        question, answer = ask()
        turns.setdefault(question, answer)
    return list(turns.items())
