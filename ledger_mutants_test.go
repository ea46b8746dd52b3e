package gate

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a fault put into one file. The tests of the ledger and its accounts must
// find every one of them: a promise that can be broken unnoticed is not kept.
type mutant struct {
	name, file string
	text       string // stands in the file exactly once
	fault      string // stands in its place
}

const (
	roll     = "a.cur = &period{start: start, end: end, provisional: true}"
	newest   = "newest := begun > a.lastRead && begun > a.lastAck"
	arrives  = "\tp.arrive(used)\n\ta.lastAck = max(a.lastAck, tick)\n"
	closes   = "if b.pins.CompareAndSwap(0, bookClosed) {"
	correct  = "p.start, p.end, p.provisional, p.used = r.start, r.end, false, r.usage"
	tolerant = "\treturn sum-limit <= min(1e-3, 1e-9*max(math.Abs(sum), math.Abs(limit)))\n"
	total    = "s.unacked = max(s.unacked, w.total+w.later-s.used)"
	grown    = "f.doubt = min(f.amount, max(0, f.doubt+used-before-own))"
	gap      = "\ta.mu.Unlock()\n\ttime.Sleep(time.Microsecond)\n\ta.mu.Lock()\n"
)

var mutants = []mutant{
	{"a forgotten book is not closed", "ledger.go", closes, "if b.pins.Load() == 0 {"},
	{"a book that is needed is forgotten", "ledger.go", closes, "if b.pins.CompareAndSwap(0, bookClosed) || b.pins.CompareAndSwap(1, bookClosed) {"},
	{"a load does not pin", "ledger.go", "\tb.pins.Add(1)\n\treturn b\n", "\treturn b\n"},
	{"holds are carried over a roll", "account.go", roll, "a.cur = &period{start: start, end: end, provisional: true, standing: standing{held: p.held}, holds: p.holds}"},
	{"usage is carried over a roll", "account.go", roll, "a.cur = &period{start: start, end: end, provisional: true, standing: standing{used: p.used}}"},
	{"a roll keeps the period's numbers", "account.go", roll, "p.start, p.end = start, end"},
	{"every read counts as the newest", "account.go", newest, "newest := true"},
	{"reads are not ordered against acknowledgements", "account.go", newest, "newest := begun > a.lastRead"},
	{"reads are not ordered among each other", "account.go", newest, "newest := begun > a.lastAck"},
	{"a late read lowers", "account.go", "p.used = max(p.used, r.usage)", "p.used = r.usage"},
	{"a late read never raises", "account.go", "p.used = max(p.used, r.usage)", "p.used = max(p.used, 0)"},
	{"acknowledged usage stays unacked", "account.go", arrives, "\ta.lastAck = max(a.lastAck, tick)\n"},
	{"an acknowledgement takes two steps", "account.go", arrives, "\tp.arrive(used)\n" + gap + "\ta.lastAck = max(a.lastAck, tick)\n"},
	{"an acknowledgement is not ordered against reads", "account.go", arrives, "\tp.arrive(used)\n\t_ = tick\n"},
	{"older answers count as new", "account.go", "(at.IsZero() || at.After(a.ackedAt))", "true"},
	{"an answer lowers what a read raised", "account.go", "&& a.readAt < sent", "&& a.lastRead < sent"},
	{"an answer forgets those without a count", "account.go", " && a.addedAt < sent", ""},
	{"what was given back is taken off twice", "account.go", "if used < 0 && a.readAt > sent {", "if false {"},
	{"an answer of the period before brings it back", "account.go", "case over, !r.end.IsZero() && !r.end.After(p.start):", "case over:"},
	{"refused usage stays unacked", "account.go", "\twhere.leave().arrive(used)\n", "\twhere.leave()\n"},
	{"what is given back counts at once", "account.go", "\tif used > 0 {\n\t\tp.unacked += used", "\tif used != 0 {\n\t\tp.unacked += used"},
	{"held drifts", "account.go", "if p.holds--; p.holds == 0 {\n\t\tp.held = 0\n\t}", "p.holds--"},
	{"unacked drifts", "account.go", "if p.waits--; p.waits == 0 {\n\t\tp.unacked = 0\n\t}", "p.waits--"},
	{"a period is not corrected", "account.go", correct, "p.used = r.usage"},
	{"a period that goes on forgets what it holds", "account.go", "a.goesOn = a.goesOn || a.before != nil && r.start.Before(a.before.end)", "a.goesOn = false"},
	{"a correction drops holds", "account.go", correct, "a.cur = &period{start: r.start, end: r.end, standing: standing{used: r.usage}}"},
	{"usage made before the period counts in it", "account_late.go", "if !made.Before(a.cur.start) {", "if true {"},
	{"late usage stays in the period that it came to", "account_late.go", "\t\t\tp.wait(w.amount)\n", "\t\t\tw.period.arrive(w.amount)\n"},
	{"late usage is moved for good", "account_late.go", "\t\t\tw.period = p\n", ""},
	{"late usage stays behind when our clock rolls", "account.go", "a.flight.back = 0, 0\n\t\ta.move()\n", "a.flight.back = 0, 0\n"},
	{"late usage stays behind when Stigg rolls", "account.go", "a.before, a.goesOn = nil, false\n\t\ta.move()\n", "a.before, a.goesOn = nil, false\n"},
	{"late usage stays when a period is corrected", "account.go", "\t\tif begins {", "\t\tif begins && false {"},
	{"late usage loses its place", "account_late.go", "\tall[w.at].at = w.at\n", ""},
	{"a total adds", "account.go", total, "s.unacked += w.total"},
	{"a total counts only once acknowledged", "account.go", total, "_ = w"},
	{"what comes after a total is in it", "account_late.go", "w.later += max(0, amount)", "w.later += 0 * amount"},
	{"a total forgets what was learned since", "account_late.go", "case a.readAt < sent && a.addedAt < sent:", "case true:"},
	{"a total is not ordered against reads", "account_late.go", "\ta.lastAck = max(a.lastAck, tick)\n", "\t_ = tick\n"},
	{"an acknowledged total stays unacked", "account_late.go", "w.account.totals = slices.Delete(w.account.totals, i, i+1)", "_ = i"},
	{"events are taken out too early", "account_late.go", "return w.ripe != 0 && w.ripe < begun", "return w.ripe != 0"},
	{"events are taken out at once", "account_late.go", "return w.ripe != 0 && w.ripe < begun", "return w.ripe < begun"},
	{"events stay for ever", "account_late.go", "\t\t\tw.place.leave().arrive(w.amount)\n", "\t\t\t_ = w\n"},
	{"doubt outlives the flight", "account_doubt.go", "\tf.doubt = min(f.doubt, f.amount)\n", ""},
	{"what is in doubt is granted", "account_doubt.go", "return verdict{reason: ReasonPending}, f.landing", "return verdict{}, f.landing"},
	{"a higher count raises no doubt", "account_doubt.go", grown, "f.doubt = 0"},
	{"an answer doubts itself", "account_doubt.go", grown, "f.doubt = min(f.amount, max(0, f.doubt+used-before))"},
	{"an answer after the period forgets what waits", "account.go", "\tif a.cur != nil {\n\t\ta.roll(now, c)\n\t}\n", ""},
	{"doubt outlives the period", "account.go", "\t\ta.flight.doubt, a.flight.back = 0, 0\n", ""},
	{"a lower count raises no doubt", "account_doubt.go", "f.doubt = min(f.amount, max(0, used))", "f.doubt = 0"},
	{"admission takes two steps", "account.go", "\tif t.reason == \"\" && hold {", gap + "\tif t.reason == \"\" && hold {"},
	{"admission ignores what is held", "verdict.go", "fits(known+s.held+q.amount, e.Limit)", "fits(known+q.amount, e.Limit)"},
	{"admission ignores what is unacked", "verdict.go", "fits(known+s.held+q.amount, e.Limit)", "fits(s.used+s.held+q.amount, e.Limit)"},
	{"sums of fractions are compared exactly", "verdict.go", tolerant, "\treturn sum-limit <= math.Abs(0)\n"},
	{"large limits gain a unit", "verdict.go", tolerant, "\treturn sum-limit <= 1e-9*max(math.Abs(sum), math.Abs(limit))\n"},
}

