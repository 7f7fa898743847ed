#!/bin/bash
# The team's own script (runbook, Quick Rollback, Option 1), for `invoke bench`: only the container's name is an argument.
set -e
WORKER=$1
docker stop "$WORKER" || true
sleep 5
BACKUP_FILE=$(ls -t enrichment_service/workers/agent_orchestrator.py.backup.* | head -1)
cp "$BACKUP_FILE" enrichment_service/workers/agent_orchestrator.py
rm -rf enrichment_service/errors/
rm -f enrichment_service/config/timeouts.py
docker-compose build enrichment-worker
docker-compose up -d enrichment-worker
sleep 10
docker ps | grep -q "$WORKER"
docker logs "$WORKER" 2>&1 | grep -i "error\|traceback" | head -5
