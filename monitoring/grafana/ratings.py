"""The dashboard of a flow, the notifier and the intake: a table of its panels.

Short functions write the queries that come again and again.
"""

from collections.abc import Sequence

from monitoring.grafana.objects import Panel, Query, Row, Unit

TITLE = "Ratings enrichment"

_JOB = '{job=~"$job"}'


def _only(**labels: str) -> str:
    """A selector of the job and of other labels."""
    return "{" + ",".join(['job=~"$job"', *(f'{label}="{value}"' for label, value in labels.items())]) + "}"


def _rate(metric: str, *by: str, only: str = _JOB, legend: str = "") -> Query:
    """How much a counter grows a second."""
    return Query(
        f"sum by ({', '.join(by)}) (rate({metric}{only}[$__rate_interval]))",
        legend or " ".join(f"{{{{{label}}}}}" for label in by) or metric,
    )


def _sum(metric: str, *by: str, legend: str = "") -> Query:
    return Query(
        f"sum by ({', '.join(by)}) ({metric}{_JOB})", legend or " ".join(f"{{{{{label}}}}}" for label in by) or metric
    )


def _quantiles(histogram: str) -> Sequence[Query]:
    return [
        Query(
            f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket{_JOB}[$__rate_interval])))",
            f"{share:.0%} within",
        )
        for share in (0.5, 0.95, 0.99)
    ]


def _share(buffered: str, destination: str) -> Query:
    """How much of a buffer is full."""
    bound = f"sink_buffer_max_bytes{_only(destination=destination)}"
    return Query(f"max({buffered}{_JOB} / ignoring (destination) {bound})", destination)


def _number(title: str, unit: Unit, expression: str, legend: str, description: str = "") -> Panel:
    return Panel(title, unit, [Query(expression, legend)], description, is_number=True)


