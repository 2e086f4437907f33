FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /venv
COPY pyproject.toml constraints.txt hatch_build.py README.md LICENSE ./
COPY achievements achievements
COPY engagement engagement
COPY web web
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt '.[analytics]'

FROM python:3.13-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["engagement"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
