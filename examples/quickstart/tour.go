package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// tour sends requests and shows what became of them. It expects the demo customers
// as the emulator starts with them.
type tour struct {
	out   io.Writer
	url   string
	gate  *gate.Gate
	stigg *client.Client

	expected map[account]float64 // usage that successes must have left behind
}

type account struct {
	customer gate.Customer
	feature  string
}

// stop is one request of the tour, or an upgrade of the customer to another plan, made
// in Stigg through the client.
type stop struct {
	upgrade        string
	method, target string
	customer       string
	resource       string
	megabytes      int // size of a body; -1 sends one of unknown length

	feature string // whose usage is shown; empty for none
	status  int
	code    string
	body    map[string]any // members the denial must have
}

const (
	templates = "feature-01-templates"
	campaigns = "feature-02-campaigns"

	essentials = "plan-revvenu-essentials"
)

func stops() []stop {
	created := stop{method: "POST", target: "/campaigns", customer: "customer-basic", feature: campaigns, status: 201}
	return []stop{
		{method: "GET", target: "/health", status: 200},
		{method: "GET", target: "/analytics", status: 401, code: "customer_unresolved"},
		{method: "GET", target: "/analytics", customer: "a/../b", status: 401, code: "customer_unresolved"},
		created, created, created, created,
		{method: "POST", target: "/campaigns", customer: "customer-basic", feature: campaigns, status: 402, code: "usage_limit_exceeded", body: map[string]any{"currentUsage": 4.0, "usageLimit": 4.0, "requestedUsage": 1.0}},
		{method: "GET", target: "/analytics", customer: "customer-basic", status: 402, code: "feature_not_in_plan"},
		{method: "GET", target: "/analytics", customer: "customer-demo-01", status: 200},
		{method: "POST", target: "/templates?n=3", customer: "customer-demo-01", feature: templates, status: 402, code: "usage_limit_exceeded", body: map[string]any{"currentUsage": 3.0, "usageLimit": 5.0, "requestedUsage": 3.0}},
		{method: "POST", target: "/templates?n=6", customer: "customer-demo-01", feature: templates, status: 402, code: "usage_never_fits"},
		{method: "POST", target: "/templates?n=2", customer: "customer-demo-01", feature: templates, status: 201},
		{method: "DELETE", target: "/templates?n=1", customer: "customer-demo-01", feature: templates, status: 200},
		{method: "POST", target: "/templates?n=2", customer: "customer-demo-01", resource: "site-1", feature: templates, status: 201},
		{method: "POST", target: "/templates?n=x", customer: "customer-demo-01", feature: templates, status: 400, code: "bad_amount"},
		{method: "POST", target: "/campaigns?fail=500", customer: "customer-pro", feature: campaigns, status: 500},
		{method: "POST", target: "/campaigns?panic=1", customer: "customer-pro", feature: campaigns, status: 500},
		{method: "POST", target: "/campaigns?sleep=20ms", customer: "customer-pro", feature: campaigns, status: 201},
		{method: "POST", target: "/upload", customer: "customer-basic", megabytes: 6, status: 402, code: "usage_never_fits"},
		{method: "POST", target: "/upload", customer: "customer-demo-01", megabytes: 6, status: 200},
		{method: "POST", target: "/upload", customer: "customer-demo-01", megabytes: -1, status: 411, code: "length_required"},
		{method: "GET", target: "/cities/NY", customer: "customer-pro", status: 200},
		{method: "GET", target: "/cities/TLV", customer: "customer-pro", status: 403, code: "value_not_allowed"},
		{method: "GET", target: "/cities/NY", customer: "customer-demo-01", status: 402, code: "feature_not_in_plan"},
		{method: "POST", target: "/campaigns", customer: "customer-none", status: 402, code: "no_active_subscription"},
		{method: "POST", target: "/campaigns", customer: "customer-archived", status: 403, code: "customer_archived"},
		{method: "POST", target: "/campaigns", customer: "customer-unknown", status: 403, code: "customer_not_found"},

		// Denied, upgraded, allowed: at once, without a restart.
		{method: "GET", target: "/analytics", customer: "customer-basic", status: 402, code: "feature_not_in_plan"},
		{upgrade: essentials, customer: "customer-basic", feature: campaigns},
		{method: "GET", target: "/analytics", customer: "customer-basic", status: 200},
		created,
	}
}

