"""The page, in a browser: a person picks a history by title and sees the recommendations."""

import shutil

import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')
pytest.importorskip("playwright", reason="no Playwright: pip install playwright")

from playwright import sync_api as api
from running_server import running
from small_saved_models import make_films

from tfrec_zoo import pretrained

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens the page of a server; what the browser complains of fails the test."""
    complaints = []
    page = browser.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))

    def open_page(client):
        page.goto(f"http://127.0.0.1:{client.port}/")
        return page

    yield open_page
    page.close()
    assert complaints == []


def expect_first(page, title):
    """Waits until the first of what is recommended has a title."""
    api.expect(page.locator("#recommended li").first).to_contain_text(title)


def test_a_history_by_title(films, open_page):
    with running(films) as client:
        page = open_page(client)
        api.expect(page.locator("#about")).to_have_text("EASE, version 1")
        expect_first(page, "Film 0")
        page.fill("#search", "film 0")
        page.locator("#found button", has_text="Film 0").click()
        assert page.input_value("#search") == "" and page.locator("#found li").count() == 0
        expect_first(page, "Film 1")
        # By the keyboard, and away again.
        page.fill("#search", "film 3")
        api.expect(page.locator("#found button")).to_have_text(["Film 3"])
        page.press("#search", "Enter")
        api.expect(page.locator("#history li")).to_have_count(2)
        page.get_by_label("remove Film 0").click()
        expect_first(page, "Film 2")
        assert page.locator("#error").inner_text() == ""


def test_titles_are_text_and_no_html(tmp_path, open_page):
    with running(make_films(tmp_path / "model", "<img src=/x onerror=alert(1)> {}")) as client:
        page = open_page(client)
        page.fill("#search", "onerror")
        page.locator("#found button").first.click()
        api.expect(page.locator("#history li").first).to_contain_text("<img src=/x")
        assert page.locator("img").count() == 0


def test_a_model_that_asks_who_asks(open_page):
    with running(pretrained.find("neumf/movielens-100k") / "model", load=pretrained.load) as client:
        page = open_page(client)
        page.get_by_label("user_id").fill("7")
        page.get_by_label("user_id").press("Tab")
        expected = client.ask("/recommend", {"request": {"user_id": "7"}}).content
        first = expected["recommendations"][0]["id"]
        expect_first(page, first)
        # Without titles, what is typed is an id.
        page.fill("#search", first)
        page.locator("#found button").first.click()
        expect_first(page, expected["recommendations"][1]["id"])


def test_an_error_is_shown(half_plus_three, open_page):
    with running(half_plus_three) as client:
        page = open_page(client)
        api.expect(page.locator("#error")).to_contain_text("no manifest.json")
