package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// secret is in whatever a request says; it must be in no error.
const secret = "Zq9-secret"

// resolved is what a test expects: a customer, or an error that errors.Is finds, or an
// *UntrustedIdentityError.
type resolved struct {
	c   Customer
	err error
}

var (
	nobody   = resolved{err: ErrNoCustomer}
	conflict = resolved{err: ErrCustomerConflict}
	unclear  = resolved{err: &UntrustedIdentityError{}}
)

func names(id, resource string) resolved { return resolved{c: Customer{ID: id, Resource: resource}} }

func (want resolved) check(t *testing.T, resolve Resolver, r *http.Request) {
	t.Helper()
	got, err := resolve(r)
	var identity *UntrustedIdentityError
	switch {
	case want.err == nil:
		if err != nil || got != want.c {
			t.Errorf("got %v, %v, want %v", got, err, want.c)
		}
	case got != Customer{}:
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

func always(id, resource string) Resolver {
	return func(*http.Request) (Customer, error) { return Customer{ID: id, Resource: resource}, nil }
}

func fails(err error) Resolver {
	return func(*http.Request) (Customer, error) { return Customer{}, err }
}

func TestFromContext(t *testing.T) {
	type key struct{}
	resolve := FromContext(func(ctx context.Context) (Customer, bool) {
		c, ok := ctx.Value(key{}).(Customer)
		return c, ok
	})
	r := request("GET", "/", "spoofed")
	nobody.check(t, resolve, r)
	r = r.WithContext(context.WithValue(r.Context(), key{}, Customer{ID: "verified", Resource: "site-1"}))
	names("verified", "site-1").check(t, resolve, r)
}

func TestACustomerHandedOver(t *testing.T) {
	resolve := FromContext(CustomerFromContext)
	r := request("GET", "/", "spoofed")
	nobody.check(t, resolve, r)
	ctx := ContextWithCustomer(r.Context(), Customer{ID: "outer"})
	ctx = ContextWithCustomer(ctx, Customer{ID: "verified", Resource: "site-1"})
	names("verified", "site-1").check(t, resolve, r.WithContext(ctx))
}

func TestFromContextValue(t *testing.T) {
	type key struct{}
	type user struct{ org string }
	resolve := FromContextValue(key{}, func(u *user) (Customer, bool) { return Customer{ID: u.org}, u.org != "" })
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
		verified Resolver
		named    []Resolver
		want     resolved
	}{
		{"nothing else to hold against it", always("a", ""), nil, names("a", "")},
		{"the same", always("a", ""), []Resolver{always("a", "")}, names("a", "")},
		{"nobody else named", always("a", ""), []Resolver{fails(ErrNoCustomer)}, names("a", "")},
		{"another customer", always("a", ""), []Resolver{always("b", "")}, conflict},
		{"another customer, named last", always("a", ""), []Resolver{always("a", ""), fails(ErrNoCustomer), always("b", "")}, conflict},
		{"another case", always("a", ""), []Resolver{always("A", "")}, conflict},
		{"the path alone names nobody", fails(ErrNoCustomer), []Resolver{always("a", "")}, nobody},
		{"a verified identity without an id", always("", ""), []Resolver{always("a", "")}, nobody},
		{"a verified resource without a customer", always("", "s"), []Resolver{always("a", "")}, nobody},
		{"a verified identity that fails", fails(forged), []Resolver{always("a", "")}, resolved{err: forged}},
		{"another that fails", always("a", ""), []Resolver{fails(forged)}, resolved{err: forged}},
		{"a resource from the path", always("a", ""), []Resolver{always("a", "s")}, names("a", "s")},
		{"a resource alone", always("a", ""), []Resolver{always("", "s")}, names("a", "s")},
		{"the verified resource", always("a", "s"), []Resolver{always("a", "")}, names("a", "s")},
		{"the same resource", always("a", "s"), []Resolver{always("a", "s")}, names("a", "s")},
		{"another resource than the verified one", always("a", "s"), []Resolver{always("a", "t")}, conflict},
		{"two resources, none verified", always("a", ""), []Resolver{always("a", "s"), always("", "t")}, conflict},
		{"a resource of another customer", always("a", ""), []Resolver{always("b", "s")}, conflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, Agree(tt.verified, tt.named...), request("GET", "/", "")) })
	}
}

