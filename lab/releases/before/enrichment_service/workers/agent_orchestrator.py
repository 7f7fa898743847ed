"""Asks the agents for every part of a document and puts the answers together."""

import asyncio
import logging
import os

from enrichment_service import config
from enrichment_service.mcp_client.client import MCPClient, ToolError

logger = logging.getLogger(__name__)

AGENT_TIMEOUT_SECONDS = int(os.environ.get("AGENT_TIMEOUT_SECONDS", "60"))
FALLBACKS = {
    "extract_document_type": {"document_type": "letter", "confidence": 0.5},
    "extract_people": {"people": [], "organizations": [], "locations": []},
    "parse_letter_body": {"salutation": "", "body": [], "closing": "", "signature": ""},
    "generate_summary": {"summary": "Summary not available"},
    "extract_keywords": {"keywords": []},
    "classify_subjects": {"subjects": []},
    "research_historical_context": {"historical_context": ""},
    "assess_significance": {"significance": ""},
}


class AgentOrchestrator:
    def __init__(self, client=None):
        self.client = client or MCPClient()

    async def enrich_document(self, document_id, ocr_data):
        logger.info("Starting enrichment for document %s", document_id)
        arguments = {"document_id": document_id, "text": ocr_data["text"]}
        metadata, entities, structure = await asyncio.gather(
            self._invoke("metadata-agent", "extract_document_type", arguments),
            self._invoke("entity-agent", "extract_people", arguments),
            self._invoke("structure-agent", "parse_letter_body", arguments),
        )
        summary = await self._invoke("content-agent", "generate_summary", arguments)
        keywords = await self._invoke("content-agent", "extract_keywords", arguments)
        subjects = await self._invoke("content-agent", "classify_subjects", arguments)
        context = await self._invoke("context-agent", "research_historical_context", arguments)
        significance = await self._invoke("context-agent", "assess_significance", arguments)
        return self._merge(metadata, entities, structure, summary, keywords, subjects, context, significance, ocr_data)

    async def _invoke(self, agent, tool, arguments, max_retries: int = 3):
        for attempt in range(1, max_retries + 1):
            try:
                return await self.client.invoke(agent, tool, arguments, AGENT_TIMEOUT_SECONDS)
            except ToolError as error:
                logger.warning("Agent %s tool %s failed (attempt %d/%d): %s", agent, tool, attempt, max_retries, error)
            except Exception as error:
                logger.error("Unexpected error invoking %s/%s: %s", agent, tool, error)
                return self._fallback(agent, tool)
            await asyncio.sleep(2 ** attempt * config.TIME_SCALE)
        logger.error("Agent %s tool %s failed after %d attempts", agent, tool, max_retries)
        return self._fallback(agent, tool)

    @staticmethod
    def _fallback(agent, tool):
        logger.info("Using fallback for %s/%s", agent, tool)
        return {**FALLBACKS[tool], "_fallback": True}

    @staticmethod
    def _merge(metadata, entities, structure, summary, keywords, subjects, context, significance, ocr_data):
        parsed = structure or {}
        return {
            "metadata": metadata,
            "document": structure if structure is None else {
                "languages": [ocr_data.get("detected_language", "en")],
                "physical_attributes": {},
                "correspondence": parsed.get("correspondence", {}),
                "date": {},
            },
            "content": {
                "full_text": "",
                "summary": summary.get("summary", ""),
                "salutation": parsed.get("salutation", ""),
                "body": parsed.get("body", []),
                "closing": parsed.get("closing", ""),
                "signature": parsed.get("signature", ""),
                "attachments": [],
                "annotations": [],
            },
            "analysis": {
                "keywords": keywords.get("keywords", []),
                "subjects": subjects.get("subjects", []),
                "people": entities.get("people", []),
                "organizations": entities.get("organizations", []),
                "locations": entities.get("locations", []),
                "events": [],
                "historical_context": context.get("historical_context", ""),
                "significance": significance.get("significance", ""),
                "relationships": [],
            },
        }
