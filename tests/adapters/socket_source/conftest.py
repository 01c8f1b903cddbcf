"""The two servers and the two paths that one suite is run over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.interop.node_server import NodeServer
from tests.tools import ToolMissing

from .python_server import PythonServer

Server = NodeServer | PythonServer
Start = Callable[..., Any]
"""``await start(**options)``: a server that ends with the test."""


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def fast_path(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[NodeServer, PythonServer], ids=["node", "python"])
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def one(**options: Any) -> Server:
            try:
                server: Server = await stack.enter_async_context(request.param(**options))
            except ToolMissing as missing:
                pytest.skip(str(missing))
            return server

        yield one


@pytest.fixture
async def start_node() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def one(**options: Any) -> NodeServer:
            try:
                return await stack.enter_async_context(NodeServer(**options))
            except ToolMissing as missing:
                pytest.skip(str(missing))

        yield one
