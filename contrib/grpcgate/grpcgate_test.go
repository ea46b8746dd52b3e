package grpcgate_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/grpcgate"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
)

// details are those of google.rpc in an error.
type details struct {
	info  *errdetails.ErrorInfo
	quota *errdetails.QuotaFailure
	retry *errdetails.RetryInfo
	help  *errdetails.Help
}

func detailsOf(t *testing.T, err error) (d details) {
	t.Helper()
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			d.info = detail
		case *errdetails.QuotaFailure:
			d.quota = detail
		case *errdetails.RetryInfo:
			d.retry = detail
		case *errdetails.Help:
			d.help = detail
		default:
			t.Errorf("a detail of another type: %T %v", detail, detail)
		}
	}
	return d
}

// TestNobodyPassesTheLimit: of many calls at the same time as many succeed as the plan allows,
// and Stigg counts those. Who is told to come again, since others run, does.
func TestNobodyPassesTheLimit(t *testing.T) {
	w := newWorld(t, &service{unary: func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		return &pb.SimpleResponse{}, nil
	}})
	var ok atomic.Int32
	var wait sync.WaitGroup
	for range 40 {
		wait.Go(func() {
			for {
				_, err := w.UnaryCall(as(t, "customer-basic"), &pb.SimpleRequest{})
				if err == nil {
					ok.Add(1)
					return
				}
				d := detailsOf(t, err)
				if status.Code(err) != codes.ResourceExhausted {
					t.Errorf("got %v", err)
					return
				}
				if d.retry == nil {
					return
				}
			}
		})
	}
	wait.Wait()
	if n := w.counted(t, "customer-basic"); ok.Load() != 4 || n != 4 {
		t.Errorf("%d calls succeeded and Stigg counted %v, want 4 and 4", ok.Load(), n)
	}
}

