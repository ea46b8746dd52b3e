package gate

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLedgerTestsAndTakesInOneStep(t *testing.T) {
	e := &Entitlement{Kind: Metered, Limit: 12}
	q := ask{mode: modeUses, amount: 1}
	for range 20 {
		d := newDesk(t)
		d.reads(hourly(0, 0))
		var wait sync.WaitGroup
		for range 500 {
			wait.Go(func() {
				d.take(d.now, d.cycle, 1, true, func(s standing) verdict { return e.room(s, q) })
			})
		}
		wait.Wait()
		d.has(sums(0, 12, 0))
	}
}

func TestLedgerAcknowledgesInOneStep(t *testing.T) {
	const units = 2000
	d := newDesk(t)
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
		if s, _ := d.view(d.now, d.cycle); s.used+s.unacked != units {
			t.Fatalf("%v of %d units are known", s.used+s.unacked, units)
		}
		select {
		case <-done:
			d.has(sums(units, 0, 0))
			return
		default:
		}
	}
}

func TestLedgerKeepsABookThatIsPinnedBeforeItIsForgotten(t *testing.T) {
	l := newLedger()
	c := Customer{ID: "c"}
	b := l.open(c)
	b.pins.Add(-1) // unpin, up to where it sees that no pin is left
	if !b.pin() {
		t.Fatal("the book is not forgotten yet and took no pin")
	}
	l.forget(b)
	if l.open(c) != b {
		t.Fatal("a book was forgotten in use")
	}
}

func TestLedgerForgetsNoBookThatIsInUse(t *testing.T) {
	l := newLedger()
	c := Customer{ID: "c"}
	is := func(b *book) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.books[c] == b
	}
	race := func() {
		b := l.open(c)
		for i := range 500 {
			if !is(b) {
				t.Error("a book was forgotten in use")
				return
			}
			b.unpin()
			for range i { // another moment every time
				b.pins.Load()
			}
			// As a request does whose snapshot may be from before.
			if !b.pin() {
				b = l.open(c)
			}
		}
		b.unpin()
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
		if n := l.size(); t.Failed() || n != 0 {
			t.Fatalf("%d books are left when nobody needs any", n)
		}
	}
}
