package ledger

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLedgerTestsAndTakesInOneStep(t *testing.T) {
	for range 20 {
		d := newAccountFixture(t)
		d.reads(hourly(0, 0))
		var wait sync.WaitGroup
		for range 500 {
			wait.Go(func() {
				d.Hold(d.now, d.cycle, Ask{Limit: Limit{Max: 12}, Amount: 1})
			})
		}
		wait.Wait()
		d.has(sums(0, 12, 0))
	}
}

func TestLedgerAcknowledgesInOneStep(t *testing.T) {
	const units = 2000
	d := newAccountFixture(t)
	d.reads(hourly(0, 0))
	var p *period
	for range units {
		p = d.uses(1)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range units {
			d.acks(p, 1, nil, time.Time{}, d.tick())
		}
	}()
	for {
		if s, _ := d.view(d.now, d.cycle); s.Used+s.Unacked != units {
			t.Fatalf("%v of %d units are known", s.Used+s.Unacked, units)
		}
		select {
		case <-done:
			d.has(sums(units, 0, 0))
			return
		default:
		}
	}
}

// TestLedgerReadsInOneStep has counts arrive while usage is acknowledged that they lack.
func TestLedgerReadsInOneStep(t *testing.T) {
	const units = 2000
	d := newAccountFixture(t)
	d.reads(hourly(0, 0))
	var p *period
	for range units {
		p = d.uses(1)
	}
	var counted atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range units {
			first := d.leavesAt(d.tick(), p, 1)
			counted.Add(1)
			d.acks(p, 1, nil, time.Time{}, first)
		}
	}()
	for {
		began := d.book.Begin()
		d.readsFrom(began, hourly(float64(counted.Load()), 0))
		if s, _ := d.view(d.now, d.cycle); s.Known() < units {
			t.Fatalf("%v of %d units are known", s.Known(), units)
		}
		select {
		case <-done:
			d.reads(hourly(units, 0))
			d.has(sums(units, 0, 0))
			return
		default:
		}
	}
}

func TestLedgerClockGivesNoTickTwice(t *testing.T) {
	b := New().Open(Owner{ID: "c"})
	var all sync.Map
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 20_000 {
				if _, again := all.LoadOrStore(b.Tick(), true); again {
					t.Error("a tick was given twice")
					return
				}
			}
		})
	}
	wait.Wait()
}

func TestLedgerKeepsABookThatIsPinnedBeforeItIsForgotten(t *testing.T) {
	l := New()
	c := Owner{ID: "c"}
	b := l.Open(c)
	b.pins.Add(-1) // unpin, up to where it sees that no pin is left
	if !b.Pin() {
		t.Fatal("the book is not forgotten yet and took no pin")
	}
	l.forget(b)
	if l.Open(c) != b {
		t.Fatal("a book was forgotten in use")
	}
}

func TestLedgerForgetsNoBookThatIsInUse(t *testing.T) {
	l := New()
	c := Owner{ID: "c"}
	is := func(b *Book) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.books[c] == b
	}
	race := func() {
		b := l.Open(c)
		for i := range 500 {
			if !is(b) {
				t.Error("a book was forgotten in use")
				return
			}
			b.Unpin()
			for range i { // another moment every time
				b.pins.Load()
			}
			// As a request does whose snapshot may be from before.
			if !b.Pin() {
				b = l.Open(c)
			}
		}
		b.Unpin()
	}
	for range 20 {
		var wait sync.WaitGroup
		var ready atomic.Int64
		for range 2 { // few, so that the last pin goes often
			wait.Go(func() {
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
				race()
			})
		}
		wait.Wait()
		if n := l.Len(); t.Failed() || n != 0 {
			t.Fatalf("%d books are left when nobody needs any", n)
		}
	}
}
