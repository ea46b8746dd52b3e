package client

import (
	"context"
	"testing"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/emulator"
)

func TestSubscribeTellsTypedEvents(t *testing.T) {
	server, err := emulator.Start("127.0.0.1:0", emulator.WithCreditsDemo())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	c, err := New(emulator.DefaultKey, WithEndpoint(server.URL()), WithEdge(server.URL()))
	if err != nil {
		t.Fatal(err)
	}
	const tokens = "currency-tokens"
	spender := gate.Customer{ID: "customer-tokens"}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	live, sets, counts, balances := make(chan bool, 9), make(chan gate.EntitlementSet, 99), make(chan gate.Patch, 99), make(chan CreditBalance, 99)
	ended := make(chan error, 1)
	go func() {
		ended <- c.Subscribe(ctx, Events{
			Live:                 func(l bool) { live <- l },
			EntitlementsUpdated:  func(_ gate.Customer, s gate.EntitlementSet) { sets <- s },
			UsageUpdated:         func(_ gate.Customer, p gate.Patch) { counts <- p },
			CreditBalanceUpdated: func(b CreditBalance) { balances <- b },
		})
	}()
	if !<-live {
		t.Fatal("it is not live")
	}
	if _, err := c.ReportUsage(ctx, Measurement{Customer: spender, FeatureID: "feature-generations", Value: 3, Key: "k", CreatedAt: server.Now()}); err != nil {
		t.Fatal(err)
	}
	for seen := false; !seen; {
		select {
		case p := <-counts:
			seen = p.FeatureID == "feature-generations" && p.Usage == 3 && !p.At.IsZero()
		case <-ctx.Done():
			t.Fatal("no count came")
		}
	}
	select {
	case b := <-balances:
		if b.Customer != spender || b.Currency.ID != tokens || b.Current != 114 || b.Consumed != 6 || b.Granted != 120 {
			t.Errorf("the balance is %+v", b)
		}
	case <-ctx.Done():
		t.Fatal("no balance came")
	}
	if _, err := c.GrantCredits(ctx, GrantCreditsInput{Customer: spender, CurrencyID: tokens, Amount: 1, Name: "One"}); err != nil {
		t.Fatal(err)
	}
	select {
	case s := <-sets:
		if len(s.Features) == 0 || len(s.Credits) != 1 {
			t.Errorf("the set is %+v", s)
		}
	case <-ctx.Done():
		t.Fatal("no set came")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Subscribe returned %v", err)
	}
	if <-live {
		t.Error("it ended live")
	}
}

func TestSubscribeTellsOfPackagesAndNeedsNoCallback(t *testing.T) {
	for _, migration := range []string{"ALL_CUSTOMERS", "NEW_CUSTOMERS"} {
		var got []PackagePublished
		payload := []byte(`{"packageRefId":"plan-a","packageType":"Plan","packageVersion":2,"migrationType":"` + migration + `"}`)
		if !passPackage(&listener{Events{PackagePublished: func(p PackagePublished) { got = append(got, p) }}}, payload) {
			t.Error("it was not understood")
		}
		if len(got) != 1 || got[0] != (PackagePublished{ID: "plan-a", Type: "Plan", Version: 2, Migration: migration}) {
			t.Errorf("got %+v", got)
		}
		if !passPackage(&listener{}, payload) {
			t.Error("without a callback it was not understood")
		}
	}
	none := &listener{}
	none.SetLive(true)
	none.Replace(acme, gate.EntitlementSet{})
	none.Patch(acme, gate.Patch{})
	none.Invalidate(acme)
	none.InvalidateAll()
	none.credit(CreditBalance{})
}
