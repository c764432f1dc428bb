{{/* Name of the chart, cut to what a label may hold. */}}
{{- define "salus.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Full name: the release's, with the chart's name unless it is in there. */}}
{{- define "salus.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "salus.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "salus.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "salus.serviceAccountName" -}}
{{- default (ternary (include "salus.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* The user that the API server sees when the operator writes as itself. */}}
{{- define "salus.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "salus.serviceAccountName" . }}
{{- end }}

{{/* The tenants' account: the one that rules.yaml lets the operator impersonate. */}}
{{- define "salus.remediator" -}}
salus-remediator
{{- end }}

{{- define "salus.selectorLabels" -}}
app.kubernetes.io/name: {{ include "salus.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "salus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "salus.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Labels and annotations of an object. Called with (dict "root" $ "labels" {} "annotations" {}); its own win.
*/}}
{{- define "salus.meta" -}}
labels:
  {{- merge (dict) (.labels | default dict) (include "salus.labels" .root | fromYaml) | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The namespaces that are watched, as a list; empty with clusterWide. */}}
{{- define "salus.watched" -}}
{{- if not .Values.clusterWide }}
{{- $own := ternary (list .Release.Namespace) list .Values.watchOwnNamespace }}
{{- toYaml (concat .Values.watchNamespaces $own | uniq) }}
{{- else -}}
[]
{{- end }}
{{- end }}

{{/* The tenants, as a map: the namespace, and the role that its account gets. */}}
{{- define "salus.tenants" -}}
{{- $roles := dict }}
{{- range .Values.tenants }}
{{- $_ := set $roles . (include "salus.remediator" $) }}
{{- end }}
{{- range .Values.tenantsWithoutRollback }}
{{- $_ := set $roles . (printf "%s-scale-restart" (include "salus.remediator" $)) }}
{{- end }}
{{- toYaml $roles }}
{{- end }}

{{/* The operator's configuration: the values, and where its Lease is. */}}
{{- define "salus.config" -}}
{{- $lease := dict "namespace" .Release.Namespace "name" (include "salus.fullname" .) }}
{{- $election := merge (dict) $lease .Values.config.leaderElection }}
{{- toYaml (merge (dict "leaderElection" $election) (deepCopy .Values.config)) }}
{{- end }}

{{/* What the operator reads only when it starts: a change here needs new pods. */}}
{{- define "salus.startOnly" -}}
{{- $config := include "salus.config" . | fromYaml }}
{{- pick $config "cluster" "defaults" "releases" "leaderElection" "shards" | toYaml | sha256sum }}
{{- end }}

{{/* The registry of a parent chart takes the place of the image's own. */}}
{{- define "salus.image" -}}
{{- $repository := .Values.image.repository }}
{{- with (.Values.global | default dict).imageRegistry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") }}
{{- end }}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}
{{- printf "%s@%s" $repository . }}
{{- else }}
{{- printf "%s:%s" $repository $tag }}
{{- end }}
{{- end }}

{{/* Names of Secrets to pull with: the chart's own, and those of a parent chart, which come as names or as objects. */}}
{{- define "salus.imagePullSecrets" -}}
{{- $secrets := .Values.imagePullSecrets }}
{{- range (.Values.global | default dict).imagePullSecrets }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- toYaml ($secrets | uniq) }}
{{- end }}

{{/* Ports of the URLs of a map of sources, or of sinks. What a `urlFile` says nobody knows here. */}}
{{- define "salus.ports" -}}
{{- $ports := list }}
{{- range . }}
{{- if .url }}
{{- $url := urlParse .url }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- $ports = append $ports (int ($port | default (ternary "443" "80" (eq $url.scheme "https")))) }}
{{- end }}
{{- end }}
{{- toYaml ($ports | uniq) }}
{{- end }}

{{/*
Peers that may be asked or told: the given ones, or all but where clouds keep credentials: the link-local networks and
other addresses of their metadata services, the same as in operator/salus/endpoints/addresses.py.
*/}}
{{- define "salus.peers" -}}
{{- with . }}
{{- toYaml . }}
{{- else -}}
- namespaceSelector: {}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [169.254.0.0/16, 100.100.100.200/32, 168.63.129.16/32, 192.0.0.192/32]
- ipBlock:
    cidr: ::/0
    except:
      - fe80::/10
      - fd00:ec2::/32
      - fd20:ce::254/128
      - fd00:c1::a9fe:a9fe/128
      - fd00:42::42/128
      - fd00:a9fe:a9fe::1/128
      - fd00:100::100:200/128
{{- end }}
{{- end }}

{{/*
Numbers and switches where text is meant, text where a list is: YAML reads `42`, and `--set tenants=shop`, so. The schema
lets them through, since it could not say what to do. Which values are which is made from it (files/kinds.yaml). Every
template begins with this, or it might stumble over them first.
*/}}
{{- define "salus.checkKinds" -}}
{{- $kinds := .Files.Get "files/kinds.yaml" | fromYaml }}
{{- range $kind, $paths := $kinds }}
{{- range $paths }}
{{- include "salus.checkKind" (dict "kind" $kind "path" (splitList "." .) "value" $.Values "name" "") }}
{{- end }}
{{- end }}
{{- end }}

{{/* One path of them, from a value on; `*` is every name, and every place in a list. */}}
{{- define "salus.checkKind" -}}
{{- $kind := kindOf .value }}
{{- if not .path }}
{{- $number := has $kind (list "float64" "int" "int64") }}
{{- if and (eq .kind "durations") (or $number (eq $kind "bool")) }}
{{- fail (printf "%s: %v is no duration, such as 30s or 5m" .name .value) }}
{{- else if and (eq .kind "texts") (or $number (eq $kind "bool")) }}
{{- fail (printf "%s: %v is a %s, and text is meant: quote it as you wrote it, or use --set-string" .name .value (ternary "switch" "number" (eq $kind "bool"))) }}
{{- else if and (eq .kind "lists") (eq $kind "string") }}
{{- fail (printf "%s: %q is text, and a list is meant: [%s], or --set '%s={%s}'" .name .value .value .name .value) }}
{{- end }}
{{- else if or (eq $kind "map") (eq $kind "slice") }}
{{- $head := first .path }}
{{- range $key, $value := .value }}
{{- if or (eq $head "*") (eq $head (toString $key)) }}
{{- $name := ternary (printf "%s[%v]" $.name $key) (printf "%s.%v" $.name $key | trimPrefix ".") (eq $kind "slice") }}
{{- include "salus.checkKind" (dict "kind" $.kind "path" (rest $.path) "value" $value "name" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What cannot be right together, said before anything is installed. */}}
{{- define "salus.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.config.leaderElection.enabled) }}
{{- fail "replicas: more than one needs config.leaderElection.enabled, or two would act" }}
{{- end }}
{{- if and .Values.clusterWide .Values.watchNamespaces }}
{{- fail "watchNamespaces: leave it empty with clusterWide, which watches all" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics: enable serviceMonitor or podMonitor; with both each replica is scraped twice" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor: it scrapes the Service, so it needs metrics.service.enabled" }}
{{- end }}
{{- range .Values.tenantsWithoutRollback }}
{{- if has . $.Values.tenants }}
{{- fail (printf "tenantsWithoutRollback: %q is among tenants too, which lets Salus roll back there" .) }}
{{- end }}
{{- end }}
{{- include "salus.checkOwnNamespace" . }}
{{- range $kind := list "sources" "sinks" }}
{{- range $name, $endpoint := index $.Values.config $kind }}
{{- if and $endpoint.urlFile $.Values.networkPolicy.enabled (not (index $.Values.networkPolicy $kind).ports) }}
{{- fail (printf "networkPolicy.%s.ports: config.%s.%s has its URL in a file, so say the ports of all %s here" $kind $kind $name $kind) }}
{{- end }}
{{- end }}
{{- end }}
{{- if not .Values.clusterWide }}
{{- $watched := include "salus.watched" . | fromYamlArray }}
{{- if not $watched }}
{{- fail "watchNamespaces: name the namespaces to watch (--set 'watchNamespaces={shop}'), or set clusterWide=true for all" }}
{{- end }}
{{- range $namespace, $_ := include "salus.tenants" . | fromYaml }}
{{- if not (has $namespace $watched) }}
{{- fail (printf "tenants: %q is not watched; watchNamespaces is %s" $namespace (join ", " $watched)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Salus among its tenants: whoever edits there is Salus. */}}
{{- define "salus.checkOwnNamespace" -}}
{{- if not .Values.watchOwnNamespace }}
{{- $own := .Release.Namespace }}
{{- $named := dict "watchNamespaces" .Values.watchNamespaces "tenants" .Values.tenants }}
{{- range $value, $namespaces := set $named "tenantsWithoutRollback" .Values.tenantsWithoutRollback }}
{{- if has $own $namespaces }}
{{- fail (printf "%s: %q is the namespace of Salus itself, and whoever has Kubernetes' role edit there may act as Salus' account, make its tokens and hold its Lease; install it in a namespace of its own (-n salus-system), or set watchOwnNamespace=true where nobody but administrators of the cluster edits" $value $own) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The objects of a file as a list, with the chart's labels, and the operator's own user in place of the one that the file
names. Called with (dict "root" $ "file" "files/….yaml"); a file that is not there holds nothing.
*/}}
{{- define "salus.manifests" -}}
{{- $text := .root.Files.Get .file | replace "system:serviceaccount:salus-system:salus" (include "salus.user" .root) }}
{{- $objects := list }}
{{- range $document := regexSplit "(?m)^---\\s*$" $text -1 }}
{{- with fromYaml $document }}
{{- $own := dict "labels" (.metadata.labels | default dict) "annotations" (.metadata.annotations | default dict) }}
{{- $meta := include "salus.meta" (merge (dict "root" $.root) $own) | fromYaml }}
{{- $objects = append $objects (merge (dict "metadata" (merge $meta .metadata)) .) }}
{{- end }}
{{- end }}
{{- toYaml $objects }}
{{- end }}
