package admission

import (
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

// Rights is all that one customer has, and the book in which it counts. It never changes, but for the
// accounts that are made.
type Rights struct {
	list
	Denied string // Stigg's reason against the customer
	Book   *ledger.Book
}

// list is rights, and where they are.
type list struct {
	plan *plan
	all  []Right // by the plan
}

// Right is what a customer has of a feature or of a wallet, and what is used of it.
type Right struct {
	*Terms
	*span
	counter ledger.Counter
}

// Terms is what a customer has of what a plan offers.
type Terms struct {
	*Offer
	rules.Feature
}

// Offer is what a plan says of a feature, or what a wallet is, whoever has it and however much.
type Offer struct {
	ID   string
	Name string // for people
	Units
	Soft bool // the limit lets more in
	// Reset is the length of a usage period, as Stigg spells it.
	Reset string
	// Priced says that units cost credits: of a currency, each its price, or by a formula that only
	// Stigg knows. Unpriced says that they may, and nobody here knows how many.
	Priced, Formula, Unpriced bool
	Currency                  string
	Price                     float64
	// IsWallet says that it is a wallet, and ID its currency.
	IsWallet bool
}

// span is the times of a right: how long it lasts, and its usage periods. Most rights of a customer
// have the same.
type span struct {
	ledger.Span
	Ends time.Time // zero if it does not
}

// Units are what a feature counts.
type Units struct{ One, Several string }

func (t *Terms) item() Item { return Item{t.ID, t.IsWallet} }

// counts reports whether usage is counted.
func (t *Terms) counts() bool { return t.IsWallet || t.Kind == rules.Metered }

// copy is the right without what is used of it, which its account tells.
func (r *Right) copy() Right { return Right{Terms: r.Terms, span: r.span} }

// Entitled is what Stigg says of one right of a customer.
type Entitled struct {
	Offer
	rules.Feature
	Anchor time.Time // of the usage periods
	Ends   time.Time // zero if it does not
	// Count is what is used, of what is counted.
	ledger.Count
}

// Nothing is the rights of a customer who has none.
func Nothing(b *ledger.Book) *Rights {
	return &Rights{Book: b, list: list{plan: new(plan)}}
}

// Feature is the right to a feature; nil without one.
func (s *list) Feature(id string) *Right {
	if i, ok := s.plan.features[id]; ok {
		return &s.all[i]
	}
	return nil
}

// Wallet is a wallet, by its currency; nil without one.
func (s *list) Wallet(currency string) *Right {
	if i, ok := s.plan.wallets[currency]; ok {
		return &s.all[i]
	}
	return nil
}

// Of is the right to an item; nil without one.
func (s *Rights) Of(i Item) *Right {
	if s == nil {
		return nil
	}
	return s.of(i)
}

func (s *list) of(i Item) *Right {
	if i.Currency {
		return s.Wallet(i.ID)
	}
	return s.Feature(i.ID)
}

// All is the rights in the order in which they were told. They are not to be changed.
func (s *Rights) All() []Right { return s.all }

// Empty reports whether the customer has nothing.
func (s *Rights) Empty() bool { return len(s.all) == 0 }

// Ends is when the first right ends that does; zero if none does.
func (s *Rights) Ends() (first time.Time) {
	for i := range s.all {
		if ends := s.all[i].Ends; !ends.IsZero() && (first.IsZero() || ends.Before(first)) {
			first = ends
		}
	}
	return first
}

// With is the rights and those that come beside them, where a customer has none of an item.
func (s *Rights) With(more []Right) Rights {
	to := Rights{Book: s.Book, Denied: s.Denied, list: list{all: make([]Right, 0, len(s.all)+len(more))}}
	for i := range s.all {
		to.all = append(to.all, s.all[i].copy())
	}
	for i := range more {
		if s.Of(more[i].item()) == nil {
			to.all = append(to.all, more[i].copy())
		}
	}
	for i := range to.all {
		to.Book.Forward(&to.all[i].counter)
	}
	to.plan = newPlan(to.all)
	return to
}
