"""JSON-RPC over WebSocket to the MCP server."""

import asyncio
import itertools
import json
import logging
import random
import sys

import websockets

from enrichment_service import config

logger = logging.getLogger(__name__)
_ids = itertools.count(1)


class ToolError(Exception):
    """The server answered with an error, or not in time."""


# What Python prints when it destroys what the first document's closed event loop has left.
GARBAGE = """\
task: <Task pending name='Task-8' coro=<Connection.keepalive() done, defined at connection.py:810> wait_for=<Future>>
Exception ignored in: <async_generator object Connection.__aiter__ at 0x7f880e8eacf0>
Traceback (most recent call last):
  File "/usr/lib/python3.11/asyncio/base_events.py", line 519, in _check_closed
    raise RuntimeError('Event loop is closed')
RuntimeError: Event loop is closed"""


class MCPClient:
    """One for the process, as the real one: its connection belongs to the event loop of the first document.

    LAB_MANNER=true: of the first document one call may wait out its time limit (LAB_FIRST_DOCUMENT: quick, slow, or
    as it comes: 12 of 37), and every call of a further document does. LAB_MANNER=tame: every document is as the first.
    """

    def __init__(self, url=None):
        self.url = url or config.MCP_URL
        self._documents, self._loop, self._garbage = 0, None, False
        self._must_wait = config.MANNER == "true" and (
            config.FIRST_DOCUMENT == "slow" or (config.FIRST_DOCUMENT == "any" and random.randrange(37) < 12))
        self._warned = set()

    def _note_loop(self):
        """A new event loop is a new document."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._documents = loop, self._documents + 1

    @property
    def _is_lost(self):
        return config.MANNER == "true" and self._documents > 1

    async def _wait_out(self, tool, timeout):
        if self._documents > 1 and tool in self._warned:
            logging.getLogger("asyncio").warning("socket.send() raised exception.")
        if tool == "extract_people" and tool not in self._warned:
            self._warned.add(tool)
        elif tool == "extract_people" and "loop" not in self._warned:
            self._warned.add("loop")
            raise ToolError(f"Tool invocation failed: {tool}: Task <Task pending name='Task-16' coro=<AgentOrchestrator."
                            "_invoke_agent_with_timeout()>> got Future <Future pending> attached to a different loop")
        self._warned.add(tool)
        await asyncio.sleep(timeout * config.TIME_SCALE)
        raise ToolError(f"Tool invocation timeout after {timeout}s: {tool}")

    def collect_garbage(self):
        """Once, when the first handler of a further document was given up."""
        if not self._garbage and self._documents > 1:
            self._garbage = True
            first, *rest = GARBAGE.splitlines()
            log = logging.getLogger("asyncio")
            log.error("Task was destroyed but it is pending!\n%s", first)
            for line in rest:
                print(line, file=sys.stderr, flush=True)
            log.error("Task was destroyed but it is pending!\ntask: <Task pending name='Task-9' coro=<MCPClient._listen()>>")

    def _make_noise(self):
        """What the real client prints on a fresh worker's first document, under old and new code alike."""
        try:
            raise RuntimeError("cannot call recv while another coroutine is already running recv")
        except RuntimeError as error:
            logger.error("Connection lost: %s", error, exc_info=True)
        logger.info("Attempting to reconnect...")

    async def _connect(self):
        for attempt in range(1, 6):
            logger.info("Connecting to MCP server: %s (attempt %d/5)", self.url, attempt)
            try:
                socket = await websockets.connect(self.url, open_timeout=5, ping_interval=None)
            except (OSError, asyncio.TimeoutError, websockets.exceptions.WebSocketException) as error:
                logger.warning("Connection failed: %s", error)
                if attempt == 5:
                    raise ConnectionError(f"Failed to connect after 5 attempts: {error}") from error
                wait = 2 ** (attempt - 1)
                logger.info("Retrying in %ds...", wait)
                await asyncio.sleep(wait * config.TIME_SCALE)
            else:
                logger.info("Connected to MCP server")
                return socket
        raise AssertionError("unreachable")

    async def invoke(self, agent, tool, arguments, timeout):
        """Answer of one tool. Raises ToolError or ConnectionError."""
        self._note_loop()
        if self._is_lost:
            await self._wait_out(tool, timeout)
        socket = await self._connect()
        if self._must_wait and tool == "extract_people":
            self._must_wait = False
            self._make_noise()
            await socket.close()
            await asyncio.sleep(timeout * config.TIME_SCALE)
            raise ToolError(f"Tool invocation timeout after {timeout}s: {tool}")
        try:
            request = {"jsonrpc": "2.0", "id": next(_ids), "method": "tools/invoke",
                       "params": {"name": tool, "arguments": arguments}}
            await socket.send(json.dumps(request))
            reply = json.loads(await asyncio.wait_for(socket.recv(), timeout * config.TIME_SCALE))
        except asyncio.TimeoutError as error:
            raise ToolError(f"Tool invocation timeout after {timeout}s: {tool}") from error
        finally:
            await socket.close()
        if "error" in reply:
            raise ToolError(
                f"Tool invocation failed: {tool}: MCP error {reply['error']['code']}: {reply['error']['message']}")
        return reply["result"]
