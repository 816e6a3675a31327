"""The unit of training and evaluation data."""

from dataclasses import dataclass, field


@dataclass
class Sample:
    """One conversation. The images stand at the start of the first question, in order.

    turns: (question, answer) pairs. images: uint8 [height, width, 3] each.
    letters: (character, right edge, bottom edge, shift) in pixels of the first image, where known; they teach the image tokens to name letters:
    the patch that holds the lower right corner, or the one so many patches to the right of it.
    hints: (turn, end, name): the token of that turn's question that ends before its character `end` learns to say `name`; see UnifiedDecoder.forward.
    metric: how an answer is scored, as in cases.jsonl.
    """

    group: str
    turns: list
    images: list = field(default_factory=list)
    letters: list = field(default_factory=list)
    hints: list = field(default_factory=list)
    system: str = ""
    metric: str = "exact"
