{{/* The endpoint of a Bytewax process: /livez, /readyz, /metrics, /status. */}}

{{- define "ratings.health.port" -}}
3031
{{- end }}

{{- define "ratings.health.env" -}}
- {name: HEALTH_HOST, value: 0.0.0.0}
- {name: HEALTH_PORT, value: {{ include "ratings.health.port" . | quote }}}
{{- end }}

{{- define "ratings.health.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: health}
  {{- toYaml .Values.probes.startup | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: health}
  {{- toYaml .Values.probes.readiness | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: health}
  {{- toYaml .Values.probes.liveness | nindent 2 }}
{{- end }}
