"""What somebody on call sees, and does, on the status page."""

from __future__ import annotations

import re
from itertools import pairwise

import httpx
import pytest
from playwright.async_api import Page, expect

from .conftest import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
SENTENCE = "#sentence"
WAIT_MS = 30_000
LISTENS = re.compile("^(All is well: l|L)istening")


async def test_it_wants_a_token_and_says_where_one_is_wrong(scene: Scene) -> None:
    async with scene.page(token="") as page:
        await expect(page.get_by_role("dialog", name="A token, please")).to_be_visible()
        await page.fill("#token", "no-token-of-theirs")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("That is not its token.")
        await scene.picture(page, "token")
        scene.complaints[:] = [said for said in scene.complaints if "401" not in said]
        await page.fill("#token", scene.daemon.token)
        await page.keyboard.press("Enter")
        await expect(page.locator("#link")).to_have_text("live")
        await page.reload()  # in this tab it is known
        await expect(page.locator("#link")).to_have_text("live")


async def test_an_update_is_seen_as_it_goes_through(scene: Scene) -> None:
    async with scene.page() as page:
        await expect(page.locator(SENTENCE)).to_have_text(re.compile("^All is well: listening"))
        name = await scene.submit(f"{CODE}/live")
        shown = page.locator("#feed li", has_text="submission: closed confirmed")
        await expect(shown).to_have_count(1, timeout=WAIT_MS)
        closed = page.locator("#closed div", has_text="confirmed").locator("dd")
        await expect(closed).not_to_have_text("0", timeout=WAIT_MS)
        await shown.get_by_role("button").click()
        story = page.get_by_role("dialog")
        await expect(story).to_contain_text(name)
        await expect(story).to_contain_text("its event was heard: that confirms it")


async def test_what_needs_a_person_is_told_by_the_keyboard_alone(scene: Scene) -> None:
    scene.upstream.plan(f"{CODE}/lost", "not_dispatched")
    name = await scene.submit(f"{CODE}/lost")
    assert (await scene.daemon.closed([name], 30))[name]["outcome"] == "not_dispatched"
    async with scene.page() as page:
        first = page.locator("#person button").first
        await expect(first).to_be_visible(timeout=WAIT_MS)
        said = page.locator(SENTENCE)
        await expect(said).to_contain_text("updates that ended without their event")
        await expect(page.locator("#verdict")).to_have_attribute("data-tone", "unsure")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await first.evaluate("one => one === document.activeElement"):
                break
        await expect(first).to_be_focused()
        await page.keyboard.press("Enter")
        story = page.get_by_role("dialog")
        await expect(story).to_contain_text("not dispatched")
        await expect(story).to_contain_text("What to do:")
        accepted = page.locator("#story-steps time").first
        at = await accepted.get_attribute("datetime")
        assert at is not None
        await expect(accepted).to_have_text(at[11:19])
        await expect(story).to_contain_text("What happened, in UTC")
        await expect(page.locator("#story-heading")).to_be_focused()
        await scene.picture(page, "story")
        await page.keyboard.press("Escape")
        await expect(story).to_be_hidden()
        await expect(first).to_be_focused()


async def test_one_is_found_by_its_id_and_by_what_stands_for_its_code(scene: Scene) -> None:
    name = await scene.submit(f"{CODE}/found")
    shown = (await scene.daemon.closed([name], 30))[name]
    async with scene.page() as page:
        for wanted, told in ((name, "What happened"), (shown["cv_ref"], "1 submissions of this")):
            await page.fill("#wanted", wanted)
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("dialog")).to_contain_text(told)
            await page.keyboard.press("Escape")
        await page.fill("#wanted", "<b>neither</b>")
        await page.keyboard.press("Enter")
        await expect(page.locator("#find-said")).to_contain_text("found another form")


async def test_deafness_is_said_drawn_and_over_again(scene: Scene) -> None:
    async with scene.page(scheme="dark") as page:
        await scene.upstream.socket.restart(6_500)
        said = page.locator(SENTENCE)
        await expect(said).to_have_text(re.compile("not all is well.*deaf"), timeout=WAIT_MS)
        await scene.picture(page, "deaf")
        await expect(said).to_have_text(LISTENS, timeout=WAIT_MS)
        incident = page.locator("#incidents li", has_text="subscription.lost")
        await expect(incident).to_have_count(1, timeout=WAIT_MS)
        drawn = page.locator("#plot-deaf > svg")
        assert await drawn.evaluate("one => one.namespaceURI") == "http://www.w3.org/2000/svg"
        await expect(drawn.locator("> title")).to_have_text(re.compile("may have been missed"))
        await scene.picture(page, "dark")