ROWS = [
    Row(
        "Health",
        [
            _number("Ready processes", Unit.NUMBER, f"sum by (job) (flow_ready{_JOB})", "{{job}}"),
            _number("All processes", Unit.NUMBER, f"max by (job, flow) (flow_processes{_JOB})", "{{flow}}",
                    "How many the flow is started in."),
            _number("Age of the last snapshot", Unit.SECONDS,
                    f"time() - min by (job) (source_snapshot_timestamp_seconds{_JOB})", "{{job}}",
                    "Of the process that is behind the most."),
            _number("Age of the processes", Unit.SECONDS,
                    f"time() - max by (job) (process_start_time_seconds{_JOB})", "{{job}}",
                    "Of the process that started last."),
            _number("Alerts that fire", Unit.NUMBER,
                    'count(ALERTS{alertstate="firing",alertname=~"Ratings.+"}) or on () vector(0)', "alerts"),
        ],
        height=5,
    ),
    Row(
        "Ratings",
        [
            Panel("Messages read", Unit.A_SECOND, [_rate("kafka_source_messages_total", "topic")]),
            Panel("Messages written", Unit.A_SECOND, [_rate("kafka_sink_messages_total", "topic")]),
            Panel("Alerts by rule", Unit.A_SECOND, [_rate("alerts_total", "rule")]),
        ],
    ),
    Row(
        "Delay",
        [
            Panel("Lag by partition", Unit.NUMBER, [_sum("kafka_source_lag", "topic", "partition")],
                  "Messages not read at the last snapshot."),
            Panel("From rating to output", Unit.SECONDS, _quantiles("rating_to_output_seconds")),
            Panel("Seconds since the last message", Unit.SECONDS, [
                Query(f"time() - max by (topic) (kafka_source_last_message_timestamp_seconds{_JOB})", "read {{topic}}"),
                Query(f"time() - max by (topic) (kafka_sink_last_message_timestamp_seconds{_JOB} > 0)",
                      "written {{topic}}"),
            ]),
        ],
    ),
    Row(
        "Join",
        [
            Panel("Ratings joined", Unit.A_SECOND, [_rate("join_records_total", "outcome")]),
            Panel("Ratings that wait for their customer", Unit.NUMBER, [_sum("join_held", "job", legend="held")]),
            Panel("Customers", Unit.NUMBER, [_sum("join_table_rows", "job", legend="rows")]),
            Panel("Statistics", Unit.A_SECOND, [_rate("windows_records_total", "outcome")],
                  "Ratings by what the windows made of them."),
        ],
    ),
    Row(
        "Branches",
        [
            Panel("Written", Unit.A_SECOND, [
                _rate("elasticsearch_documents_total", "outcome", legend="documents {{outcome}}"),
                _rate("s3_rows_total", "job", legend="rows in S3"),
            ]),
            Panel("Buffers", Unit.SHARE, [
                _share("elasticsearch_buffered_bytes", "Elasticsearch"),
                _share("s3_buffered_bytes", "S3"),
            ], "Of the process whose buffer is fullest. At 100 % the flow waits."),
            Panel("Age of what waits", Unit.SECONDS, [
                Query(f"max(elasticsearch_oldest_document_age_seconds{_JOB})", "document"),
                Query(f"max(s3_oldest_row_age_seconds{_JOB})", "row of an open object"),
            ]),
            Panel("Held back", Unit.SECONDS, [
                Query(f"max by (destination) (time() - sink_held_back_timestamp_seconds{_JOB}) or on () vector(0)",
                      "{{destination}}"),
            ], "For how long a destination takes nothing."),
        ],
    ),
    Row(
        "Destinations",
        [
            Panel("Retries", Unit.A_SECOND, [
                _rate("elasticsearch_retries_total", "job", legend="documents"),
                _rate("s3_retries_total", "job", legend="requests to S3"),
            ]),
            Panel("Bulk requests", Unit.SECONDS, _quantiles("elasticsearch_bulk_seconds")),
            Panel("Objects", Unit.BYTES, [_rate("s3_bytes_total", "job", legend="bytes a second")]),
        ],
    ),
    Row(
        "Records that failed",
        [
            Panel("Dead letters of inputs", Unit.A_SECOND,
                  [_rate("decode_records_total", "step", only=_only(outcome="dead_letter"))]),
            Panel("Dead letters of steps", Unit.A_SECOND, [_rate("step_failures_total", "step")]),
            Panel("Rejected by destinations", Unit.A_SECOND, [
                _rate("elasticsearch_documents_total", "job", only=_only(outcome="rejected"), legend="documents"),
                _rate("s3_rejected_rows_total", "job", legend="rows"),
                _rate("kafka_sink_rejected_total", "topic"),
            ]),
            Panel("Deleted before they were read", Unit.NUMBER, [_sum("kafka_source_skipped_total", "topic")]),
        ],
    ),
    Row(
        "Notifier",
        [
            Panel("Alerts that wait", Unit.NUMBER, [_sum("notices_waiting", "job")]),
            Panel("Messages sent", Unit.A_SECOND, [_rate("notices_sent_total", "kind")]),
            Panel("From alert to message", Unit.SECONDS, _quantiles("notices_seconds")),
            Panel("Retries of messages", Unit.A_SECOND, [
                Query(f"sum by (reason) (rate(notices_retries_total{_JOB}[$__rate_interval])) or on () vector(0)",
                      "{{reason}}"),
            ]),
        ],
    ),
    Row(
        "Intake",
        [
            Panel("Requests", Unit.A_SECOND, [_rate("intake_requests_total", "status")]),
            Panel("Ratings taken", Unit.A_SECOND, [
                _rate("intake_ratings_total", "job", legend="acknowledged"),
                _rate("intake_ratings_not_acknowledged_total", "job", legend="not acknowledged"),
            ]),
            Panel("Ratings that wait", Unit.NUMBER, [_sum("intake_ratings_waiting", "job")]),
            Panel("Until the acknowledgement", Unit.SECONDS, _quantiles("intake_acknowledgement_seconds")),
        ],
    ),
    Row(
        "Processes",
        [
            Panel("Memory", Unit.BYTES, [_sum("process_resident_memory_bytes", "job", "instance")]),
            Panel("CPU", Unit.NUMBER, [_rate("process_cpu_seconds_total", "job", "instance")],
                  "1 is one CPU. A worker uses 1 at most."),
            Panel("Open files", Unit.NUMBER, [_sum("process_open_fds", "job", "instance")]),
        ],
    ),
]  # fmt: skip
