{{- define "fairlead.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Call with (list . "controller"): what selects a component's pods. */ -}}
{{- define "fairlead.selector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ $top.Chart.Name }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "fairlead.labels" -}}
{{- $top := index . 0 -}}
{{ include "fairlead.selector" . }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "fairlead.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* HOST:PORT[,HOST:PORT...] of the API server; empty where nobody says. No program may need a Service to start. */ -}}
{{- define "fairlead.apiServer" -}}
{{- $found := list -}}
{{- if .Values.apiServer.endpoints -}}
{{- $found = .Values.apiServer.endpoints -}}
{{- else -}}
{{- $slice := lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes" -}}
{{- if $slice -}}
{{- $port := (first $slice.ports).port | int -}}
{{- range $slice.endpoints -}}
{{- range .addresses -}}
{{- $found = append $found (printf (ternary "[%s]:%d" "%s:%d" (contains ":" .)) . $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "," $found -}}
{{- end }}

{{- /* Where pools, advertisements, peers and what is written about them are in metallb.io mode; and of all that is neither a
user's nor the cluster's: Lease, status objects, passwords. */ -}}
{{- define "fairlead.objectsNamespace" -}}
{{- if eq .Values.apiGroup "metallb.io" }}{{ .Values.metallbNamespace }}{{ else }}{{ .Release.Namespace }}{{ end }}
{{- end }}

{{- define "fairlead.groupArguments" -}}
{{- if ne .Values.apiGroup "fairlead.io" }}
- --api-group={{ .Values.apiGroup }}
- --namespace={{ .Values.metallbNamespace }}
{{- end }}
{{- end }}
