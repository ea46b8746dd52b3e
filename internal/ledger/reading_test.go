package ledger

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// readings are an answer of Stigg's: features f, g ... and then a wallet x.
type readings struct {
	ids      []key
	counters []Counter
	spans    []Span
}

// told is an answer about the feature f, and the wallet x if there are two counts.
func told(c Cycle, counts ...Count) *readings {
	r := &readings{ids: []key{{false, "f"}, {true, "x"}}[:len(counts)], counters: make([]Counter, len(counts)), spans: make([]Span, len(counts))}
	for i, n := range counts {
		r.counters[i].used, r.spans[i] = n.Used, Span{Start: n.Start, End: n.End}
	}
	if len(r.spans) > 0 {
		r.spans[0].Cycle = c
	}
	return r
}

func (r *readings) Each(f func(wallet bool, id string, c *Counter, s *Span)) {
	for i, k := range r.ids {
		f(k.wallet, k.id, &r.counters[i], &r.spans[i])
	}
}

func (r *readings) Counter(wallet bool, id string) (*Counter, *Span) {
	for i, k := range r.ids {
		if k == (key{wallet, id}) {
			return &r.counters[i], &r.spans[i]
		}
	}
	return nil, nil
}

// unusedFixture is a book of which Stigg tells, and nothing is used.
type unusedFixture struct {
	*testing.T
	book   *Book
	cycle  Cycle
	now    time.Time
	passed time.Duration
}

func newUnused(t *testing.T) *unusedFixture {
	l := New()
	d := &unusedFixture{T: t, cycle: Cycle{Hour, noon(0)}, now: noon(0.5)}
	l.passed = func() time.Duration { return d.passed }
	d.book = l.Open(Owner{ID: "c"})
	return d
}

func (d *unusedFixture) later(by time.Duration) { d.now, d.passed = d.now.Add(by), d.passed+by }

func (d *unusedFixture) reads(counts ...Count) *readings {
	r := told(d.cycle, counts...)
	d.book.Read(d.book.Begin(), r, d.now)
	return r
}

// has holds what an account has, with those made before it.
func (d *unusedFixture) has(wallet bool, made int, used float64) {
	d.Helper()
	if n := len(d.book.accounts); n != made {
		d.Errorf("%d accounts are made, want %d", n, made)
	}
	a, c := d.book.Feature("f"), d.cycle
	if wallet {
		a, c = d.book.Wallet("x"), Cycle{}
	}
	if s := a.Present(d.now, c); s.Balance != (Balance{Used: used}) {
		d.Errorf("it has %+v, want %v used", s.Balance, used)
	}
}

func TestAccountIsMadeAtItsFirstUse(t *testing.T) {
	d := newUnused(t)
	r := d.reads(hourly(5, 0))
	c, span := r.Counter(false, "f")
	ask := func(n float64) (a Admission, granted bool) {
		granted = c.Check(&a, d.now, span, &Ask{Amount: n, Limit: Limit{Max: 8}})
		return a, granted
	}
	if a, ok := ask(3); !ok || a.Answer != Granted || a.Amount != 3 || a.Used != 5 || a.Shown(8) != 5 || !a.End.Equal(noon(1)) {
		t.Errorf("3 of 8: %+v", a)
	}
	if _, ok := ask(4); ok {
		t.Error("4 more than 5 of 8 are granted")
	}
	if d.book.Account(c, false, "f") != nil || len(d.book.accounts) != 0 {
		t.Error("a check made an account")
	}
	d.has(false, 0, 5)
	a := d.book.Feature("f")
	if d.book.Account(c, false, "f") != a || d.book.Make(c, false, "f") != a {
		t.Error("the Counter tells of another account")
	}
	if d.reads(hourly(6, 0)).counters[0].account.Load() != a {
		t.Error("the next Counter tells of no account, or another one")
	}
	d.has(false, 1, 6)
}

// TestAccountIsMadeAsThoughItHadBeenThere when the count came: what is later than that replaces it.
func TestAccountIsMadeAsThoughItHadBeenThere(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration
		used  float64
	}{"a push at once": {0, 5}, "a push long after": {10 * time.Second, 3}} {
		t.Run(name, func(t *testing.T) {
			d := newUnused(t)
			d.reads(hourly(5, 0))
			d.later(tt.after)
			d.book.Feature("f").Push(hourly(3, 0), time.Time{}, d.now, d.cycle)
			d.has(false, 1, tt.used)
		})
	}
}

