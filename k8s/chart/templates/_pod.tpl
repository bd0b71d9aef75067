{{/* What the pods of all components share. Each is given a dictionary: root; component; secretFiles, of that component. */}}

{{- define "ratings.metadata" -}}
labels:
  {{- include "ratings.labels" (list .root .component) | nindent 2 }}
annotations:
  # Another content makes other pods.
  checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "ratings.pod" -}}
serviceAccountName: {{ include "ratings.name" .root }}
automountServiceAccountToken: false
{{ include "ratings.pod.common" .root }}
{{- with include "ratings.volumes" . | trim }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ratings.volumes" -}}
{{- if .root.Values.alertRules }}
- name: rules
  configMap: {name: {{ include "ratings.name" .root }}-rules}
{{- end }}
{{- with include "ratings.secretFiles" . | fromYaml }}
- name: secrets
  projected:
    # For the group of the pod alone.
    defaultMode: 0440
    sources:
      {{- range $setting, $source := . }}
      - secret:
          name: {{ $source.secret }}
          items: [{key: {{ $source.key | quote }}, path: {{ $setting }}}]
      {{- end }}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of the root: that of the Job that restarts, too. */}}
{{- define "ratings.pod.common" -}}
# The variables that Kubernetes makes of a Service named kafka would look like settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "ratings.container" -}}
{{- $values := .root.Values -}}
image: {{ include "ratings.image" .root }}
imagePullPolicy: {{ $values.image.pullPolicy }}
securityContext: {{- include "ratings.locked" . | nindent 2 }}
envFrom:
  - configMapRef: {name: {{ include "ratings.name" .root }}}
  - secretRef: {name: {{ include "ratings.name" .root }}, optional: true}
  {{- range $values.secretEnv }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}

{{/* Variables. A setting of a Secret is a file, which SETTING_FILE names. */}}
{{- define "ratings.env" -}}
{{- if .root.Values.alertRules }}
- {name: ALERT_RULES, value: /rules/rules.toml}
{{- end }}
{{- range $setting, $source := include "ratings.secretFiles" . | fromYaml }}
- {name: {{ $setting }}_FILE, value: /secrets/{{ $setting }}}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ratings.mounts" -}}
{{- if .root.Values.alertRules }}
- {name: rules, mountPath: /rules, readOnly: true}
{{- end }}
{{- if include "ratings.secretFiles" . | fromYaml }}
- {name: secrets, mountPath: /secrets, readOnly: true}
{{- end }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "ratings.locked" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Those of all processes, and of the component. */}}
{{- define "ratings.secretFiles" -}}
{{ merge (dict) (.secretFiles | default dict) .root.Values.secretFiles | toYaml }}
{{- end }}
