package admission

import (
	"maps"
	"reflect"

	"github.com/stiggate/gate/internal/rules"
)

// Same reports whether the rights of one customer, as they were read twice, are the same but for
// what is used, and what follows from that.
func (s *Rights) Same(other *Rights) bool {
	return s.Denied == other.Denied && maps.EqualFunc(s.Features, other.Features, (*Right).same) && maps.EqualFunc(s.Wallets, other.Wallets, (*Right).same)
}

func (r *Right) same(other *Right) bool { return reflect.DeepEqual(r.terms(), other.terms()) }

// terms is r without Stigg's verdict on what is counted. The wallet that pays is compared by
// itself, and named in the Meter.
func (r *Right) terms() Right {
	t := *r
	t.Wallet = nil
	if r.Kind == rules.Metered || r.Priced || r.IsWallet {
		t.Granted, t.Denied = false, ""
	}
	return t
}
