"""Makes page.png, what the page of `tfrec-zoo serve` shows: python docs/images/page.py

Needs the extra `[serve]`, Playwright, Chromium on the path, and MovieLens-100k where
tensorflow-datasets keeps its data.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from playwright import sync_api as api

import tfrec_zoo as zoo

HERE = pathlib.Path(__file__).parent
WATCHED = ("Toy Story", "Lion King", "Aladdin (1992)")


def main() -> None:
    """Trains a model, and takes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        zoo.train("EASE", zoo.movielens("100k")).save(folder)
        take_picture(folder)


def take_picture(folder: str) -> None:
    """Serves a folder, picks a history, and takes the picture."""
    command = [sys.executable, "-m", "tfrec_zoo", "serve", folder, "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = json.loads(server.stdout.readline())["url"]
        with api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": 900, "height": 760})
            page.goto(url)
            for number, title in enumerate(WATCHED, 1):
                page.fill("#search", title)
                page.locator("#found button").first.click()
                api.expect(page.locator("#history li")).to_have_count(number)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=HERE / "page.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
