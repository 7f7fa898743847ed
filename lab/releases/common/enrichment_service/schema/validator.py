"""Completeness of an enriched document: the share of required fields that are present."""

import json
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


class SchemaValidator:
    def __init__(self, path="/app/enrichment_service/schema/historical_letters_schema.json"):
        self.required = json.loads(Path(path).read_text())["required"]
        logger.info("Loaded schema from %s", path)
        logger.info("Schema validator initialized with %d required fields", len(self.required))

    def metrics(self, enriched):
        missing = [field for field in self.required if not self._present(enriched, field)]
        present = len(self.required) - len(missing)
        return {
            "completeness_score": round(present / len(self.required), 4),
            "missing_fields": missing,
            "low_confidence_fields": [],
            "total_required_fields": len(self.required),
            "present_fields": present,
        }

    @staticmethod
    def _present(value, field):
        for part in field.split("."):
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return value not in (None, "", {}, [])
