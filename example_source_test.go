package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
)

// serverError says what the answer of a server means.
func serverError(r *http.Response) error {
	e := &gate.UpstreamError{Err: fmt.Errorf("the server answers %s", r.Status)}
	switch {
	case r.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(r.Header.Get("Retry-After"))
		e.RetryAfter = time.Duration(seconds) * time.Second
	case r.StatusCode == http.StatusUnprocessableEntity:
		e.Kind = gate.UpstreamRefused
	case r.StatusCode < 400:
		e.Kind = gate.UpstreamGarbled
	}
	return e
}

// A Reporter of your own says what its failures mean, so that a poisoned batch is split,
// and an outage is waited for.
func ExampleUpstreamError() {
	_, err := reporter{}.Report(context.Background(), nil)
	var e *gate.UpstreamError
	fmt.Println(errors.As(err, &e), e.Kind, e.RetryAfter, err)
	// Output: true down 20s the server answers 429 Too Many Requests
}

// reporter is one whose server is busy.
type reporter struct{}

func (reporter) Report(context.Context, []gate.Usage) ([]gate.Ack, error) {
	answer := &http.Response{Status: "429 Too Many Requests", StatusCode: 429, Header: http.Header{"Retry-After": {"20"}}}
	return nil, serverError(answer)
}

// distant is a Stigg an ocean away.
type distant struct{}

func (distant) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	time.Sleep(300 * time.Millisecond)
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "feature-analytics", Kind: gate.Boolean, Granted: true}}}, nil
}

// After a deploy the customers who are expected first are read before their requests come;
// any other may wait up to 2 s for the first read.
func ExampleGate_Warm() {
	g, err := gate.New(distant{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithColdTimeout(2*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.Warm(ctx, gate.Customer{ID: "acme"}, gate.Customer{ID: "globex"}); err != nil {
		fmt.Println(err) // the app starts all the same
	}
	fmt.Println(g.Check(ctx, gate.Customer{ID: "acme"}, gate.Feature("feature-analytics")).Allowed, g.Stats().Customers)
	// Output: true 2
}
