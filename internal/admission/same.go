package admission

import "github.com/stiggate/gate/internal/rules"

// Same reports whether the rights of one customer, as they were read twice, are the same but for
// what is used, and what follows from that.
func (s *Rights) Same(other *Rights) bool {
	if s.Denied != other.Denied || len(s.all) != len(other.all) {
		return false
	}
	for i := range s.all {
		if r := other.Of(s.all[i].item()); r == nil || !s.all[i].same(r) {
			return false
		}
	}
	return true
}

func (r *Right) same(other *Right) bool {
	return r.Anchor.Equal(other.Anchor) && (r.Terms == other.Terms || *r.Offer == *other.Offer && r.but() == other.but())
}

// but is the terms without Stigg's verdict on what is counted.
func (t *Terms) but() rules.Feature {
	but := t.Feature
	if t.Kind == rules.Metered || t.Priced || t.IsWallet {
		but.Granted, but.Denied = false, ""
	}
	return but
}
