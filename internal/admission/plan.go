package admission

import (
	"encoding/binary"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/stiggate/gate/internal/ledger"
)

// plan finds rights among all that a customer has, by their ids.
type plan struct {
	features, wallets map[string]int
}

func newPlan(all []Right) *plan {
	p := &plan{make(map[string]int, len(all)), make(map[string]int)}
	for i := range all {
		if t := all[i].Terms; t.IsWallet {
			p.wallets[t.ID] = i
		} else {
			p.features[t.ID] = i
		}
	}
	return p
}

// Plans keeps what many customers have in common, those of one plan, once for all of them.
type Plans struct {
	terms *lru.Cache[Terms, *shared]
	plans *lru.Cache[string, *plan] // by the numbers of its terms
	last  atomic.Uint64
}

// shared is terms with a number that no others have.
type shared struct {
	Terms
	number uint64
}

// mostTerms and mostPlans bound what is kept in common: what is rarer, customers have by themselves.
const (
	mostTerms = 1 << 14
	mostPlans = 1 << 10
)

// NewPlans returns Plans of which nothing is known.
func NewPlans() *Plans {
	p := new(Plans)
	var err, other error
	p.terms, err = lru.New[Terms, *shared](mostTerms)
	p.plans, other = lru.New[string, *plan](mostPlans)
	if err != nil || other != nil {
		panic("admission: a bound that is no size")
	}
	return p
}

// Rights is what a customer has, who counts in b, and Stigg's reason against it. A feature's wallet
// may come after it.
func (p *Plans) Rights(b *ledger.Book, denied string, all []Entitled) *Rights {
	s := &Rights{Denied: denied, Book: b, all: make([]Right, len(all))}
	var key []byte
	for i := range all {
		e, r := &all[i], &s.all[i]
		t := p.share(&e.Terms)
		r.Terms, r.Ends = &t.Terms, e.Ends
		r.Meter.Cycle.Anchor = e.Anchor
		key = binary.AppendUvarint(key, t.number)
		if !e.Ends.IsZero() && (s.Ends.IsZero() || e.Ends.Before(s.Ends)) {
			s.Ends = e.Ends
		}
	}
	var known bool
	if s.plan, known = p.plans.Get(string(key)); !known {
		s.plan = newPlan(s.all)
		p.plans.Add(string(key), s.plan)
	}
	for i := range s.all {
		s.join(&s.all[i])
	}
	return s
}

// share is terms that equal t. What is no number equals nothing, and is not kept.
func (p *Plans) share(t *Terms) *shared {
	if s, ok := p.terms.Get(*t); ok {
		return s
	}
	s := &shared{*t, p.last.Add(1)}
	if *t == *t { //nolint:gocritic // see above
		p.terms.Add(*t, s)
	}
	return s
}
