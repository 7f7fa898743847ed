FROM rollback-gate-lab-base
WORKDIR /app
COPY enrichment_service /app/enrichment_service
# As the real one, `python -c "import pymongo"`; once it has passed, not again while nothing comes into /app: an eighth
# of the processor time of all labs went there.
HEALTHCHECK --interval=3s --timeout=10s --retries=2 \
    CMD [ /tmp/healthy -nt /app ] || { python -c "import pymongo" && { touch /tmp/healthy || true; }; }
CMD ["python", "-u", "-m", "enrichment_service.workers.enrichment_worker"]
