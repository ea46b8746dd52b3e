package ledger

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a fault put into one line. The tests of the ledger must find every one of them:
// a promise that can be broken unnoticed is not kept. All are compiled into one binary, and
// each run of it has one fault.
type mutant struct {
	name, file string
	kind       mutation
	text       string // stands in the file exactly once
	fault      string // stands in its place
}

// mutation says what the text of a mutant is.
type mutation int

const (
	statements mutation = iota
	condition           // evaluated only where it counts
	value
)

const (
	later     = "p.hi < o.lo || o.hi >= p.lo && p.stamp.before(o.stamp)"
	inIt      = "u.last < o.lo || u.last == o.hi && u.first == o.lo && !u.later || u.first <= o.hi && u.stamp.before(o.stamp)"
	notInIt   = "o.hi < u.first || u.stamp.batch != 0 && u.stamp.batch == o.stamp.batch && u.stamp.place > o.stamp.place"
	surelyNot = "o.lacks(u) && !u.maybe && (u.amount > 0 || !u.later)"
	perhaps   = "\t\to.used += max(0, u.amount)\n"
	adds      = "\to.used += a.used\n\t\t\to.doubt(a.used+a.freed, a.last)\n"
	opened    = "newPeriod(start, end, true)\n\tfor i, q"
	unlocked  = "\ta.mu.Unlock()\n\ttime.Sleep(time.Microsecond)\n\ta.mu.Lock()\n"
	admits    = "Fits(known+b.Held+q.Amount, l.Max)"
	tolerant  = "sum-limit <= min(1e-3, 1e-9*max(math.Abs(sum), math.Abs(limit)))"
	totals    = "b.Unacked = max(b.Unacked, r.total.with(a.mayCount)-b.Used)"
	observes  = "\t\ta.observeIn(a.current, observation{lo: b.lo, hi: b.hi, used: c.used})\n"
	tells     = "\t\tc.account.Store(a)\n"
	made      = observes + "\t\ta.mu.Unlock()\n" + tells
	closes    = "b.pins.CompareAndSwap(0, bookClosed)"
)

