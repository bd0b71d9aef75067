{{/* The release's name, with which every name begins. */}}
{{- define "ratings.name" -}}
{{- /* A StatefulSet's pods have a label of its name and 11 characters more; a label has 63 at most. */}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$" .Release.Name) }}
{{- fail (printf "the release's name is %q, but it must begin with a letter, hold lower-case letters, digits and - only, and have 52 characters at most" .Release.Name) }}
{{- end }}
{{- .Release.Name }}
{{- end }}

{{/* What tells the pods of a component from all others. Of a list: the root, and the component. */}}
{{- define "ratings.labels" -}}
app.kubernetes.io/name: ratings-enrichment
app.kubernetes.io/instance: {{ include "ratings.name" (first .) }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- define "ratings.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* A value as text. Helm reads numbers as floats, and would write 67108864 as 6.7108864e+07. */}}
{{- define "ratings.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* The host of a process of the flow. Of a list: the root, and the process. */}}
{{- define "ratings.host" -}}
{{- $root := first . }}
{{- $name := include "ratings.name" $root }}
{{- $name }}-{{ last . }}.{{ $name }}
{{- with $root.Values.clusterDomain }}.{{ $root.Release.Namespace }}.svc.{{ . }}{{ end }}
{{- end }}
