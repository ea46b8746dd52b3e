package gate_test

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

// plan is a Stigg where everybody has the same: 2 of 5 templates used. An app uses
// client.New.
type plan struct{}

func (plan) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{
		{FeatureID: "templates", DisplayName: "Templates", Kind: gate.Metered, Granted: true, Limit: 5, Usage: 2},
		{FeatureID: "tokens", DisplayName: "Tokens", Kind: gate.Metered, Granted: true, Limit: 1000},
		{FeatureID: "analytics", DisplayName: "Analytics", Kind: gate.Boolean, Granted: true},
	}, Credits: []gate.Credit{{CurrencyID: "coins", Limit: 50}}}, nil
}

func (plan) Report(_ context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	for _, u := range batch {
		switch u.Kind {
		case gate.UsageChange:
			fmt.Printf("reported: %v of %s\n", u.Value, u.FeatureID)
		case gate.UsageTotal:
			fmt.Printf("reported: %s is %v now\n", u.FeatureID, u.Value)
		case gate.UsageEvent:
			fmt.Printf("reported: event %s %s\n", u.Event, u.Dimensions["tokens"])
		case gate.UsageCredits:
			fmt.Printf("reported: %v credits of %s\n", u.Value, u.Currency)
		}
	}
	return make([]gate.Ack, len(batch)), nil
}

// newGate trusts the proxy in front of the app to set the header.
func newGate() *gate.Gate {
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""))
	if err != nil {
		panic(err)
	}
	return g
}

