"""Consumes enrichment tasks, one document at a time."""

import asyncio
import concurrent.futures
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
        self.executor = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        logger.info("EnrichmentWorker initialized - NSQ: %s:%s", config.NSQD_HOST, config.NSQD_PORT)

    def consume(self):
        logger.info("Starting NSQ consumer: topic=%s, channel=%s", config.TOPIC, config.CHANNEL)
        logger.info("Attempting direct connection to nsqd: %s:%s", config.NSQD_HOST, config.NSQD_PORT)
        consumer = Consumer(config.NSQD_HOST, config.NSQD_PORT, config.TOPIC, config.CHANNEL)
        logger.info("✅ Connected to nsqd directly")
        logger.info("NSQ Consumer created, starting to consume messages...")
        consumer.run(self.handle)

    def handle(self, body):
        """True: finished. A document that takes longer than the limit is requeued, while its thread goes on."""
        try:
            task = json.loads(body)
        except ValueError as error:
            logger.error("Failed to parse NSQ message: %s", error)
            return True
        future = self.executor.submit(self.process, task)
        try:
            done = future.result(timeout=config.HANDLER_LIMIT_S * config.TIME_SCALE)
        except Exception as error:
            logger.error("Error in sync task processing: %s", error, exc_info=True)
            done = False
            self.orchestrator.client.collect_garbage()
        if not done:
            logger.warning("Message requeued: task_id=%s", task.get("task_id", "unknown"))
        return done

    def process(self, task):
        document_id, job_id = task.get("document_id", ""), task.get("enrichment_job_id", "")
        task_id, ocr = task.get("task_id", "unknown"), task.get("ocr_data", {})
        logger.info("Processing enrichment task %s for document %s", task_id, document_id)
        if not (document_id and job_id and ocr.get("text")):
            logger.error("Invalid task %s: missing required fields", task_id)
            return False
        try:
            self.enrich(document_id, job_id, task_id, ocr)
        except Exception as error:
            logger.error("Error processing task %s: %s", task_id, error, exc_info=True)
            return False
        return True

    def enrich(self, document_id, job_id, task_id, ocr):
        enriched = asyncio.run(self.orchestrator.enrich_document(document_id, ocr))
        metrics = self.validator.metrics(enriched)
        score, present, total = (metrics[k] for k in ("completeness_score", "present_fields", "total_required_fields"))
        logger.info("Document %s completeness: %.1f%% (%d/%d fields)", document_id, score * 100, present, total)
        self.save(document_id, job_id, ocr, enriched, metrics)
        if score < config.COMPLETENESS_THRESHOLD:
            logger.info("Document %s completeness (%.1f%%) below threshold, routing to review", document_id, score * 100)
            create_review_task(self.database, document_id, score, job_id)
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
