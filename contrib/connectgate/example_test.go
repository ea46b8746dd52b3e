package connectgate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/connectgate"
	"github.com/stiggate/gate/identity"
)

// basic is a Stigg where everybody has the same plan. An app uses client.New.
type basic struct{}

func (basic) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

func Example() {
	g, err := gate.New(basic{}, identity.FromTrustedHeader("Account", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	gates, err := connectgate.New(g, gate.Table{
		showProcedure: gate.Feature("analytics"), // in an app, constants of the generated code
	}, gate.DenyRest)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(showProcedure, connect.NewUnaryHandlerSimple(showProcedure, answers, connect.WithInterceptors(gates)))
	server := httptest.NewServer(mux)
	defer server.Close()

	show := connect.NewClient[message, message](server.Client(), server.URL+showProcedure)
	_, err = show.CallUnary(context.Background(), connect.NewRequest(wrapperspb.Int64(1)))
	fmt.Println(connect.CodeOf(err))
	// Output: unauthenticated
}