func ExampleServe() {
	g := newGate()
	mux := http.NewServeMux()
	mux.Handle("POST /templates", nethttp.Require(g, gate.Feature("templates").Uses(1))(http.NotFoundHandler()))
	// Until SIGTERM: then running requests finish, and what they used is delivered.
	if err := gate.Serve(context.Background(), &http.Server{Addr: "127.0.0.1:8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}, g); err != nil {
		log.Fatal(err)
	}
}

func ExampleNew() {
	type accountKey struct{} // where the authentication middleware puts the account
	account := func(ctx context.Context) (gate.Customer, bool) {
		id, ok := ctx.Value(accountKey{}).(string)
		return gate.Customer{ID: id}, ok
	}
	g, err := gate.New(plan{}, identity.FromContext(account),
		gate.WithUpgradeLink("https://app.example.com/upgrade?feature={feature}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	// Output:
}

func ExampleGate_Check() {
	g := newGate()
	defer func() { _ = g.Close(context.Background()) }()
	d := g.Check(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").Asks(4))
	fmt.Println(d.Allowed, d.Code, d.Usage, "of", d.Limit)
	// Output: false usage_limit_exceeded 2 of 5
}

func ExampleGate_Admit() {
	g := newGate()
	ticket, d := g.Admit(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").Uses(2))
	if !d.Lets() {
		fmt.Println(d.Code)
		return
	}
	defer ticket.Release() // changes nothing once it is settled
	// … the work …
	if err := ticket.Settle(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(g.Close(context.Background()))
	// Output:
	// reported: 2 of templates
	// <nil>
}

func ExampleGate_Enter() {
	g := newGate()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		ticket, ok := g.Enter(w, r, gate.Feature("templates").Uses(float64(len(body))))
		if !ok {
			return // it has answered
		}
		defer ticket.Release()
		if err := ticket.Settle(); err != nil {
			http.Error(w, "the usage can't be recorded", http.StatusServiceUnavailable)
		}
	})
	for _, body := range []string{"ab", "cdefgh"} {
		r, w := httptest.NewRequest("POST", "/templates", strings.NewReader(body)), httptest.NewRecorder()
		r.Header.Set("X-Customer-ID", "acme")
		h.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	fmt.Println(g.Close(context.Background()))
	// Unordered output:
	// 200
	// 402
	// reported: 2 of templates
	// <nil>
}

// A stream holds more as it goes on, and ends when the plan has no more.
func ExampleTicket_Extend() {
	g := newGate()
	ticket, d := g.Admit(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").UsesUpTo(2))
	if !d.Lets() {
		return
	}
	defer ticket.Release()
	used := 0.0
	for {
		if used == ticket.Held() {
			if err := ticket.Extend(2); err != nil {
				fmt.Println(err)
				break
			}
		}
		used++
	}
	fmt.Println("used", used)
	_ = ticket.Settle() // all that is held
	_ = g.Close(context.Background())
	// Output:
	// gate: more is not granted: usage_limit_exceeded
	// used 3
	// reported: 3 of templates
}

func ExampleDecisionFrom() {
	g := newGate()
	h := nethttp.Require(g, gate.Feature("templates").Has())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, _ := gate.CustomerFrom(r.Context())
		d, _ := gate.DecisionFrom(r.Context())
		fmt.Printf("%s has used %v of %v\n", c.ID, d.Usage, d.Limit)
	}))
	r := httptest.NewRequest("GET", "/templates", nil)
	r.Header.Set("X-Customer-ID", "acme")
	h.ServeHTTP(httptest.NewRecorder(), r)
	_ = g.Close(context.Background())
	// Output: acme has used 2 of 5
}

func ExampleTicket_Use() {
	g := newGate()
	answer := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// At most 500 tokens were asked for; the answer took 120.
		if err := gate.TicketFrom(r.Context()).Use(120); err != nil {
			fmt.Println(err)
		}
	})
	h := nethttp.Require(g, gate.Feature("tokens").Uses(500))(answer)

	r := httptest.NewRequest("POST", "/answer", nil)
	r.Header.Set("X-Customer-ID", "acme")
	h.ServeHTTP(httptest.NewRecorder(), r)
	_ = g.Close(context.Background())
	// Output: reported: 120 of tokens
}

func ExamplePolicy_UsesFunc() {
	perItem := gate.Feature("templates").UsesFunc(func(r *http.Request) (float64, error) {
		n, err := strconv.ParseFloat(r.URL.Query().Get("n"), 64)
		if err != nil {
			return 0, &gate.RequestError{Code: "bad_amount", Detail: "n must be a number."}
		}
		return n, nil
	})
	g := newGate()
	defer func() { _ = g.Close(context.Background()) }()
	h := nethttp.Require(g, perItem)(http.NotFoundHandler())
	for _, target := range []string{"/templates?n=4", "/templates?n=many"} {
		r := httptest.NewRequest("POST", target, nil)
		r.Header.Set("X-Customer-ID", "acme")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// 402
	// 400
}

func ExampleAll() {
	g := newGate()
	defer func() { _ = g.Close(context.Background()) }()
	report := gate.All(gate.Feature("analytics"), gate.Feature("templates").Asks(1))
	fmt.Println(g.Check(context.Background(), gate.Customer{ID: "acme"}, report).Allowed)
	// Output: true
}

func ExampleAny() {
	g := newGate()
	defer func() { _ = g.Close(context.Background()) }()
	export := gate.Any(gate.Feature("export"), gate.Feature("analytics"))
	fmt.Println(g.Check(context.Background(), gate.Customer{ID: "acme"}, export).Allowed)
	// Output: true
}

func ExampleWithStatus() {
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""),
		gate.WithStatus(gate.ReasonLimitExceeded, http.StatusTooManyRequests))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	d := g.Check(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").Asks(4))
	fmt.Println(d.Status)
	// Output: 429
}

func ExampleWithQuotaHeaders() {
	g, err := gate.New(monthly{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithQuotaHeaders(gate.QuotaHeadersDraft))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	h := nethttp.Require(g, gate.Feature("campaigns").Uses(1))(http.NotFoundHandler())
	r := httptest.NewRequest("POST", "/campaigns", nil)
	r.Header.Set("X-Customer-ID", "acme")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Header().Get("RateLimit-Policy"))
	// Output: "campaigns";q=12;w=2678400
}

func ExampleWithChallenge() {
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithChallenge(`Bearer realm="api"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	w := httptest.NewRecorder()
	nethttp.Require(g, gate.Feature("export"))(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/export", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="api"
}

// monthly is a Stigg where everybody has 12 campaigns in a month of 31 days.
type monthly struct{ plan }

func (monthly) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	start := time.Now().Add(-time.Hour)
	return gate.EntitlementSet{Features: []gate.Entitlement{{
		FeatureID: "campaigns", Kind: gate.Metered, Granted: true, Limit: 12,
		PeriodStart: start, PeriodEnd: start.Add(31 * 24 * time.Hour),
	}}}, nil
}

func ExampleWithDenialTemplate() {
	own := template.Must(template.New("denial").Parse(`<h1>{{.Title}}</h1>{{with .UpgradeURL}}<a href="{{.}}">More</a>{{end}}`))
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithDenialTemplate(own))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close(context.Background()) }()
	h := nethttp.Require(g, gate.Feature("export"))(http.NotFoundHandler())
	r := httptest.NewRequest("GET", "/export", nil)
	r.Header.Set("X-Customer-ID", "acme")
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: <h1>Not part of the plan</h1>
}

// A readiness probe keeps a gate in service that goes without something.
func ExampleGate_Ready() {
	g := newGate()
	probe := func(w http.ResponseWriter, r *http.Request) {
		if err := g.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready", strings.Join(g.Health().Degraded, "; "))
	}
	w := httptest.NewRecorder()
	probe(w, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Println(w.Code)
	// Output: 200
}

// Refusals are in the log at DEBUG, among all decisions. An app that wants them alone has an observer
// tell them; the handler may add the trace of ctx.
func ExampleObserver_refusals() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "instance" { // they differ from run to run
			return slog.Attr{}
		}
		return a
	}}))
	refusals := gate.Observer{Decided: func(ctx context.Context, d gate.Decision) {
		if !d.Lets() {
			log.InfoContext(ctx, "refused", "code", d.Code, "feature", d.FeatureID, "instance", d.Instance)
		}
	}}
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(refusals))
	if err != nil {
		panic(err)
	}
	g.Check(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").Asks(4))
	// Output: level=INFO msg=refused code=usage_limit_exceeded feature=templates
}

// Each read gets a number, and each decision is told the numbers of the reads that it waited for.
func ExampleObserver_reads() {
	type number struct{}
	var reads atomic.Int64
	of := gate.Observer{
		Reading: func(ctx context.Context) context.Context {
			return context.WithValue(ctx, number{}, reads.Add(1))
		},
		Read: func(read context.Context, _ time.Duration, err error) {
			fmt.Println("read", read.Value(number{}), "has ended:", err)
		},
		Waited: func(_, read context.Context) { fmt.Println("a decision has waited for read", read.Value(number{})) },
	}
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(of))
	if err != nil {
		panic(err)
	}
	for range 2 { // the second time it is cached
		g.Check(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").Asks(1))
	}
	// Output:
	// read 1 has ended: <nil>
	// a decision has waited for read 1
}

// An observer counts what was refused; another, for traces say, may be given beside it.
func ExampleWithObserver() {
	refused := map[string]int{}
	count := gate.Observer{Decided: func(_ context.Context, d gate.Decision) {
		if !d.Lets() {
			refused[d.Code]++
		}
	}}
	g, err := gate.New(plan{}, identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithObserver(count))
	if err != nil {
		panic(err)
	}
	g.Check(context.Background(), gate.Customer{ID: "acme"}, gate.Feature("templates").Asks(4))
	fmt.Println(refused)
	// Output: map[usage_limit_exceeded:1]
}
