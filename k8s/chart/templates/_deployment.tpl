{{/*
A component that is no part of the cluster: its Deployment, and a Service of its only port.
Of a dictionary: root; component; secretFiles; replicas; strategy; graceSeconds; args, a command with its arguments; port, by name
and number; env and probes, as text; resources.
*/}}
{{- define "ratings.deployment" -}}
{{- $name := printf "%s-%s" (include "ratings.name" .root) .component -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "ratings.labels" (list .root .component) | nindent 4 }}
spec:
  selector:
    {{- include "ratings.labels" (list .root .component) | nindent 4 }}
  ports:
    - {name: {{ .port.name }}, port: {{ .port.number }}, targetPort: {{ .port.name }}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "ratings.labels" (list .root .component) | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  strategy: {type: {{ .strategy }}}
  selector:
    matchLabels:
      {{- include "ratings.labels" (list .root .component) | nindent 6 }}
  template:
    metadata:
      {{- include "ratings.metadata" . | nindent 6 }}
    spec:
      {{- include "ratings.pod" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ .graceSeconds }}
      containers:
        - name: {{ .component }}
          {{- include "ratings.container" . | nindent 10 }}
          args: {{ toJson .args }}
          env:
            {{- .env | nindent 12 }}
            {{- with include "ratings.env" . | trim }}{{ . | nindent 12 }}{{ end }}
          ports:
            - {name: {{ .port.name }}, containerPort: {{ .port.number }}}
          {{- .probes | nindent 10 }}
          resources: {{- toYaml .resources | nindent 12 }}
          {{- with include "ratings.mounts" . | trim }}
          volumeMounts:
            {{- . | nindent 12 }}
          {{- end }}
{{- end }}
