package delivery

import (
	"testing"
	"time"

	"github.com/stiggate/gate/internal/ledger"
)

// TestWhatWaitsInTheStoreTakesMemoryBySeries has a usage each second of a month wait, of a customer
// who was read again and again, and takes all of it out again.
func TestWhatWaitsInTheStoreTakesMemoryBySeries(t *testing.T) {
	l := ledger.New()
	book := l.Open(ledger.Owner{ID: "c"})
	now := time.Unix(1_000_000_000, 0)
	account := book.Feature("f")
	wait := func(b *backlog, made time.Time, value float64) {
		book.Pin()
		m := &ledger.Meter{Account: account} // each snapshot has its own
		h := Header{Value: value, CreatedAt: made}
		e := m.Record(value, made, made)
		e.SentBefore()
		b.add(Series{Customer: "c"}, &h, e, now)
	}
	const month = 30 * 24 * 3600 / 10
	b, total := newBacklog(), 0.0
	values := []float64{1, 0.25, 7}
	for i := range month {
		made := now.Add(time.Duration(i-month) * 10 * time.Second)
		wait(&b, made, values[i%3])
		total += values[i%3]
	}
	if used := account.Present(now, ledger.Cycle{}).Known(); used != total {
		t.Errorf("%v counts, want %v", used, total)
	}
	for key, all := range b.sums {
		if n := len(all.sums); n > 150 {
			t.Errorf("%d usages of %+v are %d sums", month, key, n)
		}
	}
	if n := account.Waiting(); n > 150 {
		t.Errorf("the ledger keeps %d entries", n)
	}
	for i := range month {
		h := Header{Value: values[i%3], CreatedAt: now.Add(time.Duration(i-month) * 10 * time.Second)}
		e, ok := b.remove(Series{Customer: "c"}, &h)
		if !ok {
			t.Fatalf("usage %d is not there", i)
		}
		e.Refuse(false, now)
		e.Close()
		total -= h.Value
		if i%10_000 == 0 {
			if used := account.Present(now, ledger.Cycle{}).Known(); used != total {
				t.Fatalf("%v counts when %d are out, want %v", used, i+1, total)
			}
		}
	}
	if left := b.audit(Measurements); len(left) > 0 {
		t.Error(left)
	}
	if left := l.Audit(); len(left) > 0 {
		t.Error(left)
	}
	book.Unpin()
	if l.Len() != 0 {
		t.Error("the book is still pinned")
	}
}

// TestWhatWaitsInTheStoreCountsInItsPeriod merges nothing of the last period into this one, but for
// what was made in the last quarter of this one's age before it began.
func TestWhatWaitsInTheStoreCountsInItsPeriod(t *testing.T) {
	l := ledger.New()
	book := l.Open(ledger.Owner{ID: "c"})
	defer book.Unpin()
	now := time.Unix(1_000_000_000, 0)
	begins := now.Add(-8 * time.Hour)
	b, within, before := newBacklog(), 0.0, 0.0
	for at := now.Add(-48 * time.Hour); at.Before(now); at = at.Add(time.Minute) {
		book.Pin()
		h := Header{Value: 1, CreatedAt: at}
		e := book.Feature("f").Meter().Record(1, at, now)
		b.add(Series{Customer: "c"}, &h, e, now)
		switch {
		case !at.Before(begins):
			within++
		case !at.Before(begins.Add(-2 * time.Hour)):
			before++
		}
	}
	account := book.Feature("f")
	account.Read(book.Begin(), ledger.Count{Used: 0, Start: begins, End: begins.Add(24 * time.Hour)}, now, ledger.Cycle{})
	if used := account.Present(now, ledger.Cycle{}).Known(); used < within || used > within+before {
		t.Errorf("%v counts in the period, want %v, and of the last two hours before it %v at most", used, within, before)
	}
}