var mutants = []mutant{
	{"what is left is all that the limit gives", "limit.go", value, "q.Limit.Max - b.Known() - q.Unpriced - b.Held", "q.Limit.Max - b.Known() - q.Unpriced"},
	{"what is left may be less than the least", "limit.go", value, "max(q.Least, min(q.Amount, left))", "min(q.Amount, left)"},
	{"what is given back stays held", "account.go", statements, "\th.period.held -= h.amount - amount\n", ""},
	{"what is joined is two", "account.go", statements, "\th.period.holds--\n", ""},
	{"what is joined is lost", "account.go", statements, "\th.amount += o.amount\n", ""},
	{"what arrives later is later", "observation.go", condition, later, "p.hi < o.hi"},
	{"our own order is not heeded", "observation.go", condition, later, "o.hi >= p.lo && p.stamp.before(o.stamp)"},
	{"Stigg's times are not heeded", "observation.go", condition, later, "p.hi < o.lo"},
	{"Stigg's times come before our own order", "observation.go", condition, later, "p.hi < o.lo || p.stamp.before(o.stamp)"},
	{"all of a batch is later than all", "observation.go", condition, "s.place <= t.place", "true"},
	{"a batch has no order", "observation.go", condition, "s.batch != 0 && s.batch == t.batch {\n\t\treturn", "false {\n\t\treturn"},
	{"Stigg's clocks agree", "observation.go", condition, "s.to+Margin.Milliseconds() < t.from", "s.to < t.from"},
	{"what was acknowledged during a read is in it", "observation.go", condition, inIt, "u.last <= o.hi"},
	{"nothing is in a count", "observation.go", condition, inIt, "false"},
	{"an answer does not have its own usage", "observation.go", condition, inIt, "u.last < o.lo || u.first <= o.hi && u.stamp.before(o.stamp)"},
	{"nothing is surely not in a count", "observation.go", condition, notInIt, "false"},
	{"what left during a read is not in it", "observation.go", condition, notInIt, "o.lo < u.first"},
	{"what comes later in a batch may be in a count", "observation.go", condition, notInIt, "o.hi < u.first"},
	{"what was refused after a lost answer is counted for sure", "observation.go", condition, surelyNot, "o.lacks(u) && (u.amount > 0 || !u.later)"},
	{"what gives back counts before Stigg counts it", "observation.go", condition, surelyNot, "o.lacks(u) && !u.maybe"},
	{"what is perhaps in a count is not added", "observation.go", statements, perhaps, ""},
	{"what is perhaps given back is taken off", "observation.go", statements, perhaps, "\t\to.used += u.amount\n"},
	{"what is perhaps in a count is sure", "observation.go", statements, "\t\to.doubt(max(u.amount, -u.amount), u.last)\n", ""},
	{"more is given back than is used, for sure", "observation.go", condition, "o.used < floor", "false"},
	{"what is merged is as low as the lower", "observation.go", value, "max(o.used, p.used)", "min(o.used, p.used)"},
	{"what is merged is as sure as the higher", "observation.go", value, "m.used-least", "0"},
	{"what is merged is as new as the newer", "observation.go", value, "lo: min(o.lo, p.lo)", "lo: max(o.lo, p.lo)"},
	{"the last of several counts", "observation.go", value, "max(used, f[i].used)", "f[i].used"},
	{"two counts need no read", "observation.go", condition, "len(f) > 1 {\n\t\treturn true", "false {\n\t\treturn true"},
	{"a read tells of what is not counted yet", "observation.go", condition, "o.settled < now || o.due+Tick(time.Second) < now", "true"},
	{"what is surely older is kept", "observation.go", condition, "f[i].after(&o)", "false"},
	{"nothing is replaced", "observation.go", condition, "!o.after(&f[i])", "true"},
	{"all is replaced", "observation.go", condition, "!o.after(&f[i])", "false"},

	{"sums are as old as the older", "history.go", value, "max(a.last, b.last)", "min(a.last, b.last)"},
	{"all that was acknowledged is in the next count", "history.go", condition, "a.last < o.lo || a.first", "true || a.first"},
	{"nothing that was acknowledged is in the next count", "history.go", condition, "a.last < o.lo || a.first", "false || a.first"},
	{"the next count lacks nothing", "history.go", statements, adds, ""},
	{"what the next count may lack is sure", "history.go", statements, adds, "\to.used += a.used\n"},
	{"what the next count may lack is not added", "history.go", statements, adds, "\to.doubt(a.used+a.freed, a.last)\n"},
	{"what is in all is kept", "history.go", condition, "!h[i].in(&f[j])", "true"},
	{"what has left is one sum", "history.go", condition, "d[i].first <= observed", "false"},
	{"what has arrived is on its way", "history.go", statements, "\t\t\ts.used -= max(0, amount)\n", ""},
	{"what has arrived is given back", "history.go", statements, "\t\t\ts.freed -= max(0, -amount)\n", ""},
	{"what left after a count is perhaps in it", "history.go", condition, "d[i].first <= hi", "true"},
	{"what has left is in no count", "history.go", condition, "d[i].first <= hi", "false"},

	{"held drifts", "period.go", statements, "\tif p.holds--; p.holds == 0 {\n\t\tp.held = 0\n\t}\n", "\tp.holds--\n"},
	{"what gives back does not wait", "period.go", condition, "amount != 0 {\n\t\tp.unacked", "amount > 0 {\n\t\tp.unacked"},
	{"unacked drifts", "period.go", statements, "\tif p.waits--; p.waits == 0 {\n\t\tp.unacked = 0\n\t}\n", "\tp.waits--\n"},
	{"what is used is carried over", "period.go", value, opened, "&period{start: start, end: end, provisional: true, frontier: p.frontier}\n\tfor i, q"},
	{"holds are carried over", "period.go", value, opened, "&period{start: start, end: end, provisional: true, frontier: make(frontier, 1), held: p.held, holds: p.holds}\n\tfor i, q"},
	{"a clock that was ahead leaves its period", "period.go", condition, "p.provisional && now.Before(p.start)", "false"},
	{"a clock that was ahead is not undone by Stigg", "period.go", condition, "p.provisional && a.previous() != nil && r.Start.Before(a.previous().end)", "false"},
	{"an answer of the period before brings it back", "period.go", condition, "!r.End.IsZero() && !r.End.After(p.start)", "false"},
	{"a period that is over is the present one", "period.go", condition, "!r.End.IsZero() && !now.Before(r.End)", "false"},
	{"usage stays where it was when a period is corrected", "period.go", condition, "begins {\n\t\ta.reassign()", "false {\n\t\ta.reassign()"},
	{"a late count moves the period", "period.go", condition, "len(p.frontier) == 1 && stands && p == a.current", "p == a.current"},
	{"a count forgets what was acknowledged without one", "period.go", statements, "\tp.acknowledged.addTo(&o)\n", ""},
	{"a count takes two steps", "period.go", statements, "\tp.acknowledged.addTo(&o)\n", "\tp.acknowledged.addTo(&o)\n" + unlocked},
	{"usage made before the period counts in it", "period.go", condition, "!made.Before(p.start) {\n\t\treturn p", "true {\n\t\treturn p"},
	{"what waits is not sorted anew", "period.go", statements, "\t\t\tr.moveTo(p)\n", ""},
	{"what was held while the clock was ahead is forgotten", "period.go", condition, "p.start.After(a.current.start) && slices.Contains(a.opened(), p)", "false"},
	{"what was acknowledged while the clock was ahead is forgotten", "period.go", condition, "!a.isAhead(q) {\n\t\t\tcontinue", "true {\n\t\t\tcontinue"},

	{"a read is of when it arrived", "count.go", value, "observation{lo: began, hi: a.book.Tick(), used: r.Used}", "observation{lo: a.book.Tick(), hi: a.book.Tick(), used: r.Used}"},
	{"a push is of when it arrived", "count.go", value, "o.hi.Before(Margin + max(0, age))", "o.hi"},
	{"a push that is late is new", "count.go", statements, "\t\tage = now.Sub(at)\n", ""},
	{"an event is counted once it is acknowledged", "count.go", statements, "\t\tu.last += Tick(CountDelay)\n", ""},
	{"an answer is of when it arrived", "count.go", value, "observation{lo: u.first, hi: hi, stamp: u.stamp}", "observation{lo: hi, hi: hi, stamp: u.stamp}"},
	{"acknowledged usage is forgotten", "count.go", statements, "\ta.add(p, &u.usage)\n", ""},
	{"an acknowledgement takes two steps", "count.go", statements, "\ta.add(p, &u.usage)\n", unlocked + "\ta.add(p, &u.usage)\n"},
	{"acknowledged usage is not remembered", "count.go", statements, "\ta.remember(p, &u.usage)\n", ""},
	{"a total that may not be set replaces", "count.go", statements, "\t\t\to.lo, o.hi, o.stamp = 0, u.last, stamp{}\n", ""},
	{"acknowledged usage stays unacked", "count.go", statements, "\tp.answered(u.amount)\n", ""},
	{"acknowledged usage stays on its way", "count.go", statements, "\t\tp.departed = p.departed.remove(u.first, u.amount)\n", ""},
	{"what is acknowledged of a period ahead is sure", "count.go", statements, "\t\tv.maybe = true // Stigg may count it in another period\n", ""},

	{"a count that is not surely later waits", "reading.go", condition, "b.hi < lo", "true"},
	{"a count of a period before waits", "reading.go", condition, "!s.End.IsZero() && !t.Start.Before(s.End)", "true"},
	{"no count replaces one that waits", "reading.go", condition, "b.hi < lo", "false"},
	{"an account is made of nothing", "reading.go", statements, made, "\t\ta.mu.Unlock()\n" + tells},
	{"an account that is made is not told of", "reading.go", statements, made, observes + "\t\ta.mu.Unlock()\n"},
	{"a count is of when its account is made", "reading.go", statements, made, "\t\ta.observeIn(a.current, observation{lo: b.lo, hi: b.Tick(), used: c.used})\n\t\ta.mu.Unlock()\n" + tells},
	{"what Stigg names no more is forgotten", "reading.go", statements, "\t\t\t\tb.find(key{wallet, id}) // Stigg may name it again\n", ""},
	{"old readings know all accounts", "reading.go", statements, "\t\t\tb.Forward(c)\n", ""},
	{"a count waits though there is an account", "reading.go", statements, "\t\tc.account.Store(b.accounts[i])\n", ""},
	{"a pushed set is of when it arrived", "reading.go", value, "b.Tick().Before(Margin+max(0, age))", "b.Tick()"},
	{"a set that tells of no wallets tells of them", "reading.go", condition, "wallets || !wallet {\n\t\t\t\tsure", "true {\n\t\t\t\tsure"},
	{"a set that tells of no wallets replaces what waits", "reading.go", value, "later && (wallets || !wallet)", "later"},
	{"what waits is of no period that ends", "reading.go", condition, "!s.End.IsZero() && !now.Before(s.End)", "false"},
	{"what is refused without an account is granted", "reading.go", value, "!r.Refuses()", "true"},

	{"what is given back is in no doubt", "period.go", statements, "\tp.freed += amount\n", ""},
	{"admission takes two steps", "account.go", statements, "\t\ta.current.hold(q.Amount)\n", unlocked + "\t\ta.current.hold(q.Amount)\n"},
	{"a total adds", "account.go", statements, "\t\t\t" + totals + "\n", "\t\t\tb.Unacked += r.total.value\n"},
	{"a total counts only once acknowledged", "account.go", statements, "\t\t\t" + totals + "\n", "\t\t\t_ = r\n"},
	{"what comes after a total is in it", "recorded.go", statements, "\t\tr.total.add(p, amount)\n", ""},
	{"a total is as new as the answer to its last attempt", "count.go", condition, "o.stamp.batch == 0", "false"},
	{"what is of another period comes after a total", "recorded.go", condition, "is(s.period)", "true"},
	{"what moves away still comes after a total", "recorded.go", statements, "\t\t\t\tt.total.add(old, -r.change)\n", ""},
	{"what moves does not come after a total", "recorded.go", statements, "\t\t\t\tt.total.add(p, r.change)\n", ""},
	{"what came before a total comes after it once it moves", "recorded.go", condition, "t.since < r.since", "true"},
	{"an acknowledged total stays", "recorded.go", statements, "\t\ts.totals = slices.Delete(s.totals, i, i+1)\n", "\t\t_ = i\n"},
	{"recorded usage loses its place", "recorded.go", statements, "\tall[r.at].at = r.at\n", ""},
	{"admission ignores what is held", "limit.go", condition, admits, "Fits(known+q.Amount, l.Max)"},
	{"admission ignores what is unacked", "limit.go", condition, admits, "Fits(b.Used+b.Held+q.Amount, l.Max)"},
	{"fractions are compared exactly", "limit.go", condition, tolerant, "false"},
	{"large limits gain a unit", "limit.go", condition, tolerant, "sum-limit <= 1e-9*max(math.Abs(sum), math.Abs(limit))"},

	{"nothing is in doubt", "doubt.go", condition, "answer > Pending", "true"},
	{"what is in doubt is granted", "doubt.go", statements, "\tr.Answer = Pending\n", "\tr.Answer = answer\n"},
	{"what has left is in no doubt", "doubt.go", value, "o.used - p.departed.perhaps(o.hi)", "o.used"},
	{"what is perhaps counted is in no doubt", "doubt.go", value, "sure - o.excess\n", "sure\n"},
	{"what is given back on its way is in no doubt", "doubt.go", value, "least + p.unacked - p.departed.freed()", "least + p.unacked"},
	{"a total on its way is in no doubt", "doubt.go", statements, "\t\t\tknown = min(known, t.total.with(p.same))\n", ""},
	{"a total that waits is in doubt", "doubt.go", statements, "\t\t\tknown = max(known, t.total.with(p.same))\n", ""},
	{"nobody waits for what is on its way", "doubt.go", condition, "a.onWay > 0 || p.freed > 0", "false || p.freed > 0"},
	{"a read tells of what is on its way", "doubt.go", condition, "spread > 0 && p", "true && p"},

	{"merged usage waits twice", "merge.go", statements, "\t\t\ts.waits--\n", ""},
	{"a part of usage does not wait", "merge.go", statements, "\t\t\ts.waits++\n", ""},
	{"the rest is as much as before", "merge.go", statements, "\t\ts.change = rest\n", ""},
	{"what was merged and may have been counted is sure", "merge.go", value, "&recorded{made: s.made, first: s.first}", "&recorded{made: s.made}"},

	{"a forgotten book is not closed", "ledger.go", condition, closes, "b.pins.Load() == 0"},
	{"a book that is needed is forgotten", "ledger.go", condition, closes, "(b.pins.CompareAndSwap(0, bookClosed) || b.pins.CompareAndSwap(1, bookClosed))"},
	{"a load does not pin", "ledger.go", statements, "\tb.pins.Add(1)\n", ""},
	{"ticks repeat", "ledger.go", value, "max(last+1, passed)", "max(last, passed)"},
}

