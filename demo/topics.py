"""The topics of the embedded Kafka, under the names that the dataflow has by default."""

RATINGS = "ratings"
CUSTOMERS = "asgard.demo.CUSTOMERS"
ENRICHED = "ratings-with-customer-data"
ALERTS = "UNHAPPY_PLATINUM_CUSTOMERS"
DEAD_LETTERS = "ratings-dead-letters"
NOTIFIED = "notified"
STATISTICS = "ratings-statistics"

PARTITIONS = {RATINGS: 4, CUSTOMERS: 4, ENRICHED: 4, ALERTS: 4, DEAD_LETTERS: 1, NOTIFIED: 1, STATISTICS: 1}
