package admission

import (
	"testing"
	"time"

	"github.com/stiggate/gate/internal/ledger"
	"github.com/stiggate/gate/internal/rules"
)

func TestRightsAreTheSameButForWhatIsUsed(t *testing.T) {
	book := ledger.New().Open(ledger.Owner{ID: "c"})
	defer book.Unpin()
	rights := func(change func(all *Rights)) *Rights {
		s := NewRights(book, "", 2, 1)
		wallet := &Right{ID: "x", IsWallet: true, Feature: rules.Feature{Limit: 10}, Meter: book.Wallet("x").Meter()}
		s.Add(wallet, time.Time{})
		s.Add(&Right{ID: "on", Feature: rules.Feature{Kind: rules.Boolean, Granted: true}}, time.Time{})
		s.Add(&Right{
			ID: "f", Name: "F", Feature: rules.Feature{Kind: rules.Metered, Granted: true, Limit: 5}, Priced: true, Wallet: wallet,
			Meter: &ledger.Meter{Account: book.Feature("f"), Cycle: ledger.Cycle{Anchor: time.Unix(1, 0)}, Wallet: wallet.Meter.Account, Currency: "x", Price: 2},
		}, time.Time{})
		change(s)
		return s
	}
	for name, tt := range map[string]struct {
		change func(all *Rights)
		same   bool
	}{
		"read twice":                    {func(*Rights) {}, true},
		"a feature is used up":          {func(s *Rights) { s.Features["f"].Granted, s.Features["f"].Denied = false, rules.LimitExceeded }, true},
		"a wallet is used up":           {func(s *Rights) { s.Wallets["x"].Denied = rules.InsufficientCredits }, true},
		"another limit":                 {func(s *Rights) { s.Features["f"].Limit = 6 }, false},
		"another limit of a wallet":     {func(s *Rights) { s.Wallets["x"].Limit = 11 }, false},
		"another price":                 {func(s *Rights) { s.Features["f"].Meter.Price = 3 }, false},
		"another period":                {func(s *Rights) { s.Features["f"].Meter.Cycle.Anchor = time.Unix(2, 0) }, false},
		"a feature is refused by Stigg": {func(s *Rights) { s.Features["on"].Denied = "Revoked" }, false},
		"a feature less":                {func(s *Rights) { delete(s.Features, "on") }, false},
		"a feature more":                {func(s *Rights) { s.Add(&Right{ID: "new"}, time.Time{}) }, false},
		"a wallet less":                 {func(s *Rights) { delete(s.Wallets, "x") }, false},
		"the customer is refused":       {func(s *Rights) { s.Denied = "CustomerIsArchived" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rights(func(*Rights) {}).Same(rights(tt.change)); got != tt.same {
				t.Errorf("the same: %v, want %v", got, tt.same)
			}
		})
	}
}
