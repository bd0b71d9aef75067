"""One run of one contestant: from its start until it has drained the backlog, and what that took."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness.contestants import Contestant
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.running import environment, running
from benchmarks.harness.usage import Samples, cpu_seconds, peak_megabytes
from benchmarks.harness.verify import Verifier
from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Reader

SAMPLE_SECONDS = 0.1
QUIET_SECONDS = 3.0
STALLED_SECONDS = 60.0


@dataclass(frozen=True)
class Run:
    """What one run took.

    The window is the time between the append of the first and of the last enriched rating.
    """

    contestant: str
    ratings: int
    alerts: int
    until_first_s: float
    """From the start of the process to the append of the first enriched rating."""
    window_s: float
    ratings_per_s: float
    cpu_us_per_rating: float
    """CPU of the contestant in the window; the broker's is not in it."""
    peak_rss_mib: float
    until_settled_s: float
    cpu_s: float
    """From the start of the process until nothing was left to wait for; and its CPU until then."""
    idle_cpu: float
    """CPUs that it used afterwards, when it had nothing to do."""

    @property
    def busy_cpu_s(self) -> float:
        """``cpu_s`` less what polling took, at the rate of ``idle_cpu``, from the last enriched rating on.

        From then on a branch may still be at work, and the job is not: so runs of different length can be compared.
        Each is corrected by its own rate, for what polling takes differs from run to run.
        """
        return self.cpu_s - self.idle_cpu * max(0.0, self.until_settled_s - self.until_first_s - self.window_s)


def measure(kafka: Kafka, contestant: Contestant, ratings: int, verifier: Verifier) -> Run:
    """Let `contestant` drain the backlog of `ratings` into fresh topics, and verify what it wrote.

    Raises:
        RuntimeError: it ended by itself, stalled, or did not end in order; the message has its output.
        WrongOutput: what it wrote is not right.
    """
    run = f"{contestant.name}-{uuid.uuid4().hex[:8]}"
    outputs = Outputs.create(kafka, run)
    cpu = Samples()
    with running(kafka, contestant, environment(kafka, run, outputs)) as job:
        with Reader(kafka.bootstrap, outputs.enriched) as reader:
            settled = _drain(lambda: ratings - sum(reader.ends()) + contestant.left(), job, cpu)
        peak = peak_megabytes(job.pids)
    verified = verifier.verify(kafka, outputs)
    outputs.delete(kafka)
    window = verified.last - verified.first
    idle, end = settled + QUIET_SECONDS / 2, cpu.times[-1]
    return Run(
        contestant=contestant.name,
        ratings=ratings,
        alerts=verified.alerts,
        until_first_s=verified.first - job.started,
        window_s=window,
        ratings_per_s=ratings / window,
        cpu_us_per_rating=(cpu.at(verified.last) - cpu.at(verified.first)) / ratings * 1e6,
        peak_rss_mib=peak,
        until_settled_s=settled - job.started,
        cpu_s=cpu.at(settled),
        idle_cpu=(cpu.at(end) - cpu.at(idle)) / (end - idle),
    )


def _drain(look: Callable[[], int], job: Job, cpu: Samples) -> float:
    """Sample the CPU until nothing is left, as `look` says, and nothing more comes; return when the last came."""
    left, changed = 1, time.time()
    while left > 0 or time.time() - changed < QUIET_SECONDS:
        now = time.time()
        cpu.add(now, cpu_seconds(job.pids))
        found = look()
        if found != left:
            left, changed = found, now
        if now - changed > STALLED_SECONDS:
            raise RuntimeError(f"{left} are left, and no more came since {STALLED_SECONDS:.0f} s")
        job.check()
        time.sleep(SAMPLE_SECONDS)
    return changed
