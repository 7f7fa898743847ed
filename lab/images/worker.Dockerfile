FROM rollback-gate-lab-base
WORKDIR /app
COPY enrichment_service /app/enrichment_service
# As the real one's, which passes whenever imports work. It is asked whether the module is there, and that once, while
# nothing comes into /app: an eighth of the processor time of all labs went into importing it every three seconds.
HEALTHCHECK --interval=3s --timeout=10s --retries=2 \
    CMD [ /tmp/healthy -nt /app ] || { python -c "import importlib.util as u; exit(u.find_spec('pymongo') is None)" && { touch /tmp/healthy || true; }; }
CMD ["python", "-u", "-m", "enrichment_service.workers.enrichment_worker"]
