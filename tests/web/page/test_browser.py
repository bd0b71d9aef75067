"""The page in a real browser, beside a running flow. Pictures of it are kept in build/page/."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect, sync_playwright

from servers.chromium import CHROMIUM, unavailable
from servers.process import ROOT
from tests.conftest import require
from tests.web.page.browser import RunningFlow

MILLISECONDS = 90_000
PICTURES = ROOT / "build" / "page"
FOCUSABLE = "select, input, button, summary, [tabindex='0']"


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFlow]:
    require(unavailable())
    with RunningFlow(tmp_path_factory.mktemp("flow")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(flow: RunningFlow) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=MILLISECONDS)
        yield browser
        browser.close()


class Watched:
    """What a page did that it should not."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.found: list[str] = []
        self._host = host
        context.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: self._note(str(error.error)))
        context.on("request", self._check)

    def _check(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != self._host:
            self._note(f"asked for {request.url}")

    def _note(self, what: str) -> None:
        self.found.append(what)


@pytest.fixture
def context(browser: Browser, flow: RunningFlow) -> Iterator[BrowserContext]:
    """A context in which nothing may go wrong, nor leave the machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(MILLISECONDS)
    watched = Watched(context, urlsplit(flow.url).netloc)
    yield context
    assert watched.found == []
    context.close()


@pytest.fixture
def page(context: BrowserContext, flow: RunningFlow) -> Page:
    expect.set_options(timeout=MILLISECONDS)
    page = context.new_page()
    page.goto(flow.url)
    expect(page.locator("section", has_text="Live feed").locator(".feed li")).to_have_count(50)
    return page


def panel(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def test_panels_fill_while_the_flow_runs(page: Page) -> None:
    tiles = page.locator(".tiles .value")
    expect(tiles).to_have_count(6)
    before = tiles.nth(1).inner_text()
    expect(tiles.nth(1)).not_to_have_text(before)
    expect(page.get_by_role("img", name=re.compile(r"Ratings by channel: .*\bweb \d+"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"Latest median .*\bgold \d"))).to_be_visible()
    for title, rows in (
        ("Unhappy customers", "tbody tr"),
        ("Poor ratings by region", "tbody tr"),
        ("Most frequent raters", "tbody tr"),
        ("Dead letters", ".letters li"),
    ):
        expect(panel(page, title).locator(rows).first).to_be_visible()
    expect(panel(page, "Health of the flows")).to_contain_text(re.compile(r"ratings.*last snapshot.*search off", re.S))


def test_a_filter_changes_the_panels_and_survives_a_reload(page: Page) -> None:
    page.get_by_role("group", name="Filters").get_by_label("Channel", exact=True).select_option("web")
    for _ in ("before", "after"):
        about = panel(page, "Live feed").locator(".about")
        expect(about.first).to_contain_text("web")
        expect(about.filter(has_not_text="web")).to_have_count(0)
        expect(page.get_by_role("img", name=re.compile(r"^Ratings by channel: web \d+$"))).to_be_visible()
        assert "channel=web" in page.url
        page.reload()


def test_a_pause_holds_the_page(page: Page) -> None:
    pause = page.get_by_role("button", name="Pause")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    shown = page.locator(".tiles .value").nth(1)
    held = shown.inner_text()
    page.wait_for_timeout(3000)
    assert shown.inner_text() == held
    pause.click()
    expect(shown).not_to_have_text(held)


def test_a_submitted_rating_comes_back_within_two_seconds(page: Page) -> None:
    submit = panel(page, "Submit a rating")
    for attempt in range(20):  # a busy machine may need several attempts
        submit.get_by_label("Message").fill(f"<b>seat {attempt}</b>")
        submit.get_by_role("button", name="Submit").click()
        result = submit.locator(".result", has_text=f"<b>seat {attempt}</b>")
        expect(result).to_contain_text("Came back")
        expect(result).to_contain_text("Ruthie Brockherst")
        expect(result).to_contain_text("Alert: unhappy-platinum.")
        seconds = re.search(r"after (\d+\.\d) s", result.inner_text())
        assert seconds
        if float(seconds[1]) <= 2:
            return
    pytest.fail("no rating came back within 2 s")


def test_a_refusal_is_told(page: Page) -> None:
    submit = panel(page, "Submit a rating")
    submit.get_by_label("Customer number").fill("99999999999999999999")
    submit.get_by_role("button", name="Submit").click()
    expect(submit.locator(".result")).to_contain_text("Refused: field user_id")


def test_the_keyboard_alone_reaches_everything(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()
    page.evaluate(
        """focusable => document.querySelectorAll(focusable).forEach((one, index) => one.dataset.stop = index)""",
        FOCUSABLE,
    )
    stops = page.locator(FOCUSABLE).count()
    radios = page.locator("input[type=radio]").count()  # one stop for all of them; arrows move between them
    reached = set()
    for _ in range(stops + 5):  # and some beyond the end, from where it begins again
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.stop ?? null"))
    assert len(reached - {None}) == stops - radios + 1
    page.get_by_role("button", name="Theme").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_serious(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    expect(page.locator(f"body.body--{scheme}")).to_have_count(1)
    for summary in page.locator("summary").all():
        summary.click()
    expect(page.locator("table.figures").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{width}-{scheme}.png", full_page=True, animations="disabled")
    page.get_by_role("button", name="Pause").click()
    violations = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in violations
        if one["impact"] in {"serious", "critical"}
    ]
    assert serious == []
