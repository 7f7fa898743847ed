"""Consumes enrichment tasks, one document at a time."""

import asyncio
import datetime
import json
import logging
import signal

import pymongo

from enrichment_service import config
from enrichment_service.coordinator.enrichment_coordinator import EnrichmentCoordinator
from enrichment_service.queue.consumer import Consumer
from enrichment_service.review.review_queue import create_review_task
from enrichment_service.schema.validator import SchemaValidator
from enrichment_service.workers.agent_orchestrator import AgentOrchestrator

logger = logging.getLogger(__name__)


class EnrichmentWorker:
    def __init__(self):
        self.database = pymongo.MongoClient(config.MONGO_URI, serverSelectionTimeoutMS=5000).get_default_database()
        self.database.command("ping")
        logger.info("✓ MongoDB connected")
        self.validator = SchemaValidator()
        self.orchestrator = AgentOrchestrator()
        EnrichmentCoordinator()
        logger.info("EnrichmentWorker initialized - NSQ: %s:%s", config.NSQD_HOST, config.NSQD_PORT)

    def consume(self):
        logger.info("Starting NSQ consumer: topic=%s, channel=%s", config.TOPIC, config.CHANNEL)
        logger.info("Attempting direct connection to nsqd: %s:%s", config.NSQD_HOST, config.NSQD_PORT)
        consumer = Consumer(config.NSQD_HOST, config.NSQD_PORT, config.TOPIC, config.CHANNEL)
        logger.info("✅ Connected to nsqd directly")
        logger.info("NSQ Consumer created, starting to consume messages...")
        consumer.run(self.handle)

    def handle(self, body):
        task = json.loads(body)
        document_id, ocr = task["document_id"], task["ocr_data"]
        job_id = task["enrichment_job_id"]
        task_id = task.get("task_id") or f"task_{job_id}_{document_id}"
        logger.info("Processing enrichment task %s for document %s", task_id, document_id)
        enriched = asyncio.run(self.orchestrator.enrich_document(document_id, ocr))
        metrics = self.validator.metrics(enriched)
        score, present, total = (metrics[k] for k in ("completeness_score", "present_fields", "total_required_fields"))
        logger.info("Document %s completeness: %.1f%% (%d/%d fields)", document_id, score * 100, present, total)
        self.save(document_id, job_id, ocr, enriched, metrics)
        if score < config.COMPLETENESS_THRESHOLD:
            logger.info("Document %s completeness (%.1f%%) below threshold, routing to review", document_id, score * 100)
            create_review_task(self.database, document_id, score)
        self.database.enrichment_jobs.update_one(
            {"_id": job_id}, {"$inc": {"processed_count": 1}, "$set": {"updated_at": datetime.datetime.utcnow()}},
            upsert=True)
        logger.info("✓ Task %s completed successfully", task_id)

    def save(self, document_id, job_id, ocr, enriched, metrics):
        now = datetime.datetime.utcnow()
        self.database.enriched_documents.update_one({"_id": document_id}, {"$set": {
            "enrichment_job_id": job_id, "ocr_data": ocr, "enriched_data": enriched, "quality_metrics": metrics,
            "review_status": "pending", "created_at": now, "updated_at": now,
        }}, upsert=True)


def main():
    logging.basicConfig(level=config.LOG_LEVEL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    EnrichmentWorker().consume()


if __name__ == "__main__":
    main()
