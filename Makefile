# The two commands: `make test` passes everything a change must pass, on a machine
# with Go alone (a C compiler, a browser and Redis are installed if missing); `make lint` runs the linters, at a pinned version.

GO ?= go
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: all test format vet generated cc chromium redis postgres race sequential beside handlers stores contrib contrib-race newest examples browser official lint bench bench-diff bench-packages bench-quick fuzz soak

all: test lint

test: format vet generated race beside

format:
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "gofmt would change:"; echo "$$out"; exit 1; }

vet:
	$(GO) mod tidy -diff
	$(GO) vet ./...

# Regenerating must change nothing.
generated:
	@old=$$(mktemp -d) && cp client/gql/*.go $$old && $(GO) generate ./client && \
	{ diff -r $$old client/gql >/dev/null || { echo "client/gql was out of date; it is regenerated now, commit it"; exit 1; }; } && rm -r $$old

# The race detector needs a C compiler: the one thing beyond Go.
cc:
	@command -v $${CC:-cc} >/dev/null || { apt-get update && apt-get install -y gcc libc6-dev; }

# What one goroutine does, or another process: the race detector finds nothing there, and takes ten times as long.
# And what tries thousands of schedules, or customers: other tests have the same goroutines, and soak has these with the detector, and
# the command, too.
SEQUENTIAL = LedgerSimulation|LedgerInEverySchedule|LedgerKeepsEveryPromise|MutantsOfTheLedger|NoInputOfAMutation|AHugeFrame|AgreeOnCredits|AsksForTooMuchIsStopped|ASetStaysAsItIs|CurrentUsageIsTheSum|WhatCrossesIsDecidedWithin|MadeUpCustomersKeepNobodyOut|MemoryOfAnEntitlement|AMillionChecks|AStartWithAGreatBacklog
race: cc
	$(GO) test -race -vet=off -shuffle=on -timeout 8m -skip '$(SEQUENTIAL)' $$($(GO) list ./... | grep -v -e /docs$$ -e /cmd/stigg$$)

sequential:
	$(GO) test -vet=off -shuffle=on ./docs ./cmd/stigg
	$(GO) test -vet=off -shuffle=on -run '$(SEQUENTIAL)' . ./drill ./emulator ./internal/ledger

# Much of it waits for servers, browsers and downloads: two at a time, once everything is installed.
beside: redis postgres chromium
	$(MAKE) -j 2 sequential stores browser newest examples handlers

# Each directory of contrib is a module of its own: those bring much along. make test has those
# that stand in front of HTTP handlers; all of them, and their race detector, are soak's, since what
# gRPC, Connect, OpenTelemetry, Prometheus and fiber bring takes minutes to compile.
MODULES = $(sort $(dir $(wildcard contrib/*/go.mod contrib/*/*/go.mod)))
HANDLERS = contrib/echov5/ contrib/identity/
test-module = echo "$$dir"; ( cd $$dir && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -vet=off -shuffle=on ./... ) || exit 1

handlers:
	@for dir in $(HANDLERS); do $(test-module); done

# The stores of a fleet, against servers that the tests start.
redis:
	@command -v redis-server >/dev/null || { apt-get update && apt-get install -y --no-install-recommends redis-server; }

postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { apt-get update && apt-get install -y --no-install-recommends postgresql; }

# The mutants of the script, half a minute of them, are contrib's and soak's. Much of the rest waits for
# servers that are killed and start again, beside each other.
STORES = contrib/redisgate/ contrib/postgresgate/
stores: redis postgres
	@for dir in $(STORES); do echo "$$dir"; ( cd $$dir && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -vet=off -shuffle=on -parallel 4 -skip MutantsOfTheScript ./... ) || exit 1; done

contrib: redis postgres bench-quick
	@for dir in $(MODULES); do $(test-module); done

contrib-race: cc redis postgres
	@for dir in $(MODULES); do echo "$$dir"; ( cd $$dir && $(GO) test -race -shuffle=on ./... ) || exit 1; done

# go.mod's versions are floors: the lowest without an advisory. Everything else is tested
# at them; this tests the adapters with the newest routers, and leaves go.mod as it is.
ADAPTERS = ./nethttp ./chistigg ./ginstigg ./echostigg
newest:
	@dir=$$(mktemp -d) && cp go.mod go.sum $$dir && \
	$(GO) get -modfile=$$dir/go.mod github.com/go-chi/chi/v5@latest github.com/gin-gonic/gin@latest github.com/labstack/echo/v4@latest && \
	$(GO) test -modfile=$$dir/go.mod -vet=off -short $(ADAPTERS) && rm -r $$dir

