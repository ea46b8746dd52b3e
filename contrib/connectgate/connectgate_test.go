package connectgate_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/contrib/connectgate"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
)

const (
	campaigns = "feature-02-campaigns" // customer-basic may use 4

	createProcedure = "/acme.v1.Campaigns/Create"
	showProcedure   = "/acme.v1.Campaigns/Show"
	watchProcedure  = "/acme.v1.Campaigns/Watch"
	healthProcedure = "/acme.v1.Campaigns/Health"
	forgotProcedure = "/acme.v1.Campaigns/Forgotten"
)

type (
	message = wrapperspb.Int64Value
	unary   = func(context.Context, *message) (*message, error)
	stream  = func(context.Context, *connect.BidiStream[message, message]) error
)

func answers(_ context.Context, m *message) (*message, error) { return m, nil }

// table is the policies of the service under test.
func table() gate.Table {
	return gate.Table{
		createProcedure: gate.Feature(campaigns).Uses(1), watchProcedure: gate.Feature(campaigns).Uses(1),
		showProcedure: gate.Feature("feature-05-integrations"), healthProcedure: gate.Public(),
	}
}

// app is a service behind a gate, over a socket, and how to call it.
type app struct {
	url  string
	http *http.Client
	with []connect.ClientOption
}

// serve serves over HTTP/2 with TLS. create is the handler of all unary procedures, watch that
// of the stream.
func serve(t *testing.T, gates *connectgate.Gates, create unary, watch stream) *app {
	t.Helper()
	interceptors := connect.WithInterceptors(gates)
	recovered := connect.WithRecover(func(context.Context, connect.Spec, http.Header, any) error {
		return connect.NewError(connect.CodeInternal, errors.New("panicked"))
	})
	mux := http.NewServeMux()
	for _, procedure := range []string{createProcedure, showProcedure, healthProcedure, forgotProcedure} {
		mux.Handle(procedure, connect.NewUnaryHandlerSimple(procedure, create, recovered, interceptors, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	}
	mux.Handle(watchProcedure, connect.NewBidiStreamHandler(watchProcedure, watch, recovered, interceptors))
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return &app{url: s.URL, http: s.Client()}
}

// call calls a unary procedure as a customer; nobody if that is empty.
func (a *app) call(ctx context.Context, procedure, customer string, n int64, header ...string) error {
	r := connect.NewRequest(wrapperspb.Int64(n))
	if customer != "" {
		r.Header().Set("Account", customer)
	}
	for _, name := range header {
		r.Header().Set(name, "yes")
	}
	_, err := connect.NewClient[message, message](a.http, a.url+procedure, a.with...).CallUnary(ctx, r)
	return err
}

// protocols are how a handler is called.
func protocols() map[string][]connect.ClientOption {
	return map[string][]connect.ClientOption{
		"Connect": nil, "Connect by GET": {connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)},
		"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	}
}

// world is the service in front of an emulated Stigg.
type world struct {
	*app
	stigg *emulator.Server
	gate  *gate.Gate
}

func newWorld(t *testing.T, options ...gate.Option) *world {
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
	g, err := gate.New(source, identity.FromTrustedHeader("Account", ""), append([]gate.Option{gate.WithDecisionTimeout(time.Minute), gate.WithColdTimeout(time.Minute)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close(context.Background()) })
	gates, err := connectgate.New(g, table(), gate.DenyRest)
	if err != nil {
		t.Fatal(err)
	}
	return &world{serve(t, gates, answers, nil), stigg, g}
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

// details are those of google.rpc in an error.
type details struct {
	info  *errdetails.ErrorInfo
	quota *errdetails.QuotaFailure
	retry *errdetails.RetryInfo
	help  *errdetails.Help
}

func detailsOf(t *testing.T, err error) (d details) {
	t.Helper()
	var failed *connect.Error
	if !errors.As(err, &failed) {
		return d
	}
	for _, detail := range failed.Details() {
		value, err := detail.Value()
		if err != nil {
			t.Error(err)
		}
		switch value := value.(type) {
		case *errdetails.ErrorInfo:
			d.info = value
		case *errdetails.QuotaFailure:
			d.quota = value
		case *errdetails.RetryInfo:
			d.retry = value
		case *errdetails.Help:
			d.help = value
		default:
			t.Errorf("a detail of another type: %T %v", value, value)
		}
	}
	return d
}

// TestNobodyPassesTheLimit: of many calls at the same time, by all protocols, as many succeed as
// the plan allows, and Stigg counts those.
func TestNobodyPassesTheLimit(t *testing.T) {
	w := newWorld(t)
	var ok atomic.Int32
	var wait sync.WaitGroup
	for _, with := range protocols() {
		by := &app{w.url, w.http, with}
		for range 10 {
			wait.Go(func() {
				for {
					err := by.call(t.Context(), createProcedure, "customer-basic", 1)
					if err == nil {
						ok.Add(1)
						return
					}
					if connect.CodeOf(err) != connect.CodeResourceExhausted {
						t.Errorf("got %v", err)
						return
					}
					if detailsOf(t, err).retry == nil {
						return
					}
				}
			})
		}
	}
	wait.Wait()
	if n := w.counted(t, "customer-basic"); ok.Load() != 4 || n != 4 {
		t.Errorf("%d calls succeeded and Stigg counted %v, want 4 and 4", ok.Load(), n)
	}
}

func TestADenialTellsAll(t *testing.T) {
	instances := make(chan string, 100)
	w := newWorld(t, gate.WithUpgradeLink("https://acme.example/upgrade?for={feature}"), gate.WithObserver(gate.Observer{Decided: func(_ context.Context, d gate.Decision) {
		if d.Reason == gate.ReasonLimitExceeded {
			instances <- d.Instance
		}
	}}))
	var err error
	for err == nil || detailsOf(t, err).retry != nil {
		err = w.call(t.Context(), createProcedure, "customer-basic", 1)
	}
	<-instances
	for name, with := range protocols() {
		err := (&app{w.url, w.http, with}).call(t.Context(), createProcedure, "customer-basic", 1)
		d := detailsOf(t, err)
		if connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(err.Error(), "You have used all 4 ") || strings.Contains(err.Error(), "customer-basic") {
			t.Errorf("%s: got %v", name, err)
		}
		if d.info.GetReason() != "USAGE_LIMIT_EXCEEDED" || d.info.GetDomain() != "github.com/stiggate/gate" {
			t.Errorf("%s: got %v", name, d.info)
		}
		for key, want := range map[string]string{
			"feature": campaigns, "usage": "4", "limit": "4", "requested": "1", "accessDeniedReason": "RequestedUsageExceedingLimit", "instance": <-instances,
		} {
			if got := d.info.GetMetadata()[key]; got != want {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}
		if v := d.quota.GetViolations(); len(v) != 1 || v[0].GetSubject() != "feature:"+campaigns {
			t.Errorf("%s: got %v", name, d.quota)
		}
		if l := d.help.GetLinks(); len(l) != 1 || l[0].GetUrl() != "https://acme.example/upgrade?for="+campaigns {
			t.Errorf("%s: got %v", name, d.help)
		}
	}
}

func TestCodes(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name                string
		procedure, customer string
		want                connect.Code
		reason              string
	}{
		{"a public procedure asks nobody", healthProcedure, "", 0, ""},
		{"nobody", createProcedure, "", connect.CodeUnauthenticated, "CUSTOMER_UNRESOLVED"},
		{"not in the plan", showProcedure, "customer-basic", connect.CodePermissionDenied, "FEATURE_NOT_IN_PLAN"},
		{"no subscription", createProcedure, "customer-none", connect.CodeFailedPrecondition, "NO_ACTIVE_SUBSCRIPTION"},
		{"a procedure that the table forgets", forgotProcedure, "customer-basic", connect.CodePermissionDenied, "ROUTE_NOT_OPEN"},
	} {
		for name, with := range protocols() {
			err := (&app{w.url, w.http, with}).call(t.Context(), tt.procedure, tt.customer, 1)
			var code connect.Code
			if err != nil {
				code = connect.CodeOf(err)
			}
			if d := detailsOf(t, err); code != tt.want || d.info.GetReason() != tt.reason || d.quota != nil || d.retry != nil {
				t.Errorf("%s, %s: got %v %v, want %v %s", tt.name, name, err, d, tt.want, tt.reason)
			}
		}
	}
}

// TestAnOutageIsUnavailable and says when to come again; who is known is served on.
func TestAnOutageIsUnavailable(t *testing.T) {
	w := newWorld(t, gate.WithDecisionTimeout(100*time.Millisecond), gate.WithColdTimeout(100*time.Millisecond))
	if set, err := w.gate.Entitlements(t.Context(), gate.Customer{ID: "customer-pro"}); err != nil || len(set.Features) == 0 {
		t.Fatal(set, err)
	}
	if err := w.stigg.Fault(emulator.Fault{Status: http.StatusServiceUnavailable}); err != nil {
		t.Fatal(err)
	}
	err := w.call(t.Context(), createProcedure, "customer-basic", 1)
	if d := detailsOf(t, err); connect.CodeOf(err) != connect.CodeUnavailable || d.info.GetReason() != "ENTITLEMENTS_UNAVAILABLE" || d.retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("got %v %v", err, d)
	}
	if err := w.call(t.Context(), createProcedure, "customer-pro", 1); err != nil {
		t.Errorf("who is known got %v", err)
	}
	w.stigg.ClearFaults()
	if n := w.counted(t, "customer-pro"); n != 1 {
		t.Errorf("Stigg counted %v, want 1", n)
	}
}

// over is a service over a Stigg in memory, whose customer "acme" has 100 units.
func over(t *testing.T, p gate.Policy, create unary, watch stream, with ...connectgate.Option) (*gatetest.Stigg, *app) {
	t.Helper()
	stigg := gatetest.New(t).Plan("team", gatetest.Metered("units", 100))
	g := stigg.Gate(identity.FromTrustedHeader("Account", ""))
	gates, err := connectgate.New(g, gate.Table{createProcedure: p, watchProcedure: p}, gate.DenyRest, with...)
	if err != nil {
		t.Fatal(err)
	}
	return stigg, serve(t, gates, create, watch)
}

func TestWhatIsBilled(t *testing.T) {
	one := gate.Feature("units").Uses(1)
	returns := func(err error) unary {
		return func(_ context.Context, m *message) (*message, error) { return m, err }
	}
	code := func(c connect.Code) unary { return returns(connect.NewError(c, nil)) }
	seen := func(want int) gate.Policy {
		return one.ReportIf(func(o gate.Outcome) bool { return o.Status == want })
	}
	tests := []struct {
		name   string
		policy gate.Policy
		create unary
		want   float64
	}{
		{"an answer", one, answers, 1},
		{"an error", one, code(connect.CodeNotFound), 0},
		{"an error that has no code", one, returns(errors.New("boom")), 0},
		{"a panic", one, func(context.Context, *message) (*message, error) { panic("boom") }, 0},
		{"not_found is 404 to ReportIf", seen(404), code(connect.CodeNotFound), 1},
		{"already_exists is 409", seen(409), code(connect.CodeAlreadyExists), 1},
		{"an error that has no code is 500", seen(500), returns(errors.New("boom")), 1},
		{"an ended context is 499", seen(499), returns(context.Canceled), 1},
		{"a deadline of the handler's own is 504", seen(504), returns(context.DeadlineExceeded), 1},
		{"settled, then failed", one, func(ctx context.Context, _ *message) (*message, error) {
			_ = gate.TicketFrom(ctx).Settle()
			return nil, errors.New("boom")
		}, 1},
		{"an amount of the handler's", one, func(ctx context.Context, m *message) (*message, error) {
			return m, gate.TicketFrom(ctx).Use(7)
		}, 7},
		{"an amount of the message's", gate.Feature("units").UsesFunc(func(r *http.Request) (float64, error) {
			return float64(connectgate.Message(r.Context()).(*message).GetValue()), nil
		}), answers, 9},
		{"a policy in the shadow", gate.Feature("units").Uses(1000).Shadow(), answers, 0},
	}
	for _, tt := range tests {
		for name, with := range protocols() {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				stigg, a := over(t, tt.policy, tt.create, nil)
				a.with = with
				_ = a.call(t.Context(), createProcedure, "acme", 9)
				stigg.Reported(t, "acme", "units", tt.want)
			})
		}
	}
}

// TestAnAnswerThatNothingHasChanged is a success in answer to GET, and else an error.
func TestAnAnswerThatNothingHasChanged(t *testing.T) {
	for name, with := range protocols() {
		stigg, a := over(t, gate.Feature("units").Uses(1), func(context.Context, *message) (*message, error) {
			return nil, connect.NewNotModifiedError(nil)
		}, nil)
		a.with = with
		if err := a.call(t.Context(), createProcedure, "acme", 1); err == nil {
			t.Errorf("%s: no error", name)
		}
		want := 0.0
		if strings.HasSuffix(name, "GET") {
			want = 1
		}
		stigg.Reported(t, "acme", "units", want)
	}
}

// TestACallWhoseDeadlineHasPassedIsFree: the client has got deadline_exceeded, whatever the
// handler returns.
func TestACallWhoseDeadlineHasPassedIsFree(t *testing.T) {
	stigg, a := over(t, gate.Feature("units").Uses(1), func(ctx context.Context, m *message) (*message, error) {
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, ctx.Err() // the client left before this side's clock was there
		}
		return m, nil
	}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.call(ctx, createProcedure, "acme", 1); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Errorf("got %v", err)
	}
	stigg.Reported(t, "acme", "units", 0)
}

