"""Files of alert rules: what they say, and what is told of one that is not usable."""

from pathlib import Path

import pytest

from dataflows.alerts import alerting
from dataflows.rules import Rule, check_topics, load
from dataflows.wiring.errors import StartupError
from records.alert import DEFAULT_COLUMNS
from settings import Topics

RULE = "[[rules]]\nname = 'a'\nwhere = 'stars < 3'\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules.toml"


def test_the_rule_of_a_job_without_a_file() -> None:
    (rule,) = load(None, "alerts")
    assert (rule.name, rule.topic, rule.columns) == ("unhappy-platinum", "alerts", DEFAULT_COLUMNS)
    assert alerting(rule)([]) == []


def test_what_a_rule_may_say(file: Path) -> None:
    file.write_text(
        RULE
        + """
        [[rules]]
        name = "B-c_d.2"
        where = '''
          STARS >= 3
          AND Club_Status = 'gold'
        '''
        topic = "gold"
        columns = ["Region", "stars", "rating_id", "stars"]
        slack_channel = "#ops"
        slack_text = "{stars} stars, {region}: {rule} {{}}"
        """
    )
    first, second = load(file, "alerts")
    assert first == Rule("a", "stars < 3", "alerts", DEFAULT_COLUMNS, None, None)
    where = "  STARS >= 3\n          AND Club_Status = 'gold'\n        "
    assert second == Rule(
        "B-c_d.2", f"        {where}", "gold", ("region", "stars"), "#ops", "{stars} stars, {region}: {rule} {{}}"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "there must be a table [[rules]] for each rule, and at least one"),
        ("rules = []", "there must be a table [[rules]]"),
        ("rules = 3", "there must be a table [[rules]]"),
        ("[rules]\nname = 'a'", "there must be a table [[rules]]"),
        ("[[rule]]\nname = 'a'", "the file: 'rule' is no setting of it: did you mean rules?"),
        ("[[rules]]\nwhere = 'true'", "rule 1: name is missing"),
        ("[[rules]]\nname = 'a b'\nwhere = 'true'", "rule 1: name is 'a b', but it must be letters, digits, - _ and ."),
        (RULE + RULE, "rule 'a': there are two of this name"),
        ("[[rules]]\nname = 'a'", "rule 'a': where is missing"),
        ("[[rules]]\nname = 'a'\nwhere = 3", "rule 'a': where must be a text"),
        ("[[rules]]\nname = 'a'\nwhere = ''", "rule 'a': where must be a text"),
        ("[[rules]]\nname = 'a'\nwhere = 'star < 3'", "rule 'a': where, column 1: there is no column 'star': did"),
        (RULE + "were = 'x'", "rule 'a': 'were' is no setting of it: did you mean where?"),
        (RULE + "topic = 'a b'", "rule 'a': topic is 'a b', but it must be the name of a topic"),
        (RULE + "topic = '..'", "rule 'a': topic is '..', but it must be the name of a topic"),
        (RULE + "columns = 'stars'", "rule 'a': columns must be a list of names"),
        (RULE + "columns = ['star']", "rule 'a': there is no column 'star': did you mean stars?"),
        (RULE + "slack_channel = 1", "rule 'a': slack_channel must be a text"),
        (RULE + "slack_text = '{star}'", "rule 'a': slack_text has {star}, which the alert does not hold"),
        (RULE + "slack_text = '{region}'", "rule 'a': slack_text has {region}, which the alert does not hold"),
        (RULE + "slack_text = '{stars.__class__}'", "rule 'a': slack_text has {stars.__class__}, which the alert does"),
        (RULE + "slack_text = '{stars[0]}'", "rule 'a': slack_text has {stars[0]}, which the alert does not hold"),
        (RULE + "slack_text = '{stars:>999999999}'", "rule 'a': slack_text has {stars...}, but a field is"),
        (RULE + "slack_text = '{stars!r}'", "rule 'a': slack_text has {stars...}, but a field is a name alone"),
        (RULE + "slack_text = '{}'", "rule 'a': slack_text has {}, which the alert does not hold"),
        (RULE + "slack_text = '{stars'", "rule 'a': slack_text is no template: expected '}' before end of string"),
        ("".join(RULE.replace("'a'", f"'{number}'") for number in range(65)), "there are 65 rules, but 64 are"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_usable_is_told_in_one_line(file: Path, text: str, line: str) -> None:
    file.write_text(text)
    with pytest.raises(StartupError) as caught:
        load(file, "alerts")
    assert str(caught.value).startswith(f"the rules in {file}: {line}"), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[[rules", "the rules in {file} are no TOML: "),
        (b"a = " + b"[" * 100_000, "the rules in {file} are no TOML: "),
        (b"\xff", "the rules in {file}: not UTF-8 at byte 0"),
        (b"#" * (1 << 20) + b"\n", "the rules in {file}: is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_toml(file: Path, content: bytes, line: str) -> None:
    file.write_bytes(content)
    with pytest.raises(StartupError) as caught:
        load(file, "alerts")
    assert str(caught.value).startswith(line.format(file=file))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "x", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(StartupError) as caught:
            load(path, "alerts")
        assert str(caught.value) == f"ALERT_RULES is {str(path)!r}, but it cannot be read: {why}"


@pytest.mark.parametrize(
    "variable", ["RATINGS_TOPIC", "CUSTOMERS_TOPIC", "ENRICHED_TOPIC", "DEAD_LETTERS_TOPIC", "STATISTICS_TOPIC"]
)
def test_no_rule_writes_to_a_topic_that_is_for_something_else(variable: str) -> None:
    topics = Topics(statistics="statistics")
    check_topics([Rule("a", "true", "mine"), Rule("b", "true", topics.alerts)], topics)
    (taken,) = (getattr(topics, name) for name, field in Topics.model_fields.items() if field.alias == variable)
    with pytest.raises(StartupError, match=rf"^rule 'a': its topic '{taken}' is {variable}, which is not for alerts$"):
        check_topics([Rule("a", "true", taken)], topics)
