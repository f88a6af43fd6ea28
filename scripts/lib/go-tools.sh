# Tools and files that come from the Go module proxy, for scripts/deploy-check and scripts/kubernetes-check. Sourced by them,
# which have `say`, and `$out` for what is thrown away.
# shellcheck shell=bash disable=SC2154,SC2034

HELM=v3.22.0
GATEWAY_API=v1.2.1
PROMETHEUS_OPERATOR=v0.85.0
# The newest that is checked against; deploy/check/kubernetes/go.mod has the same.
KUBERNETES_NEWEST=1.37.2

# Where Go's own archive is unpacked.
command -v go >/dev/null 2>&1 || PATH=$PATH:/usr/local/go/bin
if ! command -v go >/dev/null 2>&1; then
    say "NOT CHECKED: Go is missing, which builds helm and the rest: install Go 1.26 or newer" >&2
    exit 1
fi

# Shared by the scripts, so that helm is built once.
tools="${DOWNBEAT_DEPLOY_TOOLS:-target/deploy-check}"
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)

# tool <name> <module> <version>: builds it unless it is there. Each version has a folder of its own, so that another version
# here is another tool.
tool() {
    local name=$1 module=$2 version=$3
    if [ ! -x "$tools/$name-$version/$name" ]; then
        say "building $module $version"
        GOBIN="$tools/$name-$version" GOFLAGS=-buildvcs=false nice go install "$module@$version" 2>"$out/go.log" || {
            cat "$out/go.log" >&2
            exit 1
        }
    fi
}

# module <module> <version>: where Go has put it.
module() { go mod download -json "$1@$2" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'; }
