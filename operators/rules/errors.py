"""What is wrong with the text of a rule, and where."""


class RuleError(ValueError):
    """A text is no rule; the message is one line: the place in the text, and the reason."""

    def __init__(self, text: str, start: int, reason: str) -> None:
        """``start`` is the index of the character that is to blame."""
        before = text[:start]
        column = start - (before.rfind("\n") + 1) + 1
        place = f"line {before.count(chr(10)) + 1}, column {column}" if "\n" in text.strip() else f"column {column}"
        super().__init__(" ".join(f"{place}: {reason}".split()))
