package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

// secret is in whatever a request says; it must be in no error.
const secret = "Zq9-secret"

// resolved is what a test expects: a customer, or an error that errors.Is finds, or an
// *UntrustedIdentityError.
type resolved struct {
	c   gate.Customer
	err error
}

var (
	nobody   = resolved{err: gate.ErrNoCustomer}
	conflict = resolved{err: gate.ErrCustomerConflict}
	unclear  = resolved{err: &UntrustedIdentityError{}}
)

func names(id, resource string) resolved {
	return resolved{c: gate.Customer{ID: id, Resource: resource}}
}

func (want resolved) check(t *testing.T, resolve gate.Resolver, r *http.Request) {
	t.Helper()
	got, err := resolve.Resolve(r)
	var identity *UntrustedIdentityError
	switch {
	case want.err == nil:
		if err != nil || got != want.c {
			t.Errorf("got %v, %v, want %v", got, err, want.c)
		}
	case got != gate.Customer{}:
		t.Errorf("%v comes with %v", got, err)
	case want == unclear:
		if !errors.As(err, &identity) || identity.Source == "" || identity.Problem == "" {
			t.Errorf("got %v, want an *UntrustedIdentityError", err)
		}
	case !errors.Is(err, want.err):
		t.Errorf("got %v, want %v", err, want.err)
	}
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("%q quotes the request", err)
	}
}

func always(id, resource string) gate.Resolver {
	return gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{ID: id, Resource: resource}, nil })
}

func fails(err error) gate.Resolver {
	return gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{}, err })
}

func TestFromContext(t *testing.T) {
	type key struct{}
	resolve := FromContext(func(ctx context.Context) (gate.Customer, bool) {
		c, ok := ctx.Value(key{}).(gate.Customer)
		return c, ok
	})
	r := request("GET", "/", "spoofed")
	nobody.check(t, resolve, r)
	r = r.WithContext(context.WithValue(r.Context(), key{}, gate.Customer{ID: "verified", Resource: "site-1"}))
	names("verified", "site-1").check(t, resolve, r)
}

func TestACustomerHandedOver(t *testing.T) {
	resolve := FromContext(gate.CustomerFromContext)
	r := request("GET", "/", "spoofed")
	nobody.check(t, resolve, r)
	ctx := gate.ContextWithCustomer(r.Context(), gate.Customer{ID: "outer"})
	ctx = gate.ContextWithCustomer(ctx, gate.Customer{ID: "verified", Resource: "site-1"})
	names("verified", "site-1").check(t, resolve, r.WithContext(ctx))
}

func TestFromContextValue(t *testing.T) {
	type key struct{}
	type user struct{ org string }
	resolve := FromContextValue(key{}, func(u *user) (gate.Customer, bool) { return gate.Customer{ID: u.org}, u.org != "" })
	tests := []struct {
		name  string
		value any
		want  resolved
	}{
		{"a user", &user{"acme"}, names("acme", "")},
		{"a user of no organisation", &user{}, nobody},
		{"no value", nil, nobody},
		{"a nil pointer, as for anonymous requests", (*user)(nil), nobody},
		{"a value of another type", user{secret}, unclear},
		{"a string", secret, unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("GET", "/", "spoofed")
			tt.want.check(t, resolve, r.WithContext(context.WithValue(r.Context(), key{}, tt.value)))
		})
	}
}

type claimsKey struct{}

func claimsIn(ctx context.Context) (map[string]any, bool) {
	m, ok := ctx.Value(claimsKey{}).(map[string]any)
	return m, ok
}

