FROM rollback-gate-lab-base
WORKDIR /app
COPY enrichment_service /app/enrichment_service
HEALTHCHECK --interval=3s --timeout=10s --retries=2 CMD python -c "import pymongo"
CMD ["python", "-u", "-m", "enrichment_service.workers.enrichment_worker"]
