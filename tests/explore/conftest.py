"""JavaScript for the tests: through Node where it is, and in the system's Chromium through Playwright."""

import json
import shutil
import subprocess

import pytest

from tinylm.explore.document import MATHEMATICS, script

WAIT = 20_000  # milliseconds


@pytest.fixture(scope="session")
def javascript():
    """run(program, data): the page's mathematics, then `program`, an async function body that sees `data`."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; the browser tests run the same scripts")

    def run(program, data):
        source = f"{script(MATHEMATICS)}\n(async (data) => {{ {program} }})(JSON.parse(require('fs').readFileSync(0)))"
        source += ".then((result) => console.log(JSON.stringify(result)))"
        done = subprocess.run([node, "-e", source], input=json.dumps(data), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def file(made, tmp_path_factory):
    """The page of the module's model, `made`, as a file."""
    path = tmp_path_factory.mktemp("page") / "a page's name, with signs.html"
    path.write_text(made.html, "utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """open(width): the page in a fresh tab; afterwards it is held against having asked or complained."""
    contexts, seen = [], []

    def open_page(width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda request: seen.append(("request", request.url)))
        page.on("console", lambda message: seen.append((message.type, message.text)))
        page.on("pageerror", lambda error: seen.append(("error", str(error))))
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen == [("request", file.as_uri())] * len(contexts)