func TestFromClaims(t *testing.T) {
	resolve := FromClaims(claimsIn, "org", "site")
	tests := []struct {
		name, claims string
		want         resolved
	}{
		{"a customer", `{"org":"acme","sub":"user-1"}`, names("acme", "")},
		{"a customer and a resource", `{"org":"acme","site":"site-1"}`, names("acme", "site-1")},
		{"no claims", `null`, nobody},
		{"empty claims", `{}`, nobody},
		{"only others", `{"sub":"` + secret + `"}`, nobody},
		{"a resource without a customer", `{"site":"` + secret + `"}`, nobody},
		{"another case", `{"Org":"` + secret + `"}`, nobody},
		{"an empty string", `{"org":""}`, unclear},
		{"a whole number", `{"org":1000}`, unclear},
		{"a large number", `{"org":1e300}`, unclear},
		{"a list", `{"org":["` + secret + `"]}`, unclear},
		{"an empty list", `{"org":[]}`, unclear},
		{"an object", `{"org":{"id":"` + secret + `"}}`, unclear},
		{"null", `{"org":null}`, unclear},
		{"true", `{"org":true}`, unclear},
		{"a resource that is a number", `{"org":"acme","site":7}`, unclear},
		{"a resource that is a list", `{"org":"acme","site":["` + secret + `"]}`, unclear},
		{"a resource that is empty", `{"org":"acme","site":""}`, unclear},
		{"a resource that is null", `{"org":"acme","site":null}`, unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m map[string]any
			if err := json.Unmarshal([]byte(tt.claims), &m); err != nil {
				t.Fatal(err)
			}
			r := request("GET", "/", "spoofed")
			tt.want.check(t, resolve, r.WithContext(context.WithValue(r.Context(), claimsKey{}, m)))
		})
	}
	nobody.check(t, resolve, request("GET", "/", "spoofed"))

	t.Run("claims that come with false are not read", func(t *testing.T) {
		unverified := func(context.Context) (map[string]any, bool) { return map[string]any{"org": secret}, false }
		nobody.check(t, FromClaims(unverified, "org", ""), request("GET", "/", ""))
	})
	t.Run("a resource that is not asked for", func(t *testing.T) {
		type mapClaims map[string]any // as golang-jwt's
		verified := func(context.Context) (mapClaims, bool) { return mapClaims{"org": "acme", "": 7}, true }
		names("acme", "").check(t, FromClaims(verified, "org", ""), request("GET", "/", ""))
	})
}

func TestFromTrustedHeader(t *testing.T) {
	resolve := FromTrustedHeader("x-customer-id", "x-resource-id")
	tests := []struct {
		name               string
		customer, resource []string
		want               resolved
	}{
		{"a customer", []string{"acme"}, nil, names("acme", "")},
		{"a customer and a resource", []string{"acme"}, []string{"site-1"}, names("acme", "site-1")},
		{"none", nil, nil, nobody},
		{"empty", []string{""}, nil, nobody},
		{"twice", []string{secret, secret}, nil, unclear},
		{"the resource twice", []string{"acme"}, []string{secret, "b"}, unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("GET", "/", "")
			r.Header = http.Header{"X-Customer-Id": tt.customer, "X-Resource-Id": tt.resource}
			tt.want.check(t, resolve, r)
		})
	}
}

