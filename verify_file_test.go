package gate_test

import (
	"errors"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/policyfile"
)

func TestThePoliciesOfAFileAreVerified(t *testing.T) {
	table, err := policyfile.Parse([]byte("routes:\n  POST /templates: {feature: templates, uses: 1}\n  GET /reports: {feature: analitics}\n"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(sold{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	if _, err := g.RouteGuards(table, gate.DenyRest); err != nil {
		t.Fatal(err)
	}
	var wrong *gate.VerifyError
	if err := g.Verify(t.Context()); !errors.As(err, &wrong) || len(wrong.Mistakes) != 1 || wrong.Mistakes[0].Route != "GET /reports" {
		t.Errorf("got %v", err)
	}
}
