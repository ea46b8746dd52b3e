package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// sold is a plan that tells what Stigg's catalog has, as package client does.
type sold struct{ plan }

func (sold) ReadCatalog(context.Context) (gate.Catalog, error) {
	return gate.Catalog{Features: map[string]gate.FeatureKind{"templates": gate.Metered, "analytics": gate.Boolean}}, nil
}

func (sold) FindFeature(context.Context, gate.Customer, string) (gate.FeatureKind, error) {
	return gate.KindUnknown, gate.ErrUnknownFeature
}

func (sold) FindCurrency(context.Context, gate.Customer, string) error {
	return gate.ErrUnknownCurrency
}

// What no compiler finds is found before the first request.
func ExampleGate_Verify() {
	g, err := gate.New(sold{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		panic(err)
	}
	defer func() { _ = g.Close(context.Background()) }()
	nethttp.Routes(g, http.NewServeMux(), gate.Table{
		"POST /templates": gate.Feature("templates").Uses(1),
		"GET /analytics":  gate.Feature("analytics").Uses(1),
		"GET /reports":    gate.Feature("analitics"),
	}, gate.DenyRest)

	var wrong *gate.VerifyError
	if err := g.Verify(context.Background()); errors.As(err, &wrong) {
		for _, mistake := range wrong.Mistakes {
			fmt.Printf("%s: %s: %v\n", mistake.Route, mistake.Feature, mistake.Err)
		}
	}
	// Output:
	// GET /analytics: analytics: the feature's kind does not take what the policy asks: it is boolean, and the policy has Uses
	// GET /reports: analitics: there is no such feature in Stigg
}