func TestADenialTellsAll(t *testing.T) {
	w := newWorld(t, &service{}, gate.WithUpgradeLink("https://acme.example/upgrade?for={feature}"))
	for range 4 {
		if _, err := w.UnaryCall(as(t, "customer-basic"), &pb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.UnaryCall(as(t, "customer-basic"), &pb.SimpleRequest{})
	for d := detailsOf(t, err); d.retry != nil; d = detailsOf(t, err) { // until Stigg has acknowledged
		_, err = w.UnaryCall(as(t, "customer-basic"), &pb.SimpleRequest{})
	}
	s, d := status.Convert(err), detailsOf(t, err)
	if s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "You have used all 4 ") {
		t.Errorf("got %v", s)
	}
	if d.info.GetReason() != "USAGE_LIMIT_EXCEEDED" || d.info.GetDomain() != "github.com/stiggate/gate" {
		t.Errorf("got %v", d.info)
	}
	for key, want := range map[string]string{
		"feature": campaigns, "usage": "4", "limit": "4", "requested": "1", "accessDeniedReason": "RequestedUsageExceedingLimit",
	} {
		if got := d.info.GetMetadata()[key]; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if at, err := time.Parse(time.RFC3339, d.info.GetMetadata()["resetsAt"]); err != nil || !at.After(time.Now()) {
		t.Errorf("resetsAt is %v, %v", at, err)
	}
	if !strings.HasPrefix(d.info.GetMetadata()["instance"], "urn:uuid:") {
		t.Errorf("the instance is %q", d.info.GetMetadata()["instance"])
	}
	if v := d.quota.GetViolations(); len(v) != 1 || v[0].GetSubject() != "feature:"+campaigns || v[0].GetDescription() != s.Message() {
		t.Errorf("got %v", d.quota)
	}
	if l := d.help.GetLinks(); len(l) != 1 || l[0].GetUrl() != "https://acme.example/upgrade?for="+campaigns {
		t.Errorf("got %v", d.help)
	}
	if strings.Contains(err.Error()+s.Proto().String(), "customer-basic") {
		t.Errorf("it names the customer: %v", s)
	}
}

func TestCodes(t *testing.T) {
	w := newWorld(t, &service{})
	for _, tt := range []struct {
		name   string
		call   func() error
		want   codes.Code
		reason string
		quota  bool
	}{
		{"a public method asks nobody", func() error { _, err := w.EmptyCall(t.Context(), &pb.Empty{}); return err }, codes.OK, "", false},
		{"nobody", func() error { _, err := w.UnaryCall(t.Context(), &pb.SimpleRequest{}); return err }, codes.Unauthenticated, "CUSTOMER_UNRESOLVED", false},
		{"another's", func() error {
			_, err := w.UnaryCall(as(t, "customer-basic", "of-another", "yes"), &pb.SimpleRequest{})
			return err
		}, codes.PermissionDenied, "CUSTOMER_CONFLICT", false},
		{"not in the plan", func() error {
			_, err := w.CacheableUnaryCall(as(t, "customer-basic"), &pb.SimpleRequest{})
			return err
		}, codes.PermissionDenied, "FEATURE_NOT_IN_PLAN", false},
		{"no subscription", func() error {
			_, err := w.UnaryCall(as(t, "customer-none"), &pb.SimpleRequest{})
			return err
		}, codes.FailedPrecondition, "NO_ACTIVE_SUBSCRIPTION", false},
		{"archived", func() error {
			_, err := w.UnaryCall(as(t, "customer-archived"), &pb.SimpleRequest{})
			return err
		}, codes.FailedPrecondition, "CUSTOMER_ARCHIVED", false},
		{"a method that the table forgets", func() error {
			_, err := w.UnimplementedCall(as(t, "customer-basic"), &pb.Empty{})
			return err
		}, codes.PermissionDenied, "ROUTE_NOT_OPEN", false},
		{"a stream by nobody", func() error {
			s, err := w.FullDuplexCall(t.Context())
			if err == nil {
				_, err = s.Recv()
			}
			return err
		}, codes.Unauthenticated, "CUSTOMER_UNRESOLVED", false},
	} {
		err := tt.call()
		d := detailsOf(t, err)
		if status.Code(err) != tt.want || d.info.GetReason() != tt.reason || (d.quota != nil) != tt.quota || d.retry != nil {
			t.Errorf("%s: got %v %v, want %v %s", tt.name, err, d, tt.want, tt.reason)
		}
	}
}

// TestAnOutageIsUnavailable and says when to come again; who is known is served on, and billed
// once Stigg is back.
func TestAnOutageIsUnavailable(t *testing.T) {
	w := newWorld(t, &service{}, gate.WithDecisionTimeout(100*time.Millisecond), gate.WithColdTimeout(100*time.Millisecond))
	if _, err := w.EmptyCall(t.Context(), &pb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if set, err := w.gate.Entitlements(t.Context(), gate.Customer{ID: "customer-pro"}); err != nil || len(set.Features) == 0 {
		t.Fatal(set, err)
	}
	if err := w.stigg.Fault(emulator.Fault{Status: http.StatusServiceUnavailable}); err != nil {
		t.Fatal(err)
	}
	_, err := w.UnaryCall(as(t, "customer-basic"), &pb.SimpleRequest{})
	if d := detailsOf(t, err); status.Code(err) != codes.Unavailable || d.info.GetReason() != "ENTITLEMENTS_UNAVAILABLE" || d.retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("got %v %v", err, d)
	}
	if _, err := w.UnaryCall(as(t, "customer-pro"), &pb.SimpleRequest{}); err != nil {
		t.Errorf("who is known got %v", err)
	}
	w.stigg.ClearFaults()
	if n := w.counted(t, "customer-pro"); n != 1 {
		t.Errorf("Stigg counted %v, want 1", n)
	}
}

// over is a service over a Stigg in memory, whose customer "acme" has 100 units.
func over(t *testing.T, p gate.Policy, s *service) (*gatetest.Stigg, pb.TestServiceClient) {
	t.Helper()
	stigg := gatetest.New(t).Plan("team", gatetest.Metered("units", 100))
	g := stigg.Gate(identity.FromTrustedHeader("Account", ""))
	return stigg, serve(t, g, gate.Table{pb.TestService_UnaryCall_FullMethodName: p, pb.TestService_FullDuplexCall_FullMethodName: p}, gate.DenyRest, s)
}

// TestWhatIsBilled of unary calls: by the gate's own Resolver, which reads the metadata as fields
// of a header.
func TestWhatIsBilled(t *testing.T) {
	one := gate.Feature("units").Uses(1)
	returns := func(err error) func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		return func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) { return &pb.SimpleResponse{}, err }
	}
	seen := func(want int) gate.Policy {
		return one.ReportIf(func(o gate.Outcome) bool { return o.Status == want })
	}
	tests := []struct {
		name   string
		policy gate.Policy
		unary  func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error)
		want   float64
	}{
		{"an answer", one, returns(nil), 1},
		{"an error", one, returns(status.Error(codes.NotFound, "")), 0},
		{"an error that is no status", one, returns(errors.New("boom")), 0},
		{"an error with the code OK", one, returns(status.Error(codes.OK, "")), 1},
		{"a panic", one, func(context.Context, *pb.SimpleRequest) (*pb.SimpleResponse, error) { panic("boom") }, 0},
		{"NOT_FOUND is 404 to ReportIf", seen(404), returns(status.Error(codes.NotFound, "")), 1},
		{"ALREADY_EXISTS is 409", seen(409), returns(status.Error(codes.AlreadyExists, "")), 1},
		{"an error that is no status is 500", seen(500), returns(errors.New("boom")), 1},
		{"an ended context is 499", seen(499), returns(context.Canceled), 1},
		{"a deadline of the handler's own is 504", seen(504), returns(context.DeadlineExceeded), 1},
		{"settled, then failed", one, func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			_ = gate.TicketFrom(ctx).Settle()
			return nil, errors.New("boom")
		}, 1},
		{"released, then answered", one, func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			gate.TicketFrom(ctx).Release()
			return &pb.SimpleResponse{}, nil
		}, 0},
		{"an amount of the handler's", one, func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
			return &pb.SimpleResponse{}, gate.TicketFrom(ctx).Use(7)
		}, 7},
		{"an amount of the message's", gate.Feature("units").UsesFunc(func(r *http.Request) (float64, error) {
			return float64(grpcgate.Message(r.Context()).(*pb.SimpleRequest).GetResponseSize()), nil
		}), returns(nil), 9},
		{"a policy in the shadow", gate.Feature("units").Uses(1000).Shadow(), returns(nil), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stigg, c := over(t, tt.policy, &service{unary: tt.unary})
			_, _ = c.UnaryCall(as(t, "acme"), &pb.SimpleRequest{ResponseSize: 9})
			stigg.Reported(t, "acme", "units", tt.want)
		})
	}
}