const mutantGuard = "GATE_TEST_MUTANT"

var mutantCount = flag.Int("mutants", 15, "how many mutants are tried, chosen by chance; each costs seconds of compiling, so make soak tries all")

func TestMutantsOfTheLedgerDie(t *testing.T) {
	if os.Getenv(mutantGuard) != "" {
		return // this process is a mutant itself
	}
	if out, err := tested(t, mutant{file: "ledger.go"}); err != nil {
		t.Fatalf("the tests fail without a mutant, so no death would prove a thing: %v\n%s", err, out)
	}
	running := make(chan struct{}, 2)
	chosen := rand.Perm(len(mutants))
	for _, i := range chosen[:min(*mutantCount, len(chosen))] {
		m := mutants[i]
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			running <- struct{}{}
			defer func() { <-running }()
			out, err := tested(t, m)
			switch {
			case err == nil:
				t.Fatal("the mutant lives")
			case !strings.Contains(out, "--- FAIL: ") && !strings.Contains(out, "panic: "):
				t.Fatalf("the mutant was not tested: %v\n%s", err, out)
			}
		})
	}
}

// tested runs the ledger's tests on the package with the fault in it.
func tested(t *testing.T, m mutant) (string, error) {
	t.Helper()
	path, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	code := string(source)
	if m.text != "" {
		if n := strings.Count(code, m.text); n != 1 {
			t.Fatalf("%s has the text to replace %d times:\n%s", m.file, n, m.text)
		}
		code = strings.Replace(code, m.text, m.fault, 1)
	}
	dir := t.TempDir()
	mutated, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{mutated: []byte(code), overlay: list} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Compiled without optimization, since that is most of the time.
	run := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-gcflags=-N -l", "-ldflags=-s -w", "-run", "^(TestLedger|TestAccount)",
		"-count=1", "-vet=off", "-failfast", "-timeout=2m", ".", "-rapid.nofailfile", "-rapid.shrinktime=0s")
	run.Env = append(os.Environ(), mutantGuard+"=1")
	out, err := run.CombinedOutput()
	return string(out), err
}