async def test_a_daemon_that_dies_is_missed_and_followed_again(scene: Scene) -> None:
    async with scene.page() as page:
        before = await scene.submit(f"{CODE}/before")
        await scene.daemon.closed([before], 30)
        await expect(page.locator("#feed li", has_text="closed confirmed")).to_have_count(1)
        port = scene.daemon.port
        scene.daemon._environ["CV_INTAKE_PORT"] = str(port)  # the page knows this one
        await scene.daemon.kill()
        await expect(page.locator(SENTENCE)).to_contain_text("does not answer", timeout=WAIT_MS)
        await expect(page.locator("#link")).to_contain_text("reconnecting since")
        await scene.picture(page, "lost")
        await scene.daemon.start()
        # Through before the page is back: it is told what it missed.
        meanwhile = await scene.submit(f"{CODE}/meanwhile")
        await scene.daemon.closed([meanwhile], 30)
        await expect(page.locator("#link")).to_have_text("live", timeout=WAIT_MS)
        told = page.locator("#feed li", has_text="closed confirmed")
        await expect(told).to_have_count(2, timeout=WAIT_MS)
        await expect(page.locator(SENTENCE)).to_have_text(LISTENS)


async def test_it_fits_a_phone_and_is_told_aloud(scene: Scene) -> None:
    async with scene.page(width=390, height=844) as page:
        await expect(page.locator("#plot-latency > svg")).to_be_visible(timeout=WAIT_MS)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        assert await page.evaluate(_NAMELESS) == []
        levels = await page.evaluate(_LEVELS)
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert await page.get_by_role("status").count() == 1
        assert await page.get_by_role("main").count() == 1
        await _skips_to_the_state_of_things(page)
        await scene.picture(page, "phone")


async def _skips_to_the_state_of_things(page: Page) -> None:
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


_NAMELESS = """() => [...document.querySelectorAll("button, input, select, svg[role=img]")]
  .filter(one => one.checkVisibility())
  .filter(one => !(one.textContent.trim() || one.labels?.length || one.ariaLabel))
  .map(one => one.outerHTML.slice(0, 80))"""
_LEVELS = """() => [...document.querySelectorAll("h1, h2, h3")]
  .filter(one => one.checkVisibility()).map(one => Number(one.localName[1]))"""


async def test_all_its_parts_are_small_and_nothing_comes_from_elsewhere(scene: Scene) -> None:
    sizes = 0
    async with httpx.AsyncClient(base_url=scene.daemon.url) as client:
        for part in ("/", "/page.css", "/page.js"):
            answer = await client.get(part)
            assert answer.status_code == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            sizes += len(answer.content)
    hosts: set[str] = set()
    async with scene.page() as page:
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        await page.reload()
        await expect(page.locator("#plot-deaf > svg")).to_be_visible(timeout=WAIT_MS)
        drawn = await page.evaluate(
            "[...document.querySelectorAll('svg')].map(one => one.outerHTML)"
        )
        await scene.picture(page, "light")
    assert hosts == {f"127.0.0.1:{scene.daemon.port}"}
    assert sizes + sum(map(len, drawn)) < 100_000


async def test_it_is_not_well_while_nothing_is_sent(scene: Scene) -> None:
    for number in range(5):
        scene.upstream.plan(f"{CODE}/fails{number}", "error_before")
        await scene.submit(f"{CODE}/fails{number}")
    async with scene.page() as page:
        said = page.locator(SENTENCE)
        await expect(said).to_have_text(
            re.compile(r"not all is well\. sending: circuit open \(http_5\d\d\)\. \d open\.$"),
            timeout=WAIT_MS,
        )
        await expect(page.locator("#verdict")).to_have_attribute("data-tone", "bad")
        await expect(page.locator("#checks")).to_contain_text("next try at")
        await scene.picture(page, "circuit")
