FROM python:3.12-slim
WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
# Everything that .dockerignore does not leave out.
COPY . .
# A checkout may be readable for its owner alone.
RUN chmod -R a+rX .
# The job writes nothing beside its recovery store, and needs no rights.
USER 10001
# With BYTEWAX_DATAFLOW_API_ENABLED Bytewax writes a file, by default beside the code: /dev/shm is writable also where the
# root file system is not.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BYTEWAX_DATAFLOW_API_CACHE_PATH=/dev/shm
# No shell in between: SIGTERM reaches Python, which takes a last snapshot.
CMD ["python", "-m", "bytewax.run", "dataflows.ratings"]
