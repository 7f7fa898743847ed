"""Watches enrichment jobs. No HTTP interface, as the real one."""

import logging
import signal
import time

import pymongo

from enrichment_service import config

logger = logging.getLogger("enrichment_service.coordinator.enrichment_coordinator")


class EnrichmentCoordinator:
    def __init__(self):
        self.database = pymongo.MongoClient(config.MONGO_URI, serverSelectionTimeoutMS=5000).get_default_database()
        self.database.command("ping")
        logger.info("✓ MongoDB connected")
        logger.info("EnrichmentCoordinator initialized - NSQ: %s:%s", config.NSQD_HOST, config.NSQD_PORT)


def main():
    logging.basicConfig(level=config.LOG_LEVEL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    EnrichmentCoordinator()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
