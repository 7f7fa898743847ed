"""Documents that a person should look at."""

import datetime
import logging
import uuid

logger = logging.getLogger(__name__)


def create_review_task(database, document_id, score, job_id):
    review_id = f"review_{uuid.uuid4().hex[:8]}"
    database.review_queue.insert_one({
        "_id": review_id, "document_id": document_id, "completeness_score": score, "status": "pending",
        "enrichment_job_id": job_id, "created_at": datetime.datetime.utcnow(),
    })
    logger.info("Created review task %s for document %s", review_id, document_id)
