package admission

import (
	"hash/maphash"
	"math"
	"strconv"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
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
	seed   maphash.Seed
	offers pool[Offer]
	terms  pool[Terms]
	spans  pool[span]
	plans  *lru.Cache[string, *plan] // by the ids in it
}

// mostPlans bounds what is kept in common: what is rarer, customers have by themselves.
const mostPlans = 1 << 10

// NewPlans returns Plans of which nothing is known.
func NewPlans() *Plans {
	p := &Plans{seed: maphash.MakeSeed()}
	var err error
	if p.plans, err = lru.New[string, *plan](mostPlans); err != nil {
		panic("admission: a bound that is no size")
	}
	return p
}

// Rights is what a customer has, who counts in b, and Stigg's reason against it. The book is to be told
// of its Readings.
func (p *Plans) Rights(b *ledger.Book, denied string, all []Entitled) Rights {
	s := Rights{Denied: denied, Book: b, list: list{all: make([]Right, len(all))}}
	var ids []byte
	for i := range all {
		p.fill(&s.all[i], &all[i])
		ids = strconv.AppendBool(strconv.AppendQuote(ids, all[i].ID), all[i].IsWallet)
	}
	var known bool
	if s.plan, known = p.plans.Get(string(ids)); !known {
		s.plan = newPlan(s.all)
		p.plans.Add(string(ids), s.plan)
	}
	if len(s.plan.features)+len(s.plan.wallets) < len(all) { // something is there twice
		for i := range s.all {
			r := &s.all[i]
			s.Of(r.item()).counter.Raise(&r.counter)
		}
	}
	return s
}

func (p *Plans) fill(r *Right, e *Entitled) {
	hash := maphash.String(p.seed, e.ID)
	t := Terms{p.offers.share(hash, &e.Offer), e.Feature}
	r.Terms = p.terms.share(hash^math.Float64bits(e.Limit), &t)
	times := span{Ends: e.Ends}
	if times.Anchor = e.Anchor; t.counts() {
		times.Start, times.End = e.Start, e.End
		r.counter = ledger.NewCounter(e.Used)
	}
	if t.Kind == rules.Metered && !t.IsWallet {
		times.Every = ledger.ParseLength(e.Reset)
	}
	r.span = p.spans.share(uint64(times.Anchor.Unix()^times.End.Unix()<<1^times.Ends.Unix()<<2), &times) //nolint:gosec // a hash
}
