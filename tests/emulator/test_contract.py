"""The contract of the upstream's own document, against the embedded one."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

import pytest

from listener.emulator import Emulator

from .conftest import DOCUMENTED, Client, Ear

SAMPLES = Path(__file__).resolve().parent.parent.parent / "demo"
PDF = (SAMPLES / "li-ming.pdf").read_bytes()


async def test_the_reply_is_the_documented_one(upstream: Emulator, client: Client) -> None:
    reply = await client.post(DOCUMENTED, PDF)
    assert reply.status == 200
    data = reply.body["data"]
    assert reply.body == {
        "status": "success",
        "data": {
            "cv_code": DOCUMENTED,
            "cv_id": data["cv_id"],
            "application_id": None,
            "status": "draft",
            "cv_updated": True,
            "message": "CV updated and enhancement started",
        },
    }
    assert isinstance(data["cv_id"], int)


async def test_what_happens_on_an_update_and_in_which_order(
    upstream: Emulator, client: Client, ear: Ear
) -> None:
    await client.post(DOCUMENTED, PDF)
    first = upstream.stored()
    before = (await client.get(DOCUMENTED)).body["data"]
    await client.post(DOCUMENTED, PDF, "second.pdf")
    await upstream.ledger.until(lambda told: len(told.events(DOCUMENTED)) == 2)
    now = (await client.get(DOCUMENTED)).body["data"]
    assert now["cv_path"] != before["cv_path"]
    assert now["cv_data"]
    assert not set(first) & set(upstream.stored()), "the old file is still stored"
    assert len(upstream.stored()) == 1
    post = upstream.ledger.posts(DOCUMENTED)[-1]
    jobs = upstream.ledger.dispatched_for_post(post.number)
    (event,) = upstream.ledger.emitted_for_post(post.number)
    assert [job.kind for job in jobs] == ["enhancement", "analysis"]
    assert post.applied_ms is not None
    assert post.applied_ms <= jobs[0].dispatched_ms <= jobs[1].dispatched_ms <= event.emitted_ms
    async with asyncio.timeout(5):
        heard = [await ear.heard.get() for _ in range(2)]
    assert [body["cv_code"] for body in heard] == [DOCUMENTED, DOCUMENTED]


async def test_the_record_goes_from_processing_to_done(upstream: Emulator, client: Client) -> None:
    await client.post(DOCUMENTED, PDF)
    record = upstream.record(DOCUMENTED)
    assert record is not None
    assert record["status"] == record["cv_enhance_status"] == "processing"
    await upstream.ledger.until(
        lambda told: all(j.ended_ms for j in told.jobs(DOCUMENTED)) and told.jobs(DOCUMENTED)
    )
    done = (await client.get(DOCUMENTED)).body["data"]
    assert "processing" not in (done["status"], done["cv_enhance_status"])
    assert done["enhancement_result"]
    assert "position_match" in done


@pytest.mark.parametrize(
    "code", [DOCUMENTED, "a/b", "a%2Fb", "100% Zürich", "+&?=;", "日本", "~.-_"]
)
async def test_a_code_is_decoded_exactly_once(
    upstream: Emulator, client: Client, code: str
) -> None:
    assert (await client.post(code, PDF)).status == 200
    assert upstream.ledger.posts(code)[0].applied
    assert (await client.get(code)).body["data"]["cv_code"] == code


@pytest.mark.parametrize("sample", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
async def test_the_samples_give_their_text(
    upstream: Emulator, client: Client, sample: Path
) -> None:
    assert (await client.post("sample", sample.read_bytes(), sample.name)).status == 200
    data = (await client.get("sample")).body["data"]["cv_data"]
    last_name = sample.stem.rsplit("-", 1)[-1]
    assert last_name.casefold() in repr(data).casefold().replace("í", "i").replace("é", "e")


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", _zip(a=b"x"), b"%PDF-1.7\n" + b"x" * (5 << 20)],
    ids=["empty", "neither", "a zip", "over the limit"],
)
async def test_what_is_no_cv_is_refused_and_changes_nothing(
    upstream: Emulator, client: Client, content: bytes
) -> None:
    upstream.create("refused")
    before = upstream.stored()
    reply = await client.post("refused", content)
    assert 400 <= reply.status < 500
    assert reply.body["status"] == "error"
    assert reply.body["message"]
    assert not any(post.applied for post in upstream.ledger.posts("refused"))
    assert upstream.stored() == before


async def test_a_truncated_pdf_harms_nothing(upstream: Emulator, client: Client) -> None:
    assert (await client.post("cut", PDF[: len(PDF) // 2])).status in (200, 422)
    assert (await client.post("cut", PDF)).status == 200


async def test_an_unknown_code_is_404_where_codes_are_not_made(client: Client) -> None:
    from listener.emulator import Options

    async with Emulator(Options(auto_create=False, codes=("known",))) as strict:
        other = Client(strict, client._session)
        assert (await other.get("known")).status == 200
        reply = await other.get("unknown")
        assert (reply.status, reply.body["status"]) == (404, "error")
        assert (await other.post("unknown", PDF)).status == 404
