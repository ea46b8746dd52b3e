package ledger

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
	fault      string // stands in its slot
}

const (
	roll     = "a.current = &period{start: start, end: end, provisional: true}"
	newest   = "newest := began > l.readBegan && began > l.ack"
	arrives  = "\tp.answered(used)\n\tl.ack = max(l.ack, tick)\n"
	closes   = "if b.pins.CompareAndSwap(0, bookClosed) {"
	correct  = "p.start, p.end, p.provisional, p.Used = r.Start, r.End, false, r.Used"
	tolerant = "\treturn sum-limit <= min(1e-3, 1e-9*max(math.Abs(sum), math.Abs(limit)))\n"
	total    = "b.Unacked = max(b.Unacked, r.total+r.after-b.Used)"
	grown    = "f.overlap = min(f.amount, max(0, f.overlap+used-before-own))"
	gap      = "\ta.mu.Unlock()\n\ttime.Sleep(time.Microsecond)\n\ta.mu.Lock()\n"
	admits   = "Fits(known+b.Held+q.Amount, l.Max)"
	moves    = "a.inFlight.overlap, a.inFlight.freed = 0, 0\n\t\ta.reassign()\n"
	opens    = "a.previous, a.reopened = nil, false\n\t\ta.reassign()\n"
	due      = "return d.due != 0 && d.due < began"
)

