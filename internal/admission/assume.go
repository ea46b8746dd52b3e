package admission

import (
	"math"

	"github.com/stiggate/gate/internal/rules"
)

// Unlimited is a right to what p asks for, whatever it asks.
func (p *Policy) Unlimited() rules.Feature {
	f := rules.Feature{Granted: true, Unlimited: true, Limit: math.Inf(1)}
	switch p.Mode {
	case rules.Uses, rules.Frees, rules.Asks:
		f.Kind = rules.Metered
	case rules.Values:
		f.Kind, f.AnyValue = rules.Enum, true
	default:
		f.Kind = rules.Boolean
	}
	return f
}

// Assume is the rights to the items of p that a customer is assumed to have of whom nothing is
// known. has tells what that is of one policy, if anything. Unpriced says that units may cost
// credits, and nobody knows how many.
func (p *Policy) Assume(unpriced bool, has func(*Policy) (rules.Feature, bool)) (all []Right) {
	seen := make(map[Item]bool)
	p.Each(func(leaf *Policy) {
		f, ok := has(leaf)
		if !ok || f.Kind == rules.Boolean && seen[leaf.Item] { // what is asked for otherwise, too, is had by that
			return
		}
		seen[leaf.Item] = true
		offer := Offer{ID: leaf.Item.ID, IsWallet: leaf.Item.Currency, Unpriced: unpriced && !leaf.Item.Currency}
		all = append(all, Right{Terms: &Terms{&offer, f}, span: new(span)})
	})
	return all
}