func TestFirstOf(t *testing.T) {
	forged := errors.New("forged")
	tests := []struct {
		name string
		of   []Resolver
		want resolved
	}{
		{"the first", []Resolver{always("a", "s"), always("b", "")}, names("a", "s")},
		{"the second", []Resolver{fails(ErrNoCustomer), always("b", "")}, names("b", "")},
		{"none", []Resolver{fails(ErrNoCustomer), fails(ErrNoCustomer)}, nobody},
		{"a failure is not mended by the next", []Resolver{fails(forged), always("b", "")}, resolved{err: forged}},
		{"a conflict is not mended by the next", []Resolver{fails(ErrCustomerConflict), always("b", "")}, conflict},
		{"nor is an identity without an id, which the gate refuses", []Resolver{always("", ""), always("b", "")}, names("", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, FirstOf(tt.of...), request("GET", "/", "")) })
	}
}

// TestResolversThatCantBe holds that a mistake in wiring is found at start-up.
func TestResolversThatCantBe(t *testing.T) {
	user := func(string) (Customer, bool) { return Customer{}, false }
	tests := map[string]Resolver{
		"FromContext of nil":                      FromContext(nil),
		"FromContextValue of a nil func":          FromContextValue[string](claimsKey{}, nil),
		"FromContextValue without a key":          FromContextValue(nil, user),
		"FromContextValue of a key like no other": FromContextValue([]string{"a"}, user),
		"FromClaims of nil":                       FromClaims[map[string]any](nil, "org", ""),
		"FromClaims without a claim":              FromClaims(claimsIn, "", "site"),
		"FromTrustedHeader without a name":        FromTrustedHeader("", "X-Resource-ID"),
		"Agree without a verified identity":       Agree(nil, always("a", "")),
		"Agree with nil":                          Agree(always("a", ""), nil),
		"FirstOf nothing":                         FirstOf(),
		"FirstOf with nil":                        FirstOf(always("a", ""), nil),
		"FromPathValue without a name":            FromPathValue("", ""),
	}
	for name, r := range tests {
		if r != nil {
			t.Errorf("%s is a Resolver", name)
		}
		if _, err := New(&stub{}, r); err == nil {
			t.Errorf("a gate is made with %s", name)
		}
	}
}

// TestConflictsAreDenied holds what a client gets, and that Stigg is not asked.
func TestConflictsAreDenied(t *testing.T) {
	tests := []struct {
		name, target, customer string
		status, asked          int
	}{
		{"the path names who asks", "/orgs/acme/campaigns", "acme", 200, 1},
		{"the path names nobody", "/campaigns", "acme", 200, 1},
		{"the path names another", "/orgs/" + secret + "/campaigns", "acme", 401, 0},
		{"only the path names", "/orgs/" + secret + "/campaigns", "", 401, 0},
		{"the path is unclear", "/orgs/acme/../" + secret, "acme", 401, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{set: features(Entitlement{FeatureID: "f", Kind: Boolean, Granted: true})}
			g, err := New(s, Agree(FromTrustedHeader("X-Customer-ID", ""), FromPath("/orgs/{customer}")))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = g.Close(context.Background()) }()
			w := serve(t, g, Feature("f"), request("GET", tt.target, tt.customer), func(http.ResponseWriter, *http.Request) {})
			if w.Code != tt.status || s.count() != tt.asked {
				t.Errorf("got %d with %d loads, want %d with %d", w.Code, s.count(), tt.status, tt.asked)
			}
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("the denial quotes the request: %s", w.Body)
			}
		})
	}
}
