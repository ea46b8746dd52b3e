package gate

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stiggate/gate"

// TestDependencies holds the walls: what each package may bring along beside the standard
// library, and why not more. What an app's go.sum grows by is a promise too.
func TestDependencies(t *testing.T) {
	t.Parallel()
	const (
		lru      = "github.com/hashicorp/golang-lru/v2"
		inside   = module + "/internal/"
		ledger   = inside + "ledger"
		upstream = inside + "upstream"
		header   = inside + "header"
		problem  = inside + "problem"
		delivery = inside + "delivery"
		swr      = inside + "swr"
		graceful = inside + "graceful"
		watch    = inside + "watch"
		rules    = inside + "rules"
		handler  = inside + "handler"
		valid    = inside + "valid"
		route    = inside + "route"
		exists   = inside + "existence"
		incident = inside + "incident"
		admits   = inside + "admission"
		callback = inside + "callback"
		options  = inside + "option"
		usage    = inside + "usage"
		settles  = inside + "settlement"
		shared   = module + "/fleet"
		replica  = inside + "fleet"
		outages  = inside + "outage"
		counters = inside + "counters"
		clock    = inside + "clock"
		identity = module + "/identity"
		recorder = module + "/recorder"
	)
	core := []string{lru, shared, replica, settles, ledger, upstream, header, problem, delivery, swr, incident, graceful, watch, rules, admits, handler, route, exists, valid, callback, options, usage, outages, counters, clock, recorder, module}
	with := func(more ...string) []string { return append(slices.Clone(core), more...) }
	walls := []struct {
		pkg, why string
		allowed  []string
	}{
		{ledger, "what counts money can be read and tested alone", nil},
		{upstream, "it is below both engines", nil},
		{header, "it knows fields, not denials", nil},
		{recorder, "it watches a writer, and bills nothing", nil},
		{graceful, "it ends servers in order, whatever they serve", nil},
		{route, "it compares keys and paths, and knows no guard", nil},
		{exists, "it keeps answers, and knows nothing that is asked", nil},
		{callback, "it calls functions, and knows none of them", []string{incident}},
		{options, "it checks values, and knows no configuration", nil},
		{incident, "it tells what lasts, and knows nothing that does", nil},
		{valid, "it says what Stigg takes, and knows no usage", nil},
		{handler, "it sees an answer, and bills nothing", []string{recorder}},
		{rules, "it is Stigg's decision table, and knows no policy", []string{ledger}},
		{admits, "it decides and holds, and knows no snapshot, queue or answer", []string{lru, ledger, rules, handler, recorder}},
		{clock, "it tells the time", nil},
		{counters, "it counts, and decides nothing", []string{incident}},
		{outages, "it says what is assumed, and knows no gate", []string{lru, admits, handler, ledger, recorder, rules, valid}},
		{watch, "it keeps a connection, and knows no cache", nil},
		{problem, "it writes what it is given, and decides nothing", []string{header}},
		{delivery, "it moves usage of any type, and tells the ledger", []string{ledger, upstream, incident}},
		{usage, "it knows what a usage is, and nobody who reports or keeps one", []string{delivery, ledger, upstream, valid, incident}},
		{settles, "it ends holds, and knows no request and no observer", []string{lru, admits, usage, delivery, ledger, upstream, valid, incident, handler, recorder, rules}},
		{swr, "it keeps values of any type, and knows no account", []string{lru, upstream, incident}},
		{shared, "a store needs no gate", nil},
		{shared + "/memory", "a store needs no gate", []string{shared}},
		{replica, "it keeps what a store is told, of whatever app", []string{shared, ledger}},
		{module, "every app links it", core},
		{identity, "it names customers, by what is verified elsewhere", with()},
		{module + "/nethttp", "an adapter translates", with()},
		{module + "/chistigg", "an adapter translates", with(module+"/nethttp", "github.com/go-chi/chi/v5")},
		{module + "/ginstigg", "gin brings much of its own; an adapter adds nothing", with(depsOf(t, "github.com/gin-gonic/gin")...)},
		{module + "/echostigg", "echo brings much of its own; an adapter adds nothing", with(depsOf(t, "github.com/labstack/echo/v4")...)},
		{inside + "declared", "it makes policies of what a document says, in whatever syntax", with()},
		{module + "/policyfile", "its parser is linked by those alone who want files", with(append(depsOf(t, "github.com/goccy/go-yaml"), inside+"declared")...)},
		{module + "/gatetest", "every app's tests link it", with()},
		{module + "/conformance", "it tests what is not ours", with(identity, shared, shared+"/memory", replica)},
		{module + "/status", "it shows what a gate tells, and asks nobody", with()},
		{module + "/webhook", "it needs no client", with()},
		{module + "/outbox", "bbolt is linked by those alone who want a disk", with(depsOf(t, "go.etcd.io/bbolt")...)},
	}
	for _, wall := range walls {
		for _, dep := range depsOf(t, wall.pkg) {
			own := dep == wall.pkg || strings.HasPrefix(dep, wall.pkg+"/internal/")
			if !own && !slices.ContainsFunc(wall.allowed, func(a string) bool { return dep == a || a == lru && strings.HasPrefix(dep, lru+"/") }) {
				t.Errorf("%s brings %s along; %s", wall.pkg, dep, wall.why)
			}
		}
	}
}

// depsOf is all that a package links beside the standard library, itself included.
func depsOf(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestTheEmulatorSharesNoCodeWithTheGate(t *testing.T) {
	t.Parallel()
	if slices.Contains(depsOf(t, module+"/emulator"), module) {
		t.Error("the emulator imports the gate")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
