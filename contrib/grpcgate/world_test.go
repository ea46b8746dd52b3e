package grpcgate_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/contrib/grpcgate"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/identity"
)

const campaigns = "feature-02-campaigns" // customer-basic may use 4

// table is the policies of the service under test.
func table() gate.Table {
	return gate.Table{
		pb.TestService_UnaryCall_FullMethodName:           gate.Feature(campaigns).Uses(1),
		pb.TestService_StreamingOutputCall_FullMethodName: gate.Feature(campaigns).Uses(1),
		pb.TestService_FullDuplexCall_FullMethodName:      gate.Feature(campaigns).Uses(1),
		pb.TestService_CacheableUnaryCall_FullMethodName:  gate.Feature("feature-05-integrations"),
		pb.TestService_EmptyCall_FullMethodName:           gate.Public(),
	}
}

// service is an application.
type service struct {
	pb.UnimplementedTestServiceServer
	unary  func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error)
	stream func(grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error
}

func (s *service) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (s *service) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if s.unary != nil {
		return s.unary(ctx, r)
	}
	return &pb.SimpleResponse{}, nil
}

func (s *service) FullDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	return s.stream(stream)
}

// byMetadata names the customer as no HTTP header of the gate's Resolver does.
func byMetadata(ctx context.Context) (gate.Customer, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	id := md.Get("account")
	if len(id) == 0 {
		return gate.Customer{}, gate.ErrNoCustomer
	}
	if len(md.Get("of-another")) > 0 {
		return gate.Customer{}, gate.ErrCustomerConflict
	}
	return gate.Customer{ID: id[0]}, nil
}

// serve serves the service behind a gate, over a socket.
func serve(t *testing.T, g *gate.Gate, t1 gate.Table, rest gate.Rest, s *service, with ...grpcgate.Option) pb.TestServiceClient {
	t.Helper()
	gates, err := grpcgate.New(g, t1, rest, with...)
	if err != nil {
		t.Fatal(err)
	}
	recovered := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (res any, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = context.Canceled
			}
		}()
		return handler(ctx, req)
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(recovered, gates.Unary()), grpc.ChainStreamInterceptor(gates.Stream()))
	pb.RegisterTestServiceServer(server, s)
	if err := grpcgate.Verify(server, t1, "/grpc.testing.TestService/"); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewTestServiceClient(conn)
}

// world is a service in front of an emulated Stigg.
type world struct {
	stigg *emulator.Server
	gate  *gate.Gate
	pb.TestServiceClient
}

func newWorld(t *testing.T, s *service, options ...gate.Option) *world {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	source, err := client.New(emulator.DefaultKey, client.WithEndpoint(stigg.URL()))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(source, identity.FromTrustedHeader("Unused", ""), append([]gate.Option{gate.WithDecisionTimeout(time.Minute), gate.WithColdTimeout(time.Minute)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	return &world{stigg, g, serve(t, g, table(), gate.DenyRest, s, grpcgate.WithCustomer(byMetadata))}
}

// as is the context of a call by a customer.
func as(t *testing.T, id string, more ...string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), append([]string{"account", id}, more...)...)
}

// counted is what Stigg has counted of a customer's campaigns, once the gate is closed.
func (w *world) counted(t *testing.T, id string) (n float64) {
	t.Helper()
	if err := w.gate.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range w.stigg.Usage() {
		if m.CustomerID == id && m.FeatureID == campaigns && !m.Duplicate {
			n += m.Value
		}
	}
	return n
}
