FROM python:3.12-slim
WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY settings.py ./
COPY dataflows dataflows
COPY operators operators
COPY records records
COPY sinks sinks
COPY sources sources
# The job writes nothing beside its recovery store, and needs no rights.
USER 10001
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# No shell in between: SIGTERM reaches Python, which takes a last snapshot.
CMD ["python", "-m", "bytewax.run", "dataflows.ratings"]
