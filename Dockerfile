FROM python:3.12-slim
LABEL org.opencontainers.image.title="ratings-enrichment" \
      org.opencontainers.image.description="Flight ratings joined with customers from change data capture, on Kafka, in Python: a Bytewax dataflow" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# As process 1, Python ignores SIGTERM until it has set a handler; tini passes it on from the first moment.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
# Bytewax's Helm chart runs `sh -c "sh ./entrypoint.sh"`. bash replaces itself with that command. Debian's sh stays
# process 1 instead, and ignores SIGTERM.
RUN ln -s /bin/bash /usr/local/bin/sh
WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
# Everything that .dockerignore does not leave out.
COPY . .
# A checkout may be readable for its owner alone.
RUN chmod -R a+rX .
# A volume that is mounted here first is writable for every user, as the folder is.
RUN mkdir --mode=777 /recovery
# A flow writes nothing beside its recovery store, and needs no rights. A number, so that Kubernetes can see that it is not root.
USER 10001
# A dataflow of another folder, as waxctl brings it, finds the modules of this one by PYTHONPATH. Bytewax's web server and
# temporary files need a writable folder: /dev/shm is one also where the root file system is read-only.
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TMPDIR=/dev/shm BYTEWAX_DATAFLOW_API_CACHE_PATH=/dev/shm
# Docker's own check of a flow. Kubernetes does not read it: its probes ask the same address.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD exec python -m monitoring.probe http://127.0.0.1:${HEALTH_PORT:-3031}/livez
ENTRYPOINT ["tini", "--"]
# Other commands of the image: bytewax.run dataflows.notify, web, web.intake.
CMD ["python", "-m", "bytewax.run", "dataflows.ratings"]