func TestAgree(t *testing.T) {
	forged := errors.New("forged")
	tests := []struct {
		name     string
		verified gate.Resolver
		named    []gate.Resolver
		want     resolved
	}{
		{"nothing else to hold against it", always("a", ""), nil, names("a", "")},
		{"the same", always("a", ""), []gate.Resolver{always("a", "")}, names("a", "")},
		{"nobody else named", always("a", ""), []gate.Resolver{fails(gate.ErrNoCustomer)}, names("a", "")},
		{"another customer", always("a", ""), []gate.Resolver{always("b", "")}, conflict},
		{"another customer, named last", always("a", ""), []gate.Resolver{always("a", ""), fails(gate.ErrNoCustomer), always("b", "")}, conflict},
		{"another case", always("a", ""), []gate.Resolver{always("A", "")}, conflict},
		{"the path alone names nobody", fails(gate.ErrNoCustomer), []gate.Resolver{always("a", "")}, nobody},
		{"a verified identity without an id", always("", ""), []gate.Resolver{always("a", "")}, nobody},
		{"a verified resource without a customer", always("", "s"), []gate.Resolver{always("a", "")}, nobody},
		{"a verified identity that fails", fails(forged), []gate.Resolver{always("a", "")}, resolved{err: forged}},
		{"another that fails", always("a", ""), []gate.Resolver{fails(forged)}, resolved{err: forged}},
		{"a resource from the path", always("a", ""), []gate.Resolver{always("a", "s")}, names("a", "s")},
		{"a resource alone", always("a", ""), []gate.Resolver{always("", "s")}, names("a", "s")},
		{"the verified resource", always("a", "s"), []gate.Resolver{always("a", "")}, names("a", "s")},
		{"the same resource", always("a", "s"), []gate.Resolver{always("a", "s")}, names("a", "s")},
		{"another resource than the verified one", always("a", "s"), []gate.Resolver{always("a", "t")}, conflict},
		{"two resources, none verified", always("a", ""), []gate.Resolver{always("a", "s"), always("", "t")}, conflict},
		{"a resource of another customer", always("a", ""), []gate.Resolver{always("b", "s")}, conflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, Agree(tt.verified, tt.named...), request("GET", "/", "")) })
	}
}

func TestFirstOf(t *testing.T) {
	forged := errors.New("forged")
	tests := []struct {
		name string
		of   []gate.Resolver
		want resolved
	}{
		{"the first", []gate.Resolver{always("a", "s"), always("b", "")}, names("a", "s")},
		{"the second", []gate.Resolver{fails(gate.ErrNoCustomer), always("b", "")}, names("b", "")},
		{"none", []gate.Resolver{fails(gate.ErrNoCustomer), fails(gate.ErrNoCustomer)}, nobody},
		{"a failure is not mended by the next", []gate.Resolver{fails(forged), always("b", "")}, resolved{err: forged}},
		{"a conflict is not mended by the next", []gate.Resolver{fails(gate.ErrCustomerConflict), always("b", "")}, conflict},
		{"nor is an identity without an id, which the gate refuses", []gate.Resolver{always("", ""), always("b", "")}, names("", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, FirstOf(tt.of...), request("GET", "/", "")) })
	}
}

