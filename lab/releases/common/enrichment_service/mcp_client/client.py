"""JSON-RPC over WebSocket to the MCP server."""

import asyncio
import itertools
import json
import logging

import websockets

from enrichment_service import config

logger = logging.getLogger(__name__)
_ids = itertools.count(1)


class ToolError(Exception):
    """The server answered with an error, or not in time."""


class MCPClient:
    _noisy = config.NOISE

    def __init__(self, url=None):
        self.url = url or config.MCP_URL

    @classmethod
    def _make_noise(cls):
        """What the real client prints on a fresh worker's first document, under old and new code alike."""
        if cls._noisy:
            cls._noisy = False
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
                self._make_noise()
                return socket
        raise AssertionError("unreachable")

    async def invoke(self, agent, tool, arguments, timeout):
        """Answer of one tool. Raises ToolError or ConnectionError."""
        socket = await self._connect()
        try:
            request = {"jsonrpc": "2.0", "id": next(_ids), "method": "tools/invoke",
                       "params": {"agentId": agent, "toolName": tool, "arguments": arguments}}
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