const mutantVariable = "GATE_TEST_MUTANT"

func TestMutantsOfTheLedgerDie(t *testing.T) {
	if os.Getenv(mutantVariable) != "" {
		return // this process is a mutant itself
	}
	if testing.Short() {
		t.Skip("all of them take half a minute; make test runs them")
	}
	binary := compileMutants(t)
	if out, err := runMutant(t, binary, -1); err != nil {
		t.Fatalf("the tests fail without a mutant, so no death would prove a thing: %v\n%s", err, out)
	}
	running := make(chan struct{}, 3)
	for i, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			running <- struct{}{}
			defer func() { <-running }()
			out, err := runMutant(t, binary, i)
			switch {
			case err == nil:
				t.Fatal("the mutant lives")
			case !strings.Contains(out, "--- FAIL: ") && !strings.Contains(out, "panic: "):
				t.Fatalf("the mutant was not tested: %v\n%s", err, out)
			}
		})
	}
}

// choice returns code that is a text, or the fault of the mutant that the process is.
func choice(of []int) string {
	m := mutants[of[0]]
	switch m.kind {
	case statements:
		code := "switch mutated {\n"
		for _, n := range of {
			code += fmt.Sprintf("case %d:\n%s", n, mutants[n].fault)
		}
		return code + "default:\n" + m.text + "}\n"
	case condition:
		text, rest := split(m.text)
		code := "("
		for _, n := range of {
			fault, _ := split(mutants[n].fault)
			code += fmt.Sprintf("mutated == %d && (%s) || ", n, fault)
		}
		for _, n := range of {
			code += fmt.Sprintf("mutated != %d && ", n)
		}
		return code + "(" + text + "))" + rest
	default:
		label, code, rest := parts(m.text)
		for _, n := range of {
			_, fault, _ := parts(mutants[n].fault)
			code = fmt.Sprintf("either(%d, %s, %s)", n, code, fault)
		}
		return label + code + rest
	}
}