// TestACallWhoseDeadlineHasPassedIsFree: the client has got DEADLINE_EXCEEDED, whatever the
// handler returns.
func TestACallWhoseDeadlineHasPassedIsFree(t *testing.T) {
	stigg, c := over(t, gate.Feature("units").Uses(1), &service{unary: func(ctx context.Context, _ *pb.SimpleRequest) (*pb.SimpleResponse, error) {
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ctx.Err() // the client left before this side's clock was there
		}
		return &pb.SimpleResponse{}, nil
	}})
	ctx, cancel := context.WithTimeout(as(t, "acme"), 50*time.Millisecond)
	defer cancel()
	if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	stigg.Reported(t, "acme", "units", 0)
}

// TestAStreamIsOneCall: the units that it says, if it ends well.
func TestAStreamIsOneCall(t *testing.T) {
	for _, fails := range []bool{false, true} {
		stigg, c := over(t, gate.Feature("units").Uses(1), &service{stream: func(s grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
			n := 0.0
			for {
				_, err := s.Recv()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
				n++
				if err := s.Send(&pb.StreamingOutputCallResponse{}); err != nil {
					return err
				}
			}
			if fails {
				return status.Error(codes.DataLoss, "")
			}
			return gate.TicketFrom(s.Context()).Use(n)
		}})
		s, err := c.FullDuplexCall(as(t, "acme"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.Send(&pb.StreamingOutputCallRequest{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.CloseSend()
		if _, err := s.Recv(); errors.Is(err, io.EOF) == fails {
			t.Errorf("it ends with %v", err)
		}
		want := 3.0
		if fails {
			want = 0
		}
		stigg.Reported(t, "acme", "units", want)
	}
}

func TestAWrongTableIsTold(t *testing.T) {
	g := gatetest.New(t).AllowAll().Gate(identity.FromTrustedHeader("Account", ""))
	for _, key := range []string{"POST /a.B/C", "a.B/C", "/a.B", "/a.B/"} {
		_, err := grpcgate.New(g, gate.Table{key: gate.Public()}, gate.DenyRest)
		if wrong := (*gate.PolicyError)(nil); !errors.As(err, &wrong) || wrong.Route != key {
			t.Errorf("%q: got %v", key, err)
		}
	}
	if _, err := grpcgate.New(g, gate.Table{}, 0); err == nil {
		t.Error("a table without a rest is taken")
	}
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, &service{})
	err := grpcgate.Verify(server, gate.Table{"/grpc.testing.TestService/Forgotten": gate.Public()})
	if wrong := (*gate.PolicyError)(nil); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}
