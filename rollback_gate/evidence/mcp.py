"""Whether the MCP server answers. By a WebSocket handshake: its HTTP paths hang."""

from __future__ import annotations

import base64
import http.client
import os
import time

from rollback_gate.evidence.readings import McpReading
from rollback_gate.profile.schema import Profile


def read(profile: Profile) -> McpReading:
    address = profile.mcp.address
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=profile.limits.answer_s)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    began = time.monotonic()
    try:
        connection.request("GET", "/", headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return McpReading(False, f"no answer at {address} ({error or type(error).__name__})")
    finally:
        connection.close()
    if status != http.client.SWITCHING_PROTOCOLS:
        return McpReading(False, f"{address} refused the WebSocket handshake with status {status}")
    return McpReading(True, f"{address} takes WebSocket connections, in {time.monotonic() - began:.2f} s")
