package policyfile_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
	"github.com/stiggate/gate/policyfile"
)

// basic is a Stigg where everybody has the same plan. An app uses client.New.
type basic struct{}

func (basic) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

func Example() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("policies-%d.yaml", os.Getpid()))
	defer func() { _ = os.Remove(path) }()
	write := func(text string) { _ = os.WriteFile(path, []byte(text), 0o600) }
	write("routes:\n  GET /analytics: {feature: analytics}\n")

	policies, err := policyfile.Open(path, policyfile.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := gate.New(basic{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /analytics", func(http.ResponseWriter, *http.Request) {})
	_ = nethttp.Routes(g, mux, policies, gate.DenyRest) // the handler to serve
	if err := policies.Check(func(t gate.Table) error { return nethttp.Verify(mux, t) }); err != nil {
		fmt.Println(err)
		return
	}

	write("routes:\n  GET /analytics: {feature: analytics, shadow: true}\n")
	fmt.Println(policies.Reload())
	write("routes:\n  GET /analytics: {feature: analytics, shadow: maybe}\n")
	fmt.Println(policies.Reload() != nil, len(policies.Table()))
	// Output:
	// <nil>
	// true 1
}

func ExampleParse() {
	_, err := policyfile.Parse([]byte(`
routes:
  POST /campaigns: {feature: feature-02-campaigns, uses: 1}
  GET /analytics: {feature: feature-04-analytics, uses: some}
`))
	fmt.Println(err)
	// Output:
	// line 4:57: route "GET /analytics": this is text "some"; it takes a number, or a map that says where the request has it
}