// split separates a condition from what follows only to tell its place.
func split(text string) (condition, rest string) {
	for _, mark := range []string{" {\n", " || a.first", " || p.freed > 0", " && p"} {
		if i := strings.Index(text, mark); i >= 0 && (mark == " {\n" || i+len(mark) == len(text)) {
			return text[:i], text[i:]
		}
	}
	return text, ""
}

// parts separates the name of a field, and what follows only to tell the place.
func parts(text string) (label, value, rest string) {
	if i := strings.Index(text, ": "); i > 0 && i < 4 {
		label, text = text[:i+2], text[i+2:]
	}
	if i := strings.Index(text, "\n"); i >= 0 {
		text, rest = text[:i], text[i:]
	}
	return label, text, rest
}

const mutantSource = `package ledger

import (
	"os"
	"strconv"
)

var mutated = func() int { n, _ := strconv.Atoi(os.Getenv("` + mutantVariable + `")); return n - 1 }()

func either[T any](n int, text, fault T) T {
	if mutated == n {
		return fault
	}
	return text
}
`

// compileMutants returns the path of a binary of this package's tests with all faults.
func compileMutants(t *testing.T) string {
	t.Helper()
	type place struct{ file, text string }
	faults := map[place][]int{}
	for n, m := range mutants {
		faults[place{m.file, m.text}] = append(faults[place{m.file, m.text}], n)
	}
	sources := map[string]string{}
	for at, of := range faults {
		if _, ok := sources[at.file]; !ok {
			source, err := os.ReadFile(at.file)
			if err != nil {
				t.Fatal(err)
			}
			sources[at.file] = string(source)
		}
		if k := strings.Count(sources[at.file], at.text); k != 1 {
			t.Fatalf("%s has the text to replace %d times:\n%s", at.file, k, at.text)
		}
		sources[at.file] = strings.Replace(sources[at.file], at.text, choice(of), 1)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	put := func(name, source string) {
		path, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		overlay[path] = filepath.Join(dir, name)
		if err := os.WriteFile(overlay[path], []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, source := range sources {
		put(name, source)
	}
	put("mutant.go", mutantSource)
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	listed, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "ledger.test")
	if err := os.WriteFile(listed, list, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", listed, "-o", binary, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// runMutant runs the tests of the ledger with the fault of mutant n: those first that take
// the least time.
func runMutant(t *testing.T, binary string, n int) (string, error) {
	t.Helper()
	var out []byte
	for _, tests := range [][2]string{
		{"^(TestAccount|TestFits)", "0"},
		{"^TestLedger(Simulation|Keeps[^E]|Forgets|Tests|Acknowledges|Reads|Clock)", "100"},
		{"^TestLedger(Simulation|KeepsE)", "2000"},
	} {
		run := exec.CommandContext(t.Context(), binary, "-test.run", tests[0], "-seeds", tests[1], "-test.failfast", "-test.timeout=3m", "-rapid.nofailfile", "-rapid.shrinktime=0s")
		run.Env = append(os.Environ(), fmt.Sprint(mutantVariable, "=", n+1))
		var err error
		if out, err = run.CombinedOutput(); err != nil {
			return string(out), err
		}
	}
	return string(out), nil
}
