"""Asks the agents for every part of a document and puts the answers together."""

import asyncio
import logging

from enrichment_service import config
from enrichment_service.config.timeouts import get_tool_timeout
from enrichment_service.errors.error_types import get_error_type
from enrichment_service.errors.retry_strategy import get_retry_strategy
from enrichment_service.mcp_client.client import MCPClient

logger = logging.getLogger(__name__)

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

    async def _invoke(self, agent, tool, arguments):
        timeout = get_tool_timeout(tool)
        attempt = 0
        while True:
            attempt += 1
            try:
                logger.debug("Invoking %s/%s (attempt %d, timeout: %ds)", agent, tool, attempt, timeout)
                answer = await self.client.invoke(agent, tool, arguments, timeout)
                return answer if answer is None else {**answer, **self._source(tool, "actual")}
            except Exception as error:
                kind = get_error_type(error)
                attempts, waits, description = get_retry_strategy(kind)
                logger.warning("Agent %s tool %s failed with %s: %s (attempt %d/%d)",
                               agent, tool, kind, error, attempt, attempts)
                if attempt >= attempts:
                    logger.error("Agent %s tool %s failed after %d attempts (%s): %s",
                                 agent, tool, attempts, kind, error)
                    return self._fallback(agent, tool)
                logger.info("Retrying in %ds (strategy: %s)", waits[attempt - 1], description)
                await asyncio.sleep(waits[attempt - 1] * config.TIME_SCALE)

    @staticmethod
    def _source(tool, source):
        return {"_source": source} if tool == "extract_document_type" else {}

    def _fallback(self, agent, tool):
        logger.info("Using fallback for %s/%s", agent, tool)
        return {**FALLBACKS[tool], **self._source(tool, "fallback")}

    @staticmethod
    def _merge(metadata, entities, structure, summary, keywords, subjects, context, significance, ocr_data):
        mode = ocr_data.get("structured_mode")
        if mode:
            logger.info("OCR includes structured extraction (mode: %s)", mode)
        else:
            logger.info("OCR is text-only, using agent results only")
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
