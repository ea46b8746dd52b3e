package admission

import (
	"strconv"

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
	terms *lru.Cache[Terms, *Terms]
	plans *lru.Cache[string, *plan] // by the ids in it
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
	p.terms, err = lru.New[Terms, *Terms](mostTerms)
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
	var ids []byte
	for i := range all {
		e, r := &all[i], &s.all[i]
		r.Terms, r.Ends = p.share(&e.Terms), e.Ends
		r.Meter.Cycle.Anchor = e.Anchor
		ids = strconv.AppendBool(strconv.AppendQuote(ids, e.ID), e.IsWallet)
		if !e.Ends.IsZero() && (s.Ends.IsZero() || e.Ends.Before(s.Ends)) {
			s.Ends = e.Ends
		}
	}
	var known bool
	if s.plan, known = p.plans.Get(string(ids)); !known {
		s.plan = newPlan(s.all)
		p.plans.Add(string(ids), s.plan)
	}
	for i := range s.all {
		s.join(&s.all[i])
	}
	return s
}

// share is terms that equal t. What is no number equals nothing, and is not kept.
func (p *Plans) share(t *Terms) *Terms {
	if s, ok := p.terms.Get(*t); ok {
		return s
	}
	s := new(Terms)
	if *s = *t; *t == *t { //nolint:gocritic // see above
		p.terms.Add(*t, s)
	}
	return s
}
