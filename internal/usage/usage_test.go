package usage

import (
	"testing"
	"time"

	"github.com/stiggate/gate/internal/delivery"
	"github.com/stiggate/gate/internal/ledger"
)

// TestAUsageIsTheSameInFewWords holds the compact form against the whole one.
func TestAUsageIsTheSameInFewWords(t *testing.T) {
	keys := delivery.New(delivery.Config[Queued]{}).Keys
	book := ledger.New().Open(ledger.Owner{ID: "c", Resource: "r"})
	defer book.Unpin()
	for _, at := range []time.Time{time.Unix(1, 2), {}, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		for _, wallet := range []bool{false, true} {
			q := Settled(book, "x", wallet, 3, 1, at, keys.Next(), keys)
			u := q.Usage(keys)
			if u.Customer != book.Owner() || u.Value != 3 || u.Excess != 1 || !u.CreatedAt.Equal(at) || (u.FeatureID == "x") == wallet || (u.Currency == "x") != wallet {
				t.Errorf("of a wallet: %v: %+v", wallet, u)
			}
			if problem, amount := u.Check(); problem != "" {
				t.Errorf("it %s %s: %+v", problem, amount, u)
			}
			whole := Whole(&u)
			got, want := q.Header(), whole.Header()
			want.Size = got.Size // the compact one has no texts of its own
			if got.CreatedAt.Equal(want.CreatedAt) {
				want.CreatedAt = got.CreatedAt
			}
			if got != want || q.Series() != whole.Series() {
				t.Errorf("the queue is told %+v %+v, and of the whole %+v %+v", got, q.Series(), want, whole.Series())
			}
			number, key := q.Key(keys)
			wholeNumber, wholeKey := whole.Key(keys)
			if number == 0 {
				number = keys.Number(key)
			}
			if number != wholeNumber || wholeKey != keys.Key(number) {
				t.Errorf("its key is %d, and of the whole %d, %q", number, wholeNumber, wholeKey)
			}
		}
	}
}

func TestAnEventKeepsWhatWasSettled(t *testing.T) {
	keys := delivery.New(delivery.Config[Queued]{}).Keys
	book := ledger.New().Open(ledger.Owner{ID: "c"})
	defer book.Unpin()
	change := Settled(book, "f", false, 3, 1, time.Unix(1, 2), keys.Next(), keys)
	want := change.Usage(keys)
	want.Kind, want.Event = Event, "e"
	event := change.AsEvent("e", map[string]any{"a": 1}, keys)
	got := event.Usage(keys)
	if len(got.Dimensions) != 1 {
		t.Errorf("its dimensions are %v", got.Dimensions)
	}
	if got.Dimensions = nil; !equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s := event.Series(); s != (delivery.Series{Customer: "c", Feature: "f", Event: "e"}) {
		t.Errorf("its series is %+v", s)
	}
}

func equal(a, b Usage) bool {
	return a.Customer == b.Customer && a.Kind == b.Kind && a.FeatureID == b.FeatureID && a.Value == b.Value && a.Event == b.Event &&
		a.Currency == b.Currency && a.Excess == b.Excess && a.Key == b.Key && a.CreatedAt.Equal(b.CreatedAt)
}

func TestEachKindHasItsLane(t *testing.T) {
	for _, l := range []delivery.Lane{delivery.Measurements, delivery.Events, delivery.Credits} {
		if got := Of(l).lane(); got != l {
			t.Errorf("usage of lane %d is batched in %d", l, got)
		}
	}
	if Total.lane() != delivery.Measurements {
		t.Error("a total does not travel with the changes")
	}
}
