package grpcgate_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/grpcgate"
	"github.com/stiggate/gate/identity"
)

// basic is a Stigg where everybody has the same plan. An app uses client.New.
type basic struct{}

func (basic) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

func Example() {
	g, err := gate.New(basic{}, identity.FromContext(gate.CustomerFromContext)) // what an interceptor in front has verified
	if err != nil {
		fmt.Println(err)
		return
	}
	table := gate.Table{
		pb.TestService_UnaryCall_FullMethodName: gate.Feature("analytics"),
		pb.TestService_EmptyCall_FullMethodName: gate.Public(),
	}
	gates, err := grpcgate.New(g, table, gate.DenyRest)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(gates.Unary()), grpc.ChainStreamInterceptor(gates.Stream()))
	pb.RegisterTestServiceServer(server, pb.UnimplementedTestServiceServer{})
	fmt.Println(grpcgate.Verify(server, table, "/grpc.testing.TestService/")) // its other methods are denied on purpose
	// Output: <nil>
}