// TestResolversThatCantBe holds that a mistake in wiring is found at start-up, each of them,
// with the Resolver's name and the reason.
func TestResolversThatCantBe(t *testing.T) {
	chosen := func(maker string) string {
		return "Agree: the first Resolver is what authentication has verified, and " + maker + " reads what a client chooses: put it behind one that is"
	}
	user := func(string) (gate.Customer, bool) { return gate.Customer{}, false }
	tests := []struct {
		name string
		r    gate.Resolver
		want string
	}{
		{"FromContext of nil", FromContext(nil), "FromContext: the function is nil"},
		{"FromContextValue of a nil func", FromContextValue[string](claimsKey{}, nil), "FromContextValue: the function is nil"},
		{"FromContextValue without a key", FromContextValue(nil, user), "FromContextValue: the key is nil, or of a type that can't be compared"},
		{"FromContextValue of a key like no other", FromContextValue([]string{"a"}, user), "FromContextValue: the key is nil, or of a type that can't be compared"},
		{"FromClaims of nil", FromClaims[map[string]any](nil, "org", ""), "FromClaims: the function is nil"},
		{"FromClaims without a claim", FromClaims(claimsIn, "", "site"), "FromClaims: there is no name of the customer's claim"},
		{"FromTrustedHeader without a name", FromTrustedHeader("", "X-Resource-ID"), "FromTrustedHeader: there is no name of the customer's header"},
		{"FromTrustedHeader with a space", FromTrustedHeader("X Customer-ID", ""), `FromTrustedHeader: "X Customer-ID" is no name of a header`},
		{"FromTrustedHeader with a colon, of the resource", FromTrustedHeader("X-Customer-ID", "X-Site:"), `FromTrustedHeader: "X-Site:" is no name of a header`},
		{"FromPathValue without a name", FromPathValue("", ""), "FromPathValue: both wildcards have no name"},
		{"FromSubdomain of an address", FromSubdomain("192.0.2.1"), `FromSubdomain: the domain "192.0.2.1" is no domain name`},
		{"FromSubdomain without a label", FromSubdomain("example.com", "a.b"), `FromSubdomain: the reserved label "a.b" is no label`},
		{"Agree without a verified identity", Agree(nil, always("a", "")), "Agree: Resolver 1 is nil"},
		{"Agree with nil", Agree(always("a", ""), nil), "Agree: Resolver 2 is nil"},
		{"Agree with what authentication says behind the path", Agree(FromPath("/orgs/{customer}"), always("a", "")), chosen("FromPath")},
		{"Agree with a subdomain alone", Agree(FromSubdomain("example.com")), chosen("FromSubdomain")},
		{"Agree with what may be a path's value", Agree(FirstOf(always("a", ""), FromPathValue("org", "")), always("a", "")), chosen("FromPathValue")},
		{"FirstOf nothing", FirstOf(), "FirstOf: there is no Resolver"},
		{"FirstOf with nil", FirstOf(always("a", ""), nil), "FirstOf: Resolver 2 is nil"},
		{
			"several mistakes", FirstOf(Agree(FromContext(nil), FromPath("orgs/{customer}")), FromTrustedHeader("", "")),
			"FromContext: the function is nil\nidentity: FromPath: the template \"orgs/{customer}\" does not begin with a slash\nidentity: FromTrustedHeader: there is no name of the customer's header",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := gate.New(stubstigg.New(), tt.r)
			var wrong *ResolverError
			if err == nil || !errors.As(err, &wrong) || err.Error() != "gate: new: identity: "+tt.want {
				t.Errorf("New says %v", err)
			}
			if c, err := tt.r.Resolve(request("GET", "/", "spoofed")); err == nil || c != (gate.Customer{}) {
				t.Errorf("it resolves %v, %v", c, err)
			}
		})
	}
	if _, err := gate.New(stubstigg.New(), gate.ResolverFunc(nil)); err == nil {
		t.Error("a gate is made with a nil function")
	}
}

// TestConflictsAreDenied holds what a client gets, and that Stigg is not asked.
func TestConflictsAreDenied(t *testing.T) {
	tests := []struct {
		name, target, customer string
		status, asked          int
		code                   string
	}{
		{"the path names who asks", "/orgs/acme/campaigns", "acme", 200, 1, ""},
		{"the path names nobody", "/campaigns", "acme", 200, 1, ""},
		{"the path names another", "/orgs/" + secret + "/campaigns", "acme", 403, 0, "customer_conflict"},
		{"only the path names", "/orgs/" + secret + "/campaigns", "", 401, 0, "customer_unresolved"},
		{"the path is unclear", "/orgs/acme/../" + secret, "acme", 401, 0, "customer_unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stubstigg.New(gate.Entitlement{FeatureID: "f", Kind: gate.Boolean, Granted: true})
			g, err := gate.New(s, Agree(FromTrustedHeader("X-Customer-ID", ""), FromPath("/orgs/{customer}")))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = g.Close(context.Background()) }()
			w := httptest.NewRecorder()
			nethttp.Require(g, gate.Feature("f"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, request("GET", tt.target, tt.customer))
			var body struct{ Code string }
			_ = json.Unmarshal(w.Body.Bytes(), &body)
			if n := int(g.Stats().Loads); w.Code != tt.status || body.Code != tt.code || n != tt.asked {
				t.Errorf("got %d %s with %d loads, want %d %s with %d", w.Code, body.Code, n, tt.status, tt.code, tt.asked)
			}
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("the denial quotes the request: %s", w.Body)
			}
		})
	}
}

func request(method, target, customer string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if customer != "" {
		r.Header.Set("X-Customer-ID", customer)
	}
	return r
}
