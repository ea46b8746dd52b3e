package admission

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Rights is all that one customer has, and the book in which it counts. It never changes.
type Rights struct {
	Denied   string // Stigg's reason against the customer
	Features map[string]*Right
	Wallets  map[string]*Right // by currency
	Book     *ledger.Book
	Ends     time.Time // of the first right that ends; zero if none does
}

// Right is what a customer has of a feature or of a wallet, and where its usage counts.
type Right struct {
	rules.Feature
	ID   string
	Name string // for people
	Units
	Soft bool // the limit lets more in
	// Reset is the length of a usage period, as Stigg spells it.
	Reset string
	Meter *ledger.Meter // nil unless it is metered

	// Priced says that units cost credits: of Wallet, nil if the customer has none, at the
	// meter's price, or by a formula that only Stigg knows.
	Priced, Formula bool
	Wallet          *Right
	// IsWallet says that it is a wallet, and ID its currency.
	IsWallet bool
}

// Units are what a feature counts.
type Units struct{ One, Several string }

func (r *Right) item() Item { return Item{r.ID, r.IsWallet} }

// Of is the right to an item; nil without one.
func (s *Rights) Of(i Item) *Right {
	switch {
	case s == nil:
		return nil
	case i.Currency:
		return s.Wallets[i.ID]
	}
	return s.Features[i.ID]
}

// Empty reports whether the customer has nothing.
func (s *Rights) Empty() bool { return len(s.Features)+len(s.Wallets) == 0 }

// Add adds a right that ends at a time, zero if it does not. A wallet is added before the features
// that it pays for.
func (s *Rights) Add(r *Right, ends time.Time) {
	if !ends.IsZero() && (s.Ends.IsZero() || ends.Before(s.Ends)) {
		s.Ends = ends
	}
	if r.IsWallet {
		s.Wallets[r.ID] = r
		return
	}
	s.Features[r.ID] = r
}

// With is the rights and those that come beside them, where a customer has none of an item.
func (s *Rights) With(more []*Right) *Rights {
	to := NewRights(s.Book, s.Denied, len(s.Features), len(s.Wallets))
	for _, all := range [][]*Right{more, values(s.Wallets), values(s.Features)} {
		for _, r := range all {
			to.Add(r, s.Ends)
		}
	}
	return to
}

func values(m map[string]*Right) (all []*Right) {
	for _, r := range m {
		all = append(all, r)
	}
	return all
}

// NewRights is empty, with room for so many features and wallets.
func NewRights(b *ledger.Book, denied string, features, wallets int) *Rights {
	return &Rights{Denied: denied, Features: make(map[string]*Right, features), Wallets: make(map[string]*Right, wallets), Book: b}
}

// unpriced is what usage that waits will cost of a wallet, at prices that were not known
// when it was recorded; acked is of what Stigg has acknowledged.
func (s *Rights) unpriced(wallet *ledger.Account) (credits, acked float64) {
	if !s.Book.HasUnpriced() {
		return 0, 0
	}
	for _, r := range s.Features {
		if r.Meter != nil && r.Meter.Wallet == wallet {
			all, some := r.Meter.Account.Unpriced()
			credits, acked = credits+all*r.Meter.Price, acked+some*r.Meter.Price
		}
	}
	return credits, acked
}