// TestAStreamIsOneCall: the units that it says, if it ends well.
func TestAStreamIsOneCall(t *testing.T) {
	for _, fails := range []bool{false, true} {
		stigg, a := over(t, gate.Feature("units").Uses(1), nil, func(ctx context.Context, s *connect.BidiStream[message, message]) error {
			n := 0.0
			for {
				m, err := s.Receive()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
				n++
				if err := s.Send(m); err != nil {
					return err
				}
			}
			if fails {
				return connect.NewError(connect.CodeDataLoss, nil)
			}
			return gate.TicketFrom(ctx).Use(n)
		})
		s := connect.NewClient[message, message](a.http, a.url+watchProcedure).CallBidiStream(t.Context())
		s.RequestHeader().Set("Account", "acme")
		for range 3 {
			if err := s.Send(wrapperspb.Int64(1)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.CloseRequest()
		if _, err := s.Receive(); errors.Is(err, io.EOF) == fails {
			t.Errorf("it ends with %v", err)
		}
		want := 3.0
		if fails {
			want = 0
		}
		stigg.Reported(t, "acme", "units", want)
	}
}

// TestWithCustomer: a call may name its customer in another way than the gate's Resolver does.
func TestWithCustomer(t *testing.T) {
	stigg, a := over(t, gate.Feature("units").Uses(1), answers, nil, connectgate.WithCustomer(func(ctx context.Context) (gate.Customer, error) {
		info, _ := connect.CallInfoForHandlerContext(ctx)
		if info.RequestHeader().Get("Of-Another") != "" {
			return gate.Customer{}, gate.ErrCustomerConflict
		}
		return gate.Customer{ID: "by-context"}, nil
	}))
	if err := a.call(t.Context(), createProcedure, "acme", 1); err != nil {
		t.Error(err)
	}
	if err := a.call(t.Context(), createProcedure, "acme", 1, "Of-Another"); connect.CodeOf(err) != connect.CodePermissionDenied || detailsOf(t, err).info.GetReason() != "CUSTOMER_CONFLICT" {
		t.Errorf("got %v", err)
	}
	stigg.Reported(t, "by-context", "units", 1)
	stigg.Reported(t, "acme", "units", 0)
}

// TestClientsAreLeftAlone: an interceptor that an app gives to its clients, too, asks for nothing.
func TestClientsAreLeftAlone(t *testing.T) {
	stigg, a := over(t, gate.Feature("units").Uses(1), answers, nil)
	nobody := gatetest.New(t).Gate(identity.FromTrustedHeader("Account", ""))
	gates, err := connectgate.New(nobody, gate.Table{}, gate.DenyRest)
	if err != nil {
		t.Fatal(err)
	}
	a.with = []connect.ClientOption{connect.WithInterceptors(gates)}
	if err := a.call(t.Context(), createProcedure, "acme", 1); err != nil {
		t.Error(err)
	}
	stigg.Reported(t, "acme", "units", 1)
}

func TestAWrongTableIsTold(t *testing.T) {
	g := gatetest.New(t).AllowAll().Gate(identity.FromTrustedHeader("Account", ""))
	for _, key := range []string{"POST /a.B/C", "a.B/C", "/a.B", "/a.B/"} {
		_, err := connectgate.New(g, gate.Table{key: gate.Public()}, gate.DenyRest)
		if wrong := (*gate.PolicyError)(nil); !errors.As(err, &wrong) || wrong.Route != key {
			t.Errorf("%q: got %v", key, err)
		}
	}
}
