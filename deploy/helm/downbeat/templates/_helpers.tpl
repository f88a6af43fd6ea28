{{- define "downbeat.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 52, so that -metrics, -tests and the like still fit. */}}
{{- define "downbeat.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "downbeat.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "downbeat.selectorLabels" -}}
app.kubernetes.io/name: {{ include "downbeat.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end -}}

{{/* Of everything that is not a node, so that no selector takes it for one. */}}
{{- define "downbeat.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "downbeat.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "downbeat.labels" -}}
{{ include "downbeat.commonLabels" . }}
app.kubernetes.io/component: node
{{- end -}}

{{- define "downbeat.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "downbeat.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "downbeat.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "downbeat.isEmbedded" -}}
{{- if eq .Values.redis.kind "none" }}yes{{ end -}}
{{- end -}}

{{/* What is wrong with the values together; the schema has seen each alone. */}}
{{- define "downbeat.check" -}}
{{- $v := .Values -}}
{{- if not (or $v.config.existingSecret $v.config.tenants $v.operatorKey.existingSecret) -}}
{{- fail "config.tenants: at least one is needed, or nobody could join: see values.yaml for an example (or config.existingSecret, or operatorKey to make tenants at run time)" -}}
{{- end -}}
{{- if and $v.operatorKey.existingSecret (ne $v.redis.kind "none") (not $v.secretKey.existingSecret) -}}
{{- fail "secretKey.existingSecret: operatorKey needs it where nodes share a Redis: it seals the tenants' secrets" -}}
{{- end -}}
{{- if and $v.secretKey.previous.existingSecret (not $v.secretKey.existingSecret) -}}
{{- fail "secretKey.existingSecret: secretKey.previous is there to replace one" -}}
{{- end -}}
{{- if and $v.config.existingSecret (or $v.config.tenants $v.config.settings $v.config.defaultTenant) -}}
{{- fail "config.existingSecret is the whole downbeat.toml: take config.tenants, config.defaultTenant and config.settings out" -}}
{{- end -}}
{{- if include "downbeat.isEmbedded" . -}}
{{- if or (ne (int $v.replicaCount) 1) $v.autoscaling.enabled -}}
{{- fail "redis.kind none is one node alone: set replicaCount to 1 and autoscaling.enabled to false, or name a Redis" -}}
{{- end -}}
{{- if not $v.persistence.existingClaim }}{{ include "downbeat.checkVolume" . }}{{ end -}}
{{- else if eq $v.redis.kind "url" -}}
{{- if not $v.redis.existingSecret }}{{ fail "redis.existingSecret: redis.kind url needs the Secret that holds the URL" }}{{ end -}}
{{- else if not $v.redis.hosts -}}
{{- fail "redis.hosts: at least one host:port is needed (or redis.kind none, for one node alone)" -}}
{{- end -}}
{{- if and (eq $v.redis.kind "standalone") (gt (len $v.redis.hosts) 1) -}}
{{- fail "redis.hosts: redis.kind standalone takes one; use sentinel or cluster for several" -}}
{{- end -}}
{{- if and (eq $v.redis.kind "cluster") (ne (int $v.redis.database) 0) -}}
{{- fail "redis.database: a Redis Cluster has no other than 0" -}}
{{- end -}}
{{- if and $v.redis.username (not $v.redis.existingSecret) -}}
{{- fail "redis.existingSecret: redis.username needs the Secret that holds the password" -}}
{{- end -}}
{{- if and $v.migration.enabled (not (or $v.migration.existingSecret $v.database.existingSecret)) -}}
{{- fail "migration.existingSecret: the migration needs the Secret that holds the database's URL" -}}
{{- end -}}
{{- if and (eq $v.preStop.mode "exec") (not $v.preStop.command) -}}
{{- fail "preStop.command: preStop.mode exec needs a command" -}}
{{- end -}}
{{- $least := add $v.preStop.seconds $v.drainSeconds 5 -}}
{{- if and $v.terminationGracePeriodSeconds (lt (int $v.terminationGracePeriodSeconds) (int $least)) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d would kill nodes in mid-drain: at least preStop + drain + 5 s = %d, or 0" (int $v.terminationGracePeriodSeconds) (int $least)) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (not (or $v.autoscaling.targetCPUUtilizationPercentage $v.autoscaling.targetConnections)) -}}
{{- fail "autoscaling: give targetCPUUtilizationPercentage, targetConnections, or both" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- fail "ingress.hosts: at least one is needed" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) -}}
{{- fail "gateway.parentRefs: name the Gateway" -}}
{{- end -}}
{{- end -}}

{{/* Helm cannot take over a volume that an uninstall, or a change to several nodes, has left. */}}
{{- define "downbeat.checkVolume" -}}
{{- $name := include "downbeat.fullname" . -}}
{{- if lookup "v1" "PersistentVolumeClaim" .Release.Namespace $name -}}
{{- $nodes := lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- if or .Release.IsInstall (and $nodes (ne $nodes.spec.strategy.type "Recreate")) -}}
{{- fail (printf "persistence.existingClaim: the volume of an earlier installation is there: set it to %s to go on with what is on it, or delete that claim" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The URL of Redis; passwords are put in by the kubelet, from variables. */}}
{{- define "downbeat.redisUrl" -}}
{{- $r := .Values.redis -}}
{{- $scheme := ternary "rediss" "redis" $r.tls -}}
{{- $query := list -}}
{{- if ne $r.kind "standalone" -}}
{{- $scheme = printf "redis-%s" $r.kind -}}
{{- if $r.tls }}{{ $query = append $query "tls=true" }}{{ end -}}
{{- end -}}
{{- if $r.prefix }}{{ $query = append $query (printf "prefix=%s" $r.prefix) }}{{ end -}}
{{- if ge (int $r.replicas) 0 }}{{ $query = append $query (printf "replicas=%d" (int $r.replicas)) }}{{ end -}}
{{- if eq $r.kind "sentinel" -}}
{{- if $r.sentinel.username }}{{ $query = append $query (printf "sentinel_username=%s" $r.sentinel.username) }}{{ end -}}
{{- if $r.sentinel.existingSecret }}{{ $query = append $query "sentinel_password=$(REDIS_SENTINEL_PASSWORD)" }}{{ end -}}
{{- end -}}
{{- $scheme }}://{{ if $r.existingSecret }}{{ $r.username }}:$(REDIS_PASSWORD)@{{ end }}{{ join "," $r.hosts }}
{{- if eq $r.kind "sentinel" }}/{{ $r.service }}{{ end }}
{{- if and (ne $r.kind "cluster") (or (eq $r.kind "sentinel") (int $r.database)) }}/{{ int $r.database }}{{ end }}
{{- if $query }}?{{ join "&" $query }}{{ end -}}
{{- end -}}

{{/* downbeat.toml. JSON's strings, numbers, truths and lists of strings are TOML's too. */}}
{{- define "downbeat.toml" -}}
{{- with .Values.config.defaultTenant }}
default_tenant = {{ toJson . }}
{{- end }}
{{- range $key, $value := .Values.config.settings }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- range .Values.config.tenants }}

[[tenants]]
id = {{ toJson .id }}
{{- if .existingSecret }}
jwt_secret_file = {{ printf "/etc/downbeat-secrets/%s" .id | toJson }}
{{- end }}
{{- range $key, $value := omit . "id" "existingSecret" "limits" }}
{{ $key }} = {{ if kindIs "map" $value }}{{ toJson (toJson $value) }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- with .limits }}
[tenants.limits]
{{- range $key, $value := . }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}
{{ end -}}

{{/* What is named, else a cluster's private networks where nobody but an ingress or a gateway comes to the Service. */}}
{{- define "downbeat.trustedProxies" -}}
{{- $v := .Values -}}
{{- if kindIs "slice" $v.trustedProxies -}}
{{- join "," $v.trustedProxies -}}
{{- else if and (eq $v.service.type "ClusterIP") (or $v.ingress.enabled $v.gateway.enabled) -}}
10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fd00::/8
{{- end -}}
{{- end -}}

{{- define "downbeat.preStop" -}}
{{- $p := .Values.preStop -}}
{{- $knowsSleep := semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
{{- if gt (int $p.seconds) 0 -}}
{{- if or (eq $p.mode "native") (and (eq $p.mode "auto") $knowsSleep) -}}
sleep:
  seconds: {{ int $p.seconds }}
{{- else if and (has $p.mode (list "auto" "exec")) $p.command -}}
exec:
  command: {{ toJson $p.command }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "downbeat.gracePeriod" -}}
{{- if .Values.terminationGracePeriodSeconds -}}
{{ int .Values.terminationGracePeriodSeconds }}
{{- else -}}
{{ add .Values.preStop.seconds .Values.drainSeconds 15 }}
{{- end -}}
{{- end -}}

{{- define "downbeat.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "downbeat.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "downbeat.caVolume" -}}
secret:
  secretName: {{ .Values.caBundle.existingSecret }}
  items:
    - key: {{ .Values.caBundle.key }}
      path: ca.crt
{{- end -}}

{{/* The tenant that `helm test` plays in, or nothing. */}}
{{- define "downbeat.testTenant" -}}
{{- $wanted := .Values.tests.tenant -}}
{{- $found := list -}}
{{- range .Values.config.tenants -}}
{{- if and .existingSecret (or (not $wanted) (eq .id $wanted)) (not .suspended) (has (default "HS256" .algorithm) (list "HS256")) -}}
{{- $found = append $found . -}}
{{- end -}}
{{- end -}}
{{- if $found }}{{ toJson (first $found) }}{{ end -}}
{{- end -}}