// take goes from stop to stop and prints a line for each. The error counts the
// answers that were not the expected ones.
func (t *tour) take(ctx context.Context) error {
	t.expected = make(map[account]float64)
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	defer func() { _ = table.Flush() }() // what was seen before an error
	fmt.Fprintln(table, "REQUEST\tCUSTOMER\tSTATUS\tCODE\tUSAGE BEFORE\tAFTER\t")
	var wrong []error
	for _, s := range stops() {
		before, _ := t.usage(ctx, s)
		got, err := t.visit(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		t.settled(ctx)
		after, used := t.usage(ctx, s)
		if s.feature != "" {
			t.expected[account{s.who(), s.feature}] = used
		}
		remark := ""
		if problem := s.check(got); problem != "" {
			remark = "<- " + problem
			wrong = append(wrong, fmt.Errorf("%s: %s", s, problem))
		}
		who := cmp.Or(strings.TrimSuffix(s.customer+"/"+s.resource, "/"), "-")
		status := cmp.Or(strings.TrimPrefix(strconv.Itoa(got.status), "0"), "-")
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s, who, status, cmp.Or(got.code, "-"), before, after, remark)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(wrong) > 0 {
		wrong = append(wrong, errors.New("the tour expects the demo customers as the emulator starts with them"))
	}
	return errors.Join(wrong...)
}

func (s stop) String() string {
	if s.upgrade != "" {
		return "upgrade to " + s.upgrade
	}
	return s.method + " " + s.target + size(s.megabytes)
}

func size(megabytes int) string {
	switch {
	case megabytes > 0:
		return fmt.Sprintf(" (%d MB)", megabytes)
	case megabytes < 0:
		return " (no length)"
	}
	return ""
}

func (s stop) who() gate.Customer { return gate.Customer{ID: s.customer, Resource: s.resource} }

// usage is what the gate knows of the stop's feature at this moment.
func (t *tour) usage(ctx context.Context, s stop) (string, float64) {
	if s.feature == "" {
		return "-", 0
	}
	d := t.gate.Check(ctx, s.who(), gate.Feature(s.feature).Asks(0))
	number := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	return number(d.Usage) + " of " + number(d.Limit), d.Usage
}

// settled waits until Stigg has acknowledged what was used so far.
func (t *tour) settled(ctx context.Context) {
	for range 100 {
		if t.gate.Stats().Queued == 0 || ctx.Err() != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// reply is what came back.
type reply struct {
	status int
	code   string
	body   map[string]any
}

func (t *tour) visit(ctx context.Context, s stop) (reply, error) {
	if s.upgrade != "" {
		done, err := t.stigg.ProvisionSubscription(ctx, client.ProvisionSubscriptionInput{
			CustomerID:         s.customer,
			SubscriptionParams: client.SubscriptionParams{PlanID: s.upgrade, BillingPeriod: client.BilledMonthly},
		})
		if err == nil && done.Status != client.ProvisionSuccess {
			err = fmt.Errorf("stigg answers %s", done.Status)
		}
		return reply{}, err
	}
	var body io.Reader
	if s.megabytes != 0 {
		body = io.LimitReader(zeros{}, int64(max(s.megabytes, 1))*1_000_000)
	}
	r, err := http.NewRequestWithContext(ctx, s.method, t.url+s.target, body)
	if err != nil {
		return reply{}, err
	}
	if s.megabytes > 0 {
		r.ContentLength = int64(s.megabytes) * 1_000_000
		r.Header.Set("Expect", "100-continue") // a refused upload is never sent
	}
	if s.customer != "" {
		r.Header.Set("X-Customer-ID", s.customer)
	}
	if s.resource != "" {
		r.Header.Set("X-Resource-ID", s.resource)
	}
	transport := &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = res.Body.Close() }()
	got := reply{status: res.StatusCode}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&got.body); err != nil {
		return got, fmt.Errorf("the answer is no JSON: %w", err)
	}
	got.code, _ = got.body["code"].(string)
	return got, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (s stop) check(got reply) string {
	if got.status != s.status || got.code != s.code {
		return fmt.Sprintf("expected %d %s", s.status, s.code)
	}
	for name, want := range s.body {
		if got.body[name] != want {
			return fmt.Sprintf("expected %s %v, got %v", name, want, got.body[name])
		}
	}
	return ""
}

// compare asks Stigg itself for its count of what the tour used, once all usage is
// delivered.
func (t *tour) compare(ctx context.Context, failed error) error {
	if failed != nil {
		return nil
	}
	for a, want := range t.expected {
		set, err := t.stigg.Entitlements(ctx, a.customer)
		if err != nil {
			return err
		}
		for _, e := range set.Features {
			if e.FeatureID == a.feature && e.Usage != want {
				return fmt.Errorf("stigg counts %v of %s for %s, the gate %v", e.Usage, a.feature, a.customer.ID, want)
			}
		}
	}
	fmt.Fprintf(t.out, "\nAll %d stops as expected. Stigg's own count agrees for all %d accounts used.\n", len(stops()), len(t.expected))
	return nil
}