// TestAccountIsMadeUnlessACountIsSurelyLater than the one that waits, and so replaces it.
func TestAccountIsMadeUnlessACountIsSurelyLater(t *testing.T) {
	for name, tt := range map[string]struct {
		next   func(d *unusedFixture, began Tick)
		wallet bool
		made   int
		used   float64
	}{
		"it is read again":       {func(d *unusedFixture, _ Tick) { d.reads(hourly(2, 0), Count{Used: 20}) }, false, 0, 2},
		"a wallet is read again": {func(d *unusedFixture, _ Tick) { d.reads(hourly(2, 0), Count{Used: 20}) }, true, 0, 20},
		"by a read that began before": {func(d *unusedFixture, began Tick) {
			d.book.Read(began, told(d.cycle, hourly(2, 0)), d.now)
		}, false, 2, 5},
		"in the next period":         {func(d *unusedFixture, _ Tick) { d.later(time.Hour); d.reads(hourly(2, 1)) }, false, 1, 2},
		"as of a period before":      {func(d *unusedFixture, _ Tick) { d.reads(hourly(2, -1)) }, false, 2, 5},
		"without it":                 {func(d *unusedFixture, _ Tick) { d.reads() }, false, 2, 5},
		"without it, for the wallet": {func(d *unusedFixture, _ Tick) { d.reads(hourly(2, 0)) }, true, 1, 9},
		"a set is pushed at once":    {func(d *unusedFixture, _ Tick) { d.replaces(0, true) }, false, 2, 5},
		"a set is pushed long after": {func(d *unusedFixture, _ Tick) { d.later(6 * time.Second); d.replaces(0, true) }, false, 0, 2},
		"a set that is old":          {func(d *unusedFixture, _ Tick) { d.later(6 * time.Second); d.replaces(2*time.Second, true) }, false, 2, 5},
		"a set that tells of no wallets": {func(d *unusedFixture, _ Tick) {
			d.later(6 * time.Second)
			d.replaces(0, false)
		}, true, 1, 9},
	} {
		t.Run(name, func(t *testing.T) {
			d := newUnused(t)
			began := d.book.Begin()
			d.reads(hourly(5, 0), Count{Used: 9})
			tt.next(d, began)
			d.Helper()
			d.has(tt.wallet, tt.made, tt.used)
		})
	}
}

func (d *unusedFixture) replaces(age time.Duration, wallets bool) {
	d.book.Replace(age, told(d.cycle, hourly(2, 0), Count{Used: 30}), wallets, d.now)
}

func TestAccountOfAPeriodThatIsOver(t *testing.T) {
	d := newUnused(t)
	r := d.reads(hourly(5, 0), Count{Used: 9, Start: noon(0), End: noon(1)})
	for i, want := range []struct{ before, after float64 }{{5, 0}, {9, 9}} {
		c, s := &r.counters[i], &r.spans[i]
		if got := c.Present(noon(0.9), s).Used; got != want.before {
			t.Errorf("%s: %v are used before it ends, want %v", r.ids[i].id, got, want.before)
		}
		got := c.Present(noon(2.1), s)
		if got.Used != want.after || got.Shown(0) != want.after {
			t.Errorf("%s: %v are used after it has ended, want %v", r.ids[i].id, got.Used, want.after)
		}
		if i == 0 && (!got.Start.Equal(noon(2)) || !got.End.Equal(noon(3))) {
			t.Errorf("the next is from %v to %v", got.Start, got.End)
		}
	}
	a := d.book.Feature("f")
	if s := a.Present(noon(2.1), d.cycle); s.Used != 0 || !s.Start.Equal(noon(2)) {
		t.Errorf("the account made then has %+v", s)
	}
	if s := a.Present(noon(0.9), d.cycle); s.Used != 5 || !s.End.Equal(noon(1)) {
		t.Errorf("once the clock is back, it has %+v", s)
	}
}

// TestAccountIsFoundByReadingsThatAreOld: what was made since is found by them, and made of the last.
func TestAccountIsFoundByReadingsThatAreOld(t *testing.T) {
	d := newUnused(t)
	old := d.reads(hourly(5, 0))
	last := d.reads(hourly(7, 0))
	c, _ := old.Counter(false, "f")
	a := d.book.Account(c, false, "f")
	if a == nil || a != d.book.Feature("f") {
		t.Fatal("another account is found, or none")
	}
	if last.counters[0].account.Load() != a {
		t.Error("the last does not tell of it")
	}
	d.has(false, 1, 7)
}

// TestAccountIsMadeOnce, whoever uses it first and whatever is read meanwhile: no more is granted than
// the limit gives.
func TestAccountIsMadeOnce(t *testing.T) {
	for range 200 {
		b := New().Open(Owner{ID: "c"})
		var last atomic.Pointer[readings]
		read := func() {
			r := told(Cycle{}, Count{Used: 5})
			b.Read(b.Begin(), r, noon(0))
			last.Store(r)
		}
		read()
		var granted atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 3 {
					r := last.Load()
					c, s := r.Counter(false, "f")
					var checked Admission
					if b.Account(c, false, "f") == nil {
						c.Check(&checked, noon(0), s, &Ask{Amount: 1, Limit: Limit{Max: 10}})
					}
					if a := b.Make(c, false, "f").Hold(noon(0), Cycle{}, Ask{Amount: 1, Limit: Limit{Max: 10}}); !a.Refuses() {
						granted.Add(1)
					}
				}
			})
		}
		all.Go(read)
		all.Wait()
		if n := granted.Load(); n != 5 {
			t.Fatalf("%d are granted of the 5 that are left", n)
		}
	}
}
