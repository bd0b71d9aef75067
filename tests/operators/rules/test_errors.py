"""What is no rule is told in one line, with the place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.rules import Column, RuleError, Type, compiled

COLUMNS = {
    "stars": Column(Type.BIGINT, True, "stars"),
    "channel": Column(Type.VARCHAR, True, "channel"),
    "club_status": Column(Type.VARCHAR, True, "club_status"),
}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "column 1: there is no condition"),
        (" -- stars < 3", "column 1: there is no condition"),
        ("star < 3", "column 1: there is no column 'star': did you mean stars?"),
        ("stars < 3 AND\n  klub_status = 'gold'", "line 2, column 3: there is no column 'klub_status': did you"),
        ("x = 1", "column 1: there is no column 'x': there are stars, channel, club_status"),
        ('channel = "web"', "column 11: there is no column 'web': a text is in single quotes"),
        ("ratings.stars < 3", "column 1: ratings.stars is not supported: name a column alone"),
        ("stars", "column 1: a rule must be a condition, but this is a number"),
        ("channel", "column 1: a rule must be a condition, but this is text"),
        ("channel = 'web' AND stars", "column 21: AND needs a condition, but this is a number"),
        ("NOT channel", "column 5: NOT needs a condition, but this is text"),
        ("stars = '3'", "column 1: text and a number do not go together: CAST one of them"),
        ("stars IN (1, 'a')", "column 1: text and a number do not go together"),
        ("CASE WHEN true THEN 1 ELSE 'a' END = 1", "column 21: text and a whole number do not go together"),
        ("stars + channel > 1", "column 1: + takes numbers, but one side is text"),
        ("LOWER(stars) = 'a'", "column 1: LOWER takes text, but this is a number: CAST it to VARCHAR"),
        ("channel || stars = 'a'", "column 1: || takes text, but this is a number: CAST it to VARCHAR"),
        ("stars * 1.5 > 3", "column 1: a number with a fraction can be compared and divided; for more"),
        ("stars < 99999999999999999999", "column 9: 99999999999999999999 is larger than 64 bits hold"),
        ("stars < 1.0123456789012345", "column 9: 1.0123456789012345 has more than 15 digits"),
        ("LOWR(channel) = ''", "column 1: there is no function LOWR: did you mean LOWER?"),
        ("__import__('os') = 1", "column 1: there is no function __IMPORT__: there are ABS, CASE, CAST, COALESCE, CON"),
        ("stars.__class__ = 1", "column 1: stars.__class__ is not supported: name a column alone"),
        ("random() < 1", "column 1: there is no function RANDOM: there are"),
        ("read_text('/etc/passwd') = ''", "column 1: there is no function READ_TEXT: there are"),
        ("MAX(stars) > 3", "column 5: a rule sees one record: MAX needs many"),
        ("COUNT(*) > 3", "column 1: a rule sees one record: COUNT needs many"),
        ("ROW_NUMBER() OVER () = 1", "column 1: a rule sees one record: there are no window functions"),
        ("stars IN (SELECT 1)", "column 1: a rule sees one record: there are no subqueries"),
        ("stars = (SELECT 1)", "column 17: a rule sees one record: there are no subqueries"),
        ("EXISTS (SELECT 1)", "column 16: a rule sees one record: there are no subqueries"),
        ("@", "column 2: something is missing"),
        ("stars <", "column 7: something is missing at '<'"),
        ("(stars < 3", "column 10: after '3' there must be )"),
        ("stars < 3)", "column 10: ')' is not expected here"),
        ("stars < 3 GROUP BY stars", "column 11: 'GROUP BY' is not expected here"),
        ("SELECT 1", "column 1: 'SELECT' is not expected here"),
        ("stars < 3; DROP TABLE x", "column "),
        ("stars < 3; stars > 4", "column 12: there is more than one condition: join them by AND or OR"),
        ("channel = 'web", "column 15: a quote or a comment is not closed"),
        ("1 < stars < 3", "column 1: comparisons cannot be chained"),
        ("stars // 2 = 1", "column 1: INTDIV is not supported"),
        ("channel ~ 'x'", "column 1: REGEXP_LIKE is not supported"),
        ("stars IS 3", "column 1: IS takes NULL, TRUE or FALSE"),
        ("channel LIKE 'a' ESCAPE 'ab'", "column 1: ESCAPE takes one character, but no letter, % or _"),
        ("channel LIKE 'a!' ESCAPE '!'", "column 1: the pattern ends with its escape character"),
        ("CAST(channel AS DATE) IS NULL", "column 6: there is no CAST to DATE, but to BIGINT, INTEGER, DOUBLE"),
        ("CAST(1e0 AS VARCHAR) = ''", "column 6: there is no CAST of a number of type DOUBLE to VARCHAR"),
        ("TRIM(LEADING 'x' FROM channel) = ''", "column 14: TRIM with position is not supported"),
        ("stars BETWEEN SYMMETRIC 3 AND 1", "column 1: BETWEEN with symmetric is not supported"),
        ("stars = ?", "column 1: PLACEHOLDER is not supported"),
        ("stars = $1", "column 1: PLACEHOLDER is not supported"),
        ("\x00", "column 1: "),
        ("\N{COLLISION SYMBOL}", "column 1: there is no column"),
        ("(" * 10_000 + "stars < 3" + ")" * 10_000, "column 1: it is nested too deeply"),
        ("NOT " * 8_000 + "stars < 3", "column 1: it is nested too deeply"),
        ("- " * 10_000 + "1 = 1", "column 1: it is nested too deeply"),
        ("CASE WHEN " * 1_000 + "true" + " THEN true END" * 1_000, "column 1: it is nested too deeply"),
        ("1" + " + 1" * 100 + " = stars", "column 1: it is nested too deeply"),
        ("stars < 3 AND " * 5_000 + "true", "column 32769: the text is longer than 32,768 characters"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_told_in_one_line(text: str, line: str) -> None:
    with pytest.raises(RuleError) as caught:
        compiled(text, COLUMNS)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


PUNCTUATION = '()()()[]{},.;+-*/%=<>!|:@#?~^&\\"`$ '
WORDS = (
    *("stars", "channel", "1", "2.5", "1e3", "'a'", "NULL", "TRUE", "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS"),
    *("CASE", "WHEN", "THEN", "ELSE", "END", "COALESCE(", "LOWER(", "TRIM(", "CAST(", "AS", "BIGINT", "SELECT", "FROM"),
    *(
        "WHERE",
        "ESCAPE",
        "'!'",
        "->",
        "$1",
        "ALL",
        "ANY(",
        "EXISTS(",
        "INTERVAL",
        "DATE",
        "OVER(",
        "FILTER(",
        "COUNT(*)",
    ),
    *("lambda", "x", "list(", "UNION", "LIMIT", "GROUP BY", "--", "/*", "*/", "E'\\n'", "X'00'", "DISTINCT", "VALUES"),
    *("COLLATE", "GLOB", "PIVOT", "DROP TABLE", "COPY", "PRAGMA", "__class__", "\x00", "\N{COLLISION SYMBOL}"),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS) | st.sampled_from(PUNCTUATION), max_size=12).map(" ".join))
def test_any_words_are_a_rule_or_told_in_one_line(text: str) -> None:
    line = ""
    try:
        compiled(text, COLUMNS)
    except RuleError as error:
        line = str(error)
    assert "\n" not in line
    assert len(line) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "stars < 3;",
        "stars < 3 -- few",
        "/* few */ stars < 3",
        '"STARS" < 3',
        "\n\tStars\n<\n3\n",
        "(" * 20 + "stars < 3" + ")" * 20,
        "NOT " * 38 + "stars < 3",
        " AND ".join(["stars < 3"] * 2_000),
        " OR ".join(["stars < 3"] * 2_000),
        "stars IN (" + ", ".join(map(str, range(5_000))) + ")",
        "channel" + " || channel" * 2_000 + " <> ''",
        "LOWER(" * 38 + "'a'" + ")" * 38 + " = 'a'",
        "COALESCE(NULL, " * 38 + "true" + ")" * 38,
        "CASE WHEN " * 37 + "true" + " THEN true END" * 37,
        "CASE true WHEN " * 18 + "true" + " THEN true END" * 18,
        "(true = (" * 18 + "true" + "))" * 18,
    ],
)
def test_what_is_a_rule(text: str) -> None:
    compiled(text, COLUMNS)


def test_a_column_is_a_path_of_attributes() -> None:
    with pytest.raises(ValueError, match="no path of attributes"):
        Column(Type.BIGINT, True, "a, __import__('os')")
