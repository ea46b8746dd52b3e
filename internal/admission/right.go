package admission

import (
	"slices"
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Rights is all that one customer has, and the book in which it counts. It never changes.
type Rights struct {
	plan   *plan
	all    []Right // by the plan
	Denied string  // Stigg's reason against the customer
	Book   *ledger.Book
	Ends   time.Time // of the first right that ends; zero if none does
}

// Right is what a customer has of a feature or of a wallet, and where its usage counts.
type Right struct {
	*Terms
	Meter  ledger.Meter // without an account unless it is metered
	Wallet *Right       // that pays; nil if the customer has none, or units cost nothing
	Ends   time.Time    // zero if it does not
}

// Terms is what a plan says of a feature, or what a wallet is, whoever has it.
type Terms struct {
	rules.Feature
	ID   string
	Name string // for people
	Units
	Soft bool // the limit lets more in
	// Reset is the length of a usage period, as Stigg spells it.
	Reset string
	// Priced says that units cost credits: of a currency, each its price, or by a formula that only
	// Stigg knows.
	Priced, Formula bool
	Currency        string
	Price           float64
	// IsWallet says that it is a wallet, and ID its currency.
	IsWallet bool
}

// Units are what a feature counts.
type Units struct{ One, Several string }

func (t *Terms) item() Item { return Item{t.ID, t.IsWallet} }

// Entitled is the terms of one customer.
type Entitled struct {
	Terms
	Anchor time.Time // of the usage periods
	Ends   time.Time // zero if it does not
}

// Nothing is the rights of a customer who has none.
func Nothing(b *ledger.Book) *Rights { return &Rights{Book: b, plan: new(plan)} }

// Feature is the right to a feature; nil without one.
func (s *Rights) Feature(id string) *Right {
	if i, ok := s.plan.features[id]; ok {
		return &s.all[i]
	}
	return nil
}

// Wallet is a wallet, by its currency; nil without one.
func (s *Rights) Wallet(currency string) *Right {
	if i, ok := s.plan.wallets[currency]; ok {
		return &s.all[i]
	}
	return nil
}

// Of is the right to an item; nil without one.
func (s *Rights) Of(i Item) *Right {
	switch {
	case s == nil:
		return nil
	case i.Currency:
		return s.Wallet(i.ID)
	}
	return s.Feature(i.ID)
}

// All is the rights in the order in which they were told. They are not to be changed.
func (s *Rights) All() []Right { return s.all }

// Empty reports whether the customer has nothing.
func (s *Rights) Empty() bool { return len(s.all) == 0 }

// With is the rights and those that come beside them, where a customer has none of an item.
func (s *Rights) With(more []Right) *Rights {
	to := *s
	to.all = slices.Clone(s.all)
	for i := range more {
		if s.Of(more[i].item()) == nil {
			to.all = append(to.all, more[i])
		}
	}
	to.plan = newPlan(to.all)
	return &to
}

// join has a right count in the customer's book.
func (s *Rights) join(r *Right) {
	switch {
	case r.IsWallet:
		r.Meter.Account = s.Book.Wallet(r.ID)
	case r.Kind == rules.Metered:
		r.Meter.Account, r.Meter.Cycle.Every = s.Book.Feature(r.ID), ledger.ParseLength(r.Reset)
	}
	if !r.Priced {
		return
	}
	r.Wallet = s.Wallet(r.Currency)
	if !r.Formula && r.Kind == rules.Metered {
		r.Meter.Wallet, r.Meter.Price = s.Book.Wallet(r.Currency), r.Price
	}
}

// unpriced is what usage that waits will cost of a wallet, at prices that were not known
// when it was recorded; acked is of what Stigg has acknowledged.
func (s *Rights) unpriced(wallet *ledger.Account) (credits, acked float64) {
	if !s.Book.HasUnpriced() {
		return 0, 0
	}
	for i := range s.all {
		if m := &s.all[i].Meter; m.Wallet == wallet {
			all, some := m.Account.Unpriced()
			credits, acked = credits+all*m.Price, acked+some*m.Price
		}
	}
	return credits, acked
}
