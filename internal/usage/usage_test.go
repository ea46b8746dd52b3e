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
	at := time.Unix(1, 2)
	for _, wallet := range []bool{false, true} {
		account := book.Feature("x")
		if wallet {
			account = book.Wallet("x")
		}
		hold := account.Meter().Hold(account.Hold(at, ledger.Cycle{}, ledger.Ask{Limit: ledger.Limit{Unlimited: true}, Amount: 3}), at)
		q := Settled(hold.Settle(3, at), hold.At(), keys.Next())
		u := q.Usage(keys)
		if u.Customer != book.Owner() || u.Value != 3 || !u.CreatedAt.Equal(at) || (u.FeatureID == "x") == wallet || (u.Currency == "x") != wallet {
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