# What the README tells a newcomer to run. (Its tests take the tour on all four routers.) And the
# examples that are modules of their own, for Prometheus and for Redis; the tour of the latter is soak's.
examples: redis
	$(GO) run ./examples/quickstart -once
	@for dir in examples/tenants/ examples/fleet/; do $(test-module); done

# examples/saas, examples/fleet and the emulator's console, in a real browser. Pictures of every page
# are left in examples/browser/screenshots.
chromium:
	@command -v chromium >/dev/null || { apt-get update && apt-get install -y chromium; }

browser: chromium redis
	cd examples/browser && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -vet=off -count=1 ./...

lint:
	$(GO) run $(GOLANGCI_LINT) run ./...

# Gate beside its peers, in under ten minutes: prints a table, and writes bench/RESULTS.md, its plots and docs/performance.md. See bench/main.go
# for one suite alone. The benchmarks of the packages are bench-packages.
bench:
	cd bench && $(GO) run . -doc ../docs/performance.md

# What got slower, or takes more allocations, than in the commit BASE, by the ratio of runs in turns: the
# packages' benchmarks and two suites of bench. It fails for no time; go run ./diff -h has what to choose.
BASE ?= main
bench-diff:
	cd bench && $(GO) run ./diff -base $(BASE)

bench-packages:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# That all of bench runs, with tiny sizes: contrib's and soak's, since the peers take minutes to compile.
bench-quick:
	@dir=bench/; $(test-module)

# Stigg's own clients, as npm serves them, against the emulator: its Node SDKs, its JS SDK, and its
# React widgets in Chromium. The lockfile names no host: npm asks the registry that it is set to.
official: chromium
	@command -v npm >/dev/null || { apt-get update && apt-get install -y nodejs npm; }
	cd emulator/official && ! grep -n '://' package-lock.json && npm ci && npm test

# The drills of ./drill for longer: so many kills, so long a chaos; and of the outbox, whose
# every kill is followed by reading all that it ever kept. And of the ledger: so many random
# schedules, of which make test tries fewer, and every schedule of the small world.
KILLS ?= 1000
OUTBOX_KILLS ?= 200
PHASE ?= 20s
BACKLOG ?= 1000000
SEEDS ?= 100000
SCHEDULES ?= 500
KILLTIME ?= 3m
soak: cc contrib contrib-race official
	$(GO) run -C examples/fleet . -once
	$(GO) test -v -run 'Simulation|EverySchedule' -timeout 2h ./internal/ledger -args -seeds $(SEEDS) -every
	$(GO) test -race -run '$(SEQUENTIAL)' -timeout 2h . ./emulator
	$(GO) test -race ./cmd/stigg
	$(GO) test -race -v -timeout 2h ./drill -args -kills $(KILLS) -phase $(PHASE) -backlog $(BACKLOG)
	$(GO) test -race -timeout 2h ./outbox -args -long -kills $(OUTBOX_KILLS)
	cd contrib/postgresgate && $(GO) test -race -v -run 'Kills|TwoProcesses' -timeout 2h . -args -kills $(OUTBOX_KILLS)
	cd contrib/redisgate && $(GO) test -v -run 'Fleet|Answers' -timeout 2h . -args -schedules $(SCHEDULES)
	cd contrib/redisgate && $(GO) test -race -v -run Killed -timeout 2h . -args -outbox-kills $(OUTBOX_KILLS)
	cd contrib/redisgate && $(GO) test -v -run 'UnderLoad' -timeout 2h . -args -killtime $(KILLTIME)
	$(GO) test -v -run FleetInMemory -timeout 2h ./conformance -args -schedules $(SCHEDULES)
	for os in windows darwin freebsd; do GOOS=$$os CGO_ENABLED=0 $(GO) vet ./outbox || exit 1; done

# Each fuzz test for FUZZTIME.
FUZZTIME ?= 30s
fuzz:
	$(GO) test -run '^$$' -fuzz FuzzCustomerIDs -fuzztime $(FUZZTIME) .
	$(GO) test -run '^$$' -fuzz FuzzResolvers -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .
	$(GO) test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME) ./client
	$(GO) test -run '^$$' -fuzz FuzzDecodeRecord -fuzztime $(FUZZTIME) ./outbox
	$(GO) test -run '^$$' -fuzz FuzzParseGroup -fuzztime $(FUZZTIME) ./outbox
	$(GO) test -run '^$$' -fuzz FuzzRealtime -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./client
	$(GO) test -run '^$$' -fuzz FuzzWebhook -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./webhook
	$(GO) test -run '^$$' -fuzz FuzzGraphQL -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./emulator
