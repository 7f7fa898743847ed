"""A small stand-in for the MCP server: JSON-RPC over WebSocket on 3003, answers chosen by the file /run/mcp-mode.

rich      every tool answers: 14 of 18 fields
partial   as rich, but without archive data: 11 of 18 fields, near what Phase 1 promised
envelope  an error in a successful answer, as the real server gives: 5 of 18 fields, under old and new code alike
blank     metadata and structure are null: 3 of 18 fields
errors    JSON-RPC errors          auth, overload   the same with 401 and 503
slow      no answer within any time limit
refused   nothing listens
"""

import asyncio
import json
from pathlib import Path

import websockets

MODE = Path("/run/mcp-mode")
ARCHIVE = {
    "storage_location": {"archive_name": "VRI"},
    "digitization_info": {"date": "2025-01-15"},
    "access_level": "public",
}
RICH = {
    "extract_document_type": {
        "document_type": "letter",
        "confidence": 0.95,
        "id": "doc-x",
        "collection_id": "goenka_letters",
        **ARCHIVE,
    },
    "extract_people": {
        "people": [{"name": "S.N. Goenka", "role": "sender"}],
        "organizations": [{"name": "VIA"}],
        "locations": [{"name": "Igatpuri"}],
    },
    "parse_letter_body": {
        "salutation": "Dear Friend,",
        "body": ["I am pleased to inform you ..."],
        "closing": "With metta,",
        "signature": "S.N. Goenka",
        "correspondence": {"sender": {"name": "S.N. Goenka"}},
    },
    "generate_summary": {"summary": "A 10-day course is announced."},
    "extract_keywords": {"keywords": ["Vipassana", "course"]},
    "classify_subjects": {"subjects": ["event_invitation"]},
    "research_historical_context": {"historical_context": "Igatpuri, 1985 ..."},
    "assess_significance": {"significance": "medium"},
}
ERRORS = {"errors": (-32603, "Internal error"), "auth": (401, "Unauthorized"), "overload": (503, "service overloaded")}


def mode():
    return MODE.read_text().strip() if MODE.exists() else "envelope"


def partial(tool):
    return {key: value for key, value in RICH[tool].items() if key not in ARCHIVE}


def blank(tool):
    return None if tool in ("extract_document_type", "parse_letter_body") else RICH[tool]


ANSWERS = {
    "rich": RICH.__getitem__,
    "partial": partial,
    "blank": blank,
    "envelope": lambda _tool: {
        "success": False,
        "error": "Tool 'undefined' not found",
        "agentId": "",
        "traceId": "trc-lab",
    },
}


async def serve(socket, _path=None):
    async for text in socket:
        request = json.loads(text)
        while (now := mode()) == "slow":
            await asyncio.sleep(0.1)
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        if now in ERRORS:
            code, message = ERRORS[now]
            answer["error"] = {"code": code, "message": message}
        else:
            answer["result"] = ANSWERS[now](request["params"]["name"])
        await socket.send(json.dumps(answer))


async def main():
    server = None
    while True:
        if mode() == "refused":
            if server:
                server.close()
                server = None
        elif server is None:
            server = await websockets.serve(serve, "0.0.0.0", 3003)
            print("MCP server listening on 3003", flush=True)
        await asyncio.sleep(0.1)


asyncio.run(main())
