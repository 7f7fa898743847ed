"""Settings of the service, from the environment."""

import os

# Lets modules live in config/ beside this file. The release "phase1-broken" has this file without it, as the real
# Phase 1 does: there `enrichment_service.config` is not a package, and the worker cannot start.
__path__ = [os.path.join(os.path.dirname(__file__), "config")]

MONGO_URI = os.environ.get("MONGO_URI", "mongodb://mongodb:27017/gvpocr")
NSQD_HOST = os.environ.get("NSQD_HOST", "nsqd")
NSQD_PORT = int(os.environ.get("NSQD_PORT", "4150"))
MCP_URL = os.environ.get("MCP_SERVER_URL", "ws://mcp-server:3003")
TOPIC = os.environ.get("NSQ_TOPIC", "enrichment")
CHANNEL = os.environ.get("NSQ_CHANNEL", "enrichment_worker")
LOG_LEVEL = os.environ.get("LOG_LEVEL", "INFO")
COMPLETENESS_THRESHOLD = 0.95
HANDLER_LIMIT_S = 300
# The lab runs faster than life: waits and time limits are multiplied by this, the numbers in the log are not.
TIME_SCALE = float(os.environ.get("LAB_TIME_SCALE", "0.05"))
MANNER = os.environ.get("LAB_MANNER", "true")  # mcp_client/client.py explains both
FIRST_DOCUMENT = os.environ.get("LAB_FIRST_DOCUMENT", "any")
