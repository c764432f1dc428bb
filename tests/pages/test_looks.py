"""Every page in a real Chromium: it asks nobody, keeps to its policy, and can be read by everybody, on anything.

Pictures of all of them are in .run/pages afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.pages.samples import NAMES

PICTURES = Path(__file__).parents[2] / ".run" / "pages"
Theme = Literal["light", "dark"]
THEMES: Sequence[Theme] = ("light", "dark")
WIDE, NARROW = 1100, 360
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
each_page = pytest.mark.parametrize("name", NAMES)
each_theme = pytest.mark.parametrize("theme", THEMES)
each_width = pytest.mark.parametrize("width", [WIDE, NARROW])


@dataclass
class Opened:
    """A page that somebody looks at."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Errors on the console, and what a script did not catch."""

    def asks(self, script: str) -> Any:  # noqa: ANN401 — what a script gives
        return self.page.evaluate(script)


@pytest.fixture
def opened(name: str, theme: Theme, width: int, browser: Browser, files: Mapping[str, Path]) -> Iterator[Opened]:
    page = browser.new_page(color_scheme=theme, viewport={"width": width, "height": 800})
    found = Opened(page)
    page.on("request", lambda one: found.requests.append(one.url))
    page.on("console", lambda one: found.said.append(one.text) if one.type in {"error", "warning"} else None)
    page.on("pageerror", lambda one: found.said.append(str(one)))
    page.goto(files[name].as_uri())
    yield found
    page.close()


@each_width
@each_theme
@each_page
def test_it_asks_nobody_and_has_nothing_to_complain_of(
    opened: Opened, name: str, theme: str, width: int, files: Mapping[str, Path]
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=PICTURES / f"{name}-{theme}-{width}.png", full_page=True)

    assert opened.requests == [files[name].as_uri()]
    assert opened.said == []


@each_width
@each_theme
@each_page
def test_nothing_has_to_be_scrolled_sideways(opened: Opened, width: int) -> None:
    opened.asks("document.querySelectorAll('details').forEach(one => { one.open = true })")

    assert opened.asks("document.documentElement.scrollWidth") <= width


@each_theme
@each_page
@pytest.mark.parametrize("width", [WIDE])
def test_everybody_can_read_it(opened: Opened, axe_core: str) -> None:
    opened.asks("document.querySelectorAll('details').forEach(one => { one.open = true })")
    opened.asks(axe_core)
    found = opened.asks(f"axe.run(document, {{runOnly: {STANDARDS}}})")

    told = [
        f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found["violations"] for node in one["nodes"]
    ]
    assert told == []
    assert len(found["passes"]) > 5, "it has looked"


_SCRIPT = "const one = document.createElement('script'); {}; document.body.append(one)"
_FRAME = "const one = document.createElement('iframe'); one.src = 'data:text/html,x'; document.body.append(one)"
_HANDLER = "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.ran = 1\">')"
INTRUDERS = {
    "a script in it": _SCRIPT.format("one.textContent = 'window.ran = 1'"),
    "a script from elsewhere": _SCRIPT.format("one.src = 'data:text/javascript,window.ran=1'"),
    "a handler": _HANDLER,
    "a request": "fetch('data:text/plain,x').then(() => { window.ran = 1 }, () => 0)",
    "a frame": _FRAME,
}


@pytest.mark.parametrize("intruder", INTRUDERS)
@pytest.mark.parametrize(("name", "theme", "width"), [("incident", "light", WIDE)])
def test_whoever_got_into_it_can_do_nothing(opened: Opened, intruder: str) -> None:
    opened.asks(
        "void (window.held = new Promise(done => document.addEventListener('securitypolicyviolation', e => "
        "done(e.effectiveDirective))))"
    )
    opened.asks(f"{{ {INTRUDERS[intruder]} }}")

    assert str(opened.asks("window.held")).startswith(("script-src", "connect-src", "frame-src"))
    assert opened.asks("window.ran") is None


@each_page
@pytest.mark.parametrize(("theme", "width"), [("dark", WIDE)])
def test_it_is_printed_in_black_on_white_and_in_full(opened: Opened, name: str) -> None:
    opened.page.emulate_media(media="print", color_scheme="light")
    style = opened.asks("(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] })()")
    opened.asks("window.dispatchEvent(new Event('beforeprint'))")
    folded = opened.asks("document.querySelectorAll('details:not([open])').length")
    opened.page.screenshot(path=PICTURES / f"{name}-print.png", full_page=True)

    assert style == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert folded == 0
    assert opened.page.pdf(format="A4").startswith(b"%PDF")


@each_page
@pytest.mark.parametrize(("theme", "width"), [("light", WIDE)])
def test_it_can_be_read_without_script(name: str, browser: Browser, files: Mapping[str, Path], opened: Opened) -> None:
    page = browser.new_page(java_script_enabled=False, viewport={"width": WIDE, "height": 800})
    page.goto(files[name].as_uri())

    assert page.inner_text("main") == opened.page.inner_text("main")
    page.close()


@each_page
@pytest.mark.parametrize(("theme", "width"), [("light", WIDE)])
def test_what_is_folded_opens_by_keyboard(opened: Opened) -> None:
    if not opened.page.locator("summary").count():
        return
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Enter")

    assert opened.asks("document.querySelectorAll('details[open]').length") == 1