var mutants = []mutant{
	{"a forgotten book is not closed", "ledger.go", closes, "if b.pins.Load() == 0 {"},
	{"a book that is needed is forgotten", "ledger.go", closes, "if b.pins.CompareAndSwap(0, bookClosed) || b.pins.CompareAndSwap(1, bookClosed) {"},
	{"a load does not pin", "ledger.go", "\tb.pins.Add(1)\n\treturn b\n", "\treturn b\n"},
	{"holds are carried over a roll", "period.go", roll, "a.current = &period{start: start, end: end, provisional: true, Balance: Balance{Held: p.Held}, holds: p.holds}"},
	{"usage is carried over a roll", "period.go", roll, "a.current = &period{start: start, end: end, provisional: true, Balance: Balance{Used: p.Used}}"},
	{"a roll keeps the period's numbers", "period.go", roll, "p.start, p.end = start, end"},
	{"every read counts as the newest", "count.go", newest, "newest := true"},
	{"reads are not ordered against acknowledgements", "count.go", newest, "newest := began > l.readBegan"},
	{"reads are not ordered among each other", "count.go", newest, "newest := began > l.ack"},
	{"a late read lowers", "count.go", "p.Used = max(p.Used, r.Used)", "p.Used = r.Used"},
	{"a late read never raises", "count.go", "p.Used = max(p.Used, r.Used)", "p.Used = max(p.Used, 0)"},
	{"acknowledged usage stays unacked", "count.go", arrives, "\tl.ack = max(l.ack, tick)\n"},
	{"an acknowledgement takes two steps", "count.go", arrives, "\tp.answered(used)\n" + gap + "\tl.ack = max(l.ack, tick)\n"},
	{"an acknowledgement is not ordered against reads", "count.go", arrives, "\tp.answered(used)\n\t_ = tick\n"},
	{"older answers count as new", "count.go", "(at.IsZero() || at.After(l.stiggAck))", "true"},
	{"an answer lowers what a read raised", "count.go", "&& l.read < sent && l.added < sent\n\tadded", "&& l.readBegan < sent && l.added < sent\n\tadded"},
	{"an answer forgets those without a count", "count.go", " && l.added < sent\n\tadded", "\n\tadded"},
	{"what was given back is taken off twice", "count.go", "if used < 0 && a.learned.read > sent {", "if false {"},
	{"an answer of the period before brings it back", "count.go", "case over, !r.End.IsZero() && !r.End.After(p.start):", "case over:"},
	{"refused usage stays unacked", "count.go", "\twhere.leave().answered(used)\n", "\twhere.leave()\n"},
	{"what is given back counts at once", "account.go", "\th.period.wait(used)\n", "\th.period.Unacked += used\n\th.period.waits++\n"},
	{"held drifts", "period.go", "if p.holds--; p.holds == 0 {\n\t\tp.Held = 0\n\t}", "p.holds--"},
	{"unacked drifts", "period.go", "if p.waits--; p.waits == 0 {\n\t\tp.Unacked = 0\n\t}", "p.waits--"},
	{"a period is not corrected", "count.go", correct, "p.Used = r.Used"},
	{"a period that goes on forgets what it holds", "count.go", "a.reopened = a.reopened || a.previous != nil && r.Start.Before(a.previous.end)", "a.reopened = false"},
	{"a correction drops holds", "count.go", correct, "a.current = &period{start: r.Start, end: r.End, Balance: Balance{Used: r.Used}}"},
	{"usage made before the period counts in it", "period.go", "if !made.Before(a.current.start) {", "if true {"},
	{"late usage stays in the period that it came to", "period.go", "\t\t\tp.wait(r.amount)\n", "\t\t\tr.period.answered(r.amount)\n"},
	{"late usage is moved for good", "period.go", "\t\t\tr.period = p\n", ""},
	{"late usage stays behind when our clock rolls", "period.go", moves, "a.inFlight.overlap, a.inFlight.freed = 0, 0\n"},
	{"late usage stays behind when Stigg rolls", "count.go", opens, "a.previous, a.reopened = nil, false\n"},
	{"late usage stays when a period is corrected", "count.go", "\t\tif begins {", "\t\tif begins && false {"},
	{"late usage loses its place", "recorded.go", "\tall[r.at].at = r.at\n", ""},
	{"a total adds", "account.go", total, "b.Unacked += r.total"},
	{"a total counts only once acknowledged", "account.go", total, "_ = r"},
	{"what comes after a total is in it", "recorded.go", "r.after += max(0, amount)", "r.after += 0 * amount"},
	{"a total forgets what was learned since", "count.go", "case l.read < sent && l.added < sent:", "case true:"},
	{"a total is not ordered against reads", "count.go", "\tl.ack = max(l.ack, tick)\n\tl.ackAt, l.countAt", "\t_ = tick\n\tl.ackAt, l.countAt"},
	{"an acknowledged total stays unacked", "recorded.go", "r.account.totals = slices.Delete(r.account.totals, i, i+1)", "_ = i"},
	{"events are taken out too early", "delayed.go", due, "return d.due != 0"},
	{"events are taken out at once", "delayed.go", due, "return d.due < began"},
	{"events stay for ever", "delayed.go", "\t\t\td.slot.leave().answered(d.amount)\n", "\t\t\t_ = d\n"},
	{"doubt outlives the flight", "inflight.go", "\tf.overlap = min(f.overlap, f.amount)\n", ""},
	{"what is in doubt is granted", "inflight.go", "return Pending, f.changed", "return Granted, f.changed"},
	{"a higher count raises no doubt", "inflight.go", grown, "f.overlap = 0"},
	{"an answer doubts itself", "inflight.go", grown, "f.overlap = min(f.amount, max(0, f.overlap+used-before))"},
	{"an answer after the period forgets what waits", "count.go", "\tif a.current != nil {\n\t\ta.roll(now, c)\n\t}\n", ""},
	{"doubt outlives the period", "period.go", "\t\ta.inFlight.overlap, a.inFlight.freed = 0, 0\n", ""},
	{"a lower count raises no doubt", "inflight.go", "f.overlap = min(f.amount, max(0, used))", "f.overlap = 0"},
	{"admission takes two steps", "account.go", "\tif !r.Refuses() && hold {", gap + "\tif !r.Refuses() && hold {"},
	{"admission ignores what is held", "limit.go", admits, "Fits(known+q.Amount, l.Max)"},
	{"admission ignores what is unacked", "limit.go", admits, "Fits(b.Used+b.Held+q.Amount, l.Max)"},
	{"sums of fractions are compared exactly", "limit.go", tolerant, "\treturn sum-limit <= math.Abs(0)\n"},
	{"large limits gain a unit", "limit.go", tolerant, "\treturn sum-limit <= 1e-9*max(math.Abs(sum), math.Abs(limit))\n"},
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
	run := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-gcflags=-N -l", "-ldflags=-s -w", "-run", "^(TestLedger|TestAccount|TestFits)",
		"-count=1", "-vet=off", "-failfast", "-timeout=2m", ".", "-rapid.nofailfile", "-rapid.shrinktime=0s")
	run.Env = append(os.Environ(), mutantGuard+"=1")
	out, err := run.CombinedOutput()
	return string(out), err
}
