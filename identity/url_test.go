package identity

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

func TestFromPath(t *testing.T) {
	const org, site, any = "/orgs/{customer}", "/orgs/{customer}/sites/{resource}/", "/*/{resource}"
	tests := []struct {
		name, template, path string
		want                 resolved
	}{
		{"the path itself", org, "/orgs/acme", names("acme", "")},
		{"a trailing slash", org, "/orgs/acme/", names("acme", "")},
		{"a longer path", org, "/orgs/acme/campaigns/7", names("acme", "")},
		{"a resource", site, "/orgs/acme/sites/s-1/pages", names("acme", "s-1")},
		{"a resource alone", any, "/v1/s-1/pages", names("", "s-1")},
		{"an escaped letter", org, "/orgs/%61cme", names("acme", "")},
		{"an escaped letter of the template's", org, "/%6frgs/acme", names("acme", "")},
		{"an id that the gate refuses", org, "/orgs/a:b=c", names("a:b=c", "")},
		{"a query and a fragment are no path", org, "/orgs/acme?x=/orgs/b", names("acme", "")},
		{"an escaped slash behind", org, "/orgs/acme/files/a%2Fb", names("acme", "")},
		{"an empty segment behind", org, "/orgs/acme//files", names("acme", "")},
		{"a URL in another path", org, "/fetch/https://example.com/orgs/acme", nobody},
		{"the root", org, "/", nobody},
		{"too short", org, "/orgs", nobody},
		{"no id", org, "/orgs/", nobody},
		{"too short for a resource", site, "/orgs/acme/sites/", nobody},
		{"another path", org, "/users/" + secret, nobody},
		{"another case, which some routers take for the same", org, "/Orgs/" + secret, unclear},
		{"another case, escaped", org, "/%4frgs/" + secret, unclear},
		{"another case behind the id", site, "/orgs/acme/SITES/" + secret, unclear},
		{"another case, and too short", org, "/Orgs/", nobody},
		{"a parameter of the word", org, "/orgs;v=1/" + secret, unclear},
		{"an empty parameter of the word", org, "/orgs;/" + secret, unclear},
		{"a parameter of the word, escaped", org, "/orgs%3Bv/" + secret, unclear},
		{"a segment of parameters alone", org, "/;v=1/orgs/" + secret, unclear},
		{"a parameter of the id", org, "/orgs/" + secret + ";v=1", unclear},
		{"a parameter behind", org, "/orgs/acme/files;v=1", names("acme", "")},
		{"a dot segment with a parameter", org, "/orgs/acme/..;/" + secret, unclear},
		{"a dot segment with a parameter in front", org, "/x/..;v=1/orgs/" + secret, unclear},
		{"a backslash", org, "/orgs%5C" + secret, unclear},
		{"a backslash up", org, "/orgs/acme%5C..%5C" + secret, unclear},
		{"a backslash behind", org, "/orgs/acme/a%5Cb", names("acme", "")},
		{"a slash escaped twice", org, "/orgs%252F" + secret, unclear},
		{"a slash escaped three times, beside what is no escape", org, "/orgs%25252F" + secret + "/%25zz", unclear},
		{"a slash escaped twice behind", org, "/orgs/acme/a%252Fb", names("acme", "")},
		{"dots escaped twice", org, "/orgs/acme/%252e%252e/" + secret, unclear},
		{"a letter escaped twice", org, "/%256frgs/" + secret, unclear},
		{"an empty segment and another case", org, "//ORGS/" + secret, unclear},
		{"a parameter and another case", org, "/ORGS;v/" + secret, unclear},
		{"a per cent sign behind", org, "/orgs/acme/100%25", names("acme", "")},
		{"a per cent sign elsewhere", org, "/users/100%25", nobody},
		{"behind something", org, "/v1/orgs/" + secret, nobody},
		{"a dot segment up", org, "/orgs/acme/../" + secret, unclear},
		{"a dot segment up, escaped", org, "/orgs/acme/%2e%2E/" + secret, unclear},
		{"a dot segment up, behind an escaped slash", org, "/orgs/acme/x%2F..%2F../" + secret, unclear},
		{"a dot segment up from elsewhere", org, "/x/../orgs/" + secret, unclear},
		{"a dot segment in front", org, "/./orgs/" + secret, unclear},
		{"a dot segment as the id", org, "/orgs/..", unclear},
		{"an empty segment in front", org, "//orgs/" + secret, unclear},
		{"an empty segment between", org, "/orgs//" + secret, unclear},
		{"an empty segment in place of a part", any, "/v1//" + secret, unclear},
		{"an escaped slash in front", org, "/orgs%2F" + secret, unclear},
		{"an escaped slash in the id", org, "/orgs/acme%2f" + secret, unclear},
		{"an escaped slash that is a segment", org, "/orgs/%2F" + secret, unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := requestFor(t, "GET "+tt.path, "example.com")
			tt.want.check(t, FromPath(tt.template), r)
		})
	}
	for name, r := range map[string]*http.Request{
		"no URL":               {},
		"an empty path":        {URL: &url.URL{}},
		"of the whole server":  requestFor(t, "OPTIONS *", "example.com"),
		"a proxy's":            requestFor(t, "CONNECT example.com:443", "example.com:443"),
		"opaque":               {URL: &url.URL{Opaque: "orgs/" + secret}},
		"relative":             {URL: &url.URL{Path: "orgs/" + secret}},
		"rewritten without it": {URL: &url.URL{Path: "/users", RawPath: "/orgs/" + secret + "%2F"}},
	} {
		t.Run(name, func(t *testing.T) { nobody.check(t, FromPath(org), r) })
	}
}

func TestTemplatesThatNameNobody(t *testing.T) {
	for _, template := range []string{
		"", "/", "//", "orgs/{customer}", "/orgs", "/orgs/{org}", "/orgs/{customer}/{customer}", "/{resource}/{resource}", "/orgs//{customer}",
		"/orgs/{customer}//", "/orgs/x{customer}", "/orgs/{customer...}", "/orgs/:customer", "/../{customer}", "/./{customer}", "/a%20b/{customer}",
		"/{customer}?x", "/{customer}/{rest...}", "/a*/{customer}",
	} {
		if FromPath(template).(resolver).err == nil {
			t.Errorf("%q is taken", template)
		}
	}
}

func TestFromPathValue(t *testing.T) {
	tests := []struct {
		name, customer, resource, path string
		want                           resolved
	}{
		{"both", "org", "site", "/orgs/acme/sites/s-1", names("acme", "s-1")},
		{"a customer", "org", "", "/orgs/acme/sites/s-1", names("acme", "")},
		{"a resource", "", "site", "/orgs/acme/sites/s-1", names("", "s-1")},
		{"an escaped slash, which the gate refuses", "org", "", "/orgs/a%2Fb/sites/s-1", names("a/b", "")},
		{"a misspelled wildcard", "orgs", "", "/orgs/acme/sites/s-1", unclear},
		{"a route without the resource", "org", "site", "/orgs/acme", unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ran := false
			h := func(_ http.ResponseWriter, r *http.Request) {
				ran = true
				tt.want.check(t, FromPathValue(tt.customer, tt.resource), r)
			}
			mux := http.NewServeMux()
			mux.HandleFunc("/orgs/{org}", h)
			mux.HandleFunc("/orgs/{org}/sites/{site}", h)
			if mux.ServeHTTP(httptest.NewRecorder(), requestFor(t, "GET "+tt.path, "example.com")); !ran {
				t.Error("no route")
			}
		})
	}
	unclear.check(t, FromPathValue("org", ""), request("GET", "/orgs/"+secret, ""))
}

func TestFromSubdomain(t *testing.T) {
	resolve := FromSubdomain("Example.com.", "www", "API")
	label := strings.Repeat("a", 63)
	tests := []struct {
		name, host string
		want       resolved
	}{
		{"a label", "acme.example.com", names("acme", "")},
		{"a port", "acme.example.com:8080", names("acme", "")},
		{"an empty port", "acme.example.com:", names("acme", "")},
		{"another case", "Acme.EXAMPLE.com", names("acme", "")},
		{"the final dot", "acme.example.com.", names("acme", "")},
		{"the final dot and a port", "acme.example.com.:443", names("acme", "")},
		{"63 bytes", label + ".example.com", names(label, "")},
		{"an underscore", "a_b.example.com", names("a_b", "")},
		{"the domain itself", "example.com", nobody},
		{"the domain with a port", "example.com:80", nobody},
		{"a reserved label", "WWW.example.com", nobody},
		{"another reserved label", "api.example.com.", nobody},
		{"another domain", "acme.example.org", nobody},
		{"the domain as a label of another", "acme.example.com.evil.org", nobody},
		{"the domain as an end of another", "evilexample.com", nobody},
		{"no host", "", nobody},
		{"an address", "192.0.2.1", nobody},
		{"an address with a port", "192.0.2.1:80", nobody},
		{"an address of IPv6", "[2001:db8::1]", nobody},
		{"an address of IPv6 with a port", "[2001:db8::1]:80", nobody},
		{"an address of IPv6 without brackets", "2001:db8::1", unclear},
		{"brackets around a name", "[acme.example.com]", unclear},
		{"several labels", secret + ".b.example.com", unclear},
		{"a reserved label among several", "www." + secret + ".example.com", unclear},
		{"an empty label", ".example.com", unclear},
		{"an empty label between", secret + "..example.com", unclear},
		{"two final dots", secret + ".example.com..", unclear},
		{"64 bytes", label + "a.example.com", unclear},
		{"a hyphen in front", "-" + secret + ".example.com", unclear},
		{"a hyphen behind", secret + "-.example.com", unclear},
		{"a user", secret + "@acme.example.com", unclear},
		{"an id with an at sign", secret + "@x.example.com", unclear},
		{"a port that is none", secret + ".example.com:http", unclear},
		{"two ports", secret + ".example.com:80:80", unclear},
		{"a space", secret + " .example.com", unclear},
		{"a zero byte", secret + "\x00.example.com", unclear},
		{"a letter beyond ASCII that is lowered to one within", secret + "\u212a.example.com", unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("GET", "/", "")
			r.Host = tt.host
			r.Header.Set("X-Forwarded-Host", "spoofed.example.com")
			tt.want.check(t, resolve, r)
		})
	}
	t.Run("one label is a domain, for a laptop", func(t *testing.T) {
		r := request("GET", "/", "")
		r.Host = "acme.localhost:8080"
		names("acme", "").check(t, FromSubdomain("localhost"), r)
	})
}

func TestDomainsThatAreNone(t *testing.T) {
	for _, domain := range []string{"", ".", ".example.com", "*.example.com", "example.com:80", "https://example.com", "192.0.2.1", "::1", "exämple.com", "a..b", strings.Repeat("a.", 126) + "com"} {
		if FromSubdomain(domain).(resolver).err == nil {
			t.Errorf("%q is taken", domain)
		}
	}
	for _, reserved := range []string{"", "a.b", "www.example.com", "-"} {
		if FromSubdomain("example.com", "www", reserved).(resolver).err == nil {
			t.Errorf("%q is reserved", reserved)
		}
	}
}

// requestFor is a request as a server reads it off the wire, nil if it doesn't.
func requestFor(t *testing.T, line, host string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
	if err != nil {
		return nil
	}
	return r
}

// TestAllocsOfALongPath: a path may have half a million segments, of which a template names a few.
func TestAllocsOfALongPath(t *testing.T) {
	who := FromPath("/orgs/{customer}/*/{resource}")
	for name, path := range map[string]string{
		"long": "/orgs/acme/sites/s-1" + strings.Repeat("/a", 100_000), "of empty segments": "/orgs/acme/sites/s-1" + strings.Repeat("//", 100_000),
		"of nobody": strings.Repeat("//", 100_000), "escaped": "/orgs/acme/sites/s-1" + strings.Repeat("/%2F", 50_000),
		"escaped many times": "/orgs/acme/sites/s-1/" + strings.Repeat("%25", 70_000), "of parameters": "/orgs/acme/sites/s-1/" + strings.Repeat("a;", 70_000),
	} {
		r := requestFor(t, "GET "+path, "example.com")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = who.Resolve(r)
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > uint64(2*len(path)+4096) {
			n := after.TotalAlloc - before.TotalAlloc
			t.Errorf("%s: %d bytes for a path of %d", name, n, len(path))
		}
	}
}

// FuzzResolvers: no request makes a resolver panic, none is quoted in an error, nobody is
// named but in lower case by a host, and a path means to FromPath whom it means to
// net/http's router.
func FuzzResolvers(f *testing.F) {
	for _, s := range []struct{ target, host, header, claims string }{
		{"/orgs/acme/sites/s", "acme.example.com:80", "acme", `{"org":"acme","site":"s"}`},
		{"/orgs/a%2Fb/..//c", "[::1]:80", "", `{"org":["acme"]}`},
		{"//orgs/%2e%2e/x", "A.b.example.com.", "a b", `{"org":null}`},
		{"*", "192.0.2.1", "é", `[1]`},
		{"http://acme.example.com/orgs/%zz", "", "\x7f", `{"org":1e400}`},
	} {
		f.Add(s.target, s.host, s.header, s.claims)
	}
	claims := FromClaims(claimsIn, "org", "site")
	path, subdomain := FromPath("/orgs/{customer}"), FromSubdomain("example.com", "www")
	all := map[string]gate.Resolver{
		"claims": claims, "path": path, "subdomain": subdomain, "value": FromPathValue("org", "site"),
		"site": FromPath("/*/{customer}/sites/{resource}"), "header": FromTrustedHeader("X-Customer-ID", "X-Resource-ID"),
		"handed over": FromContext(gate.CustomerFromContext), "agree": Agree(claims, path, subdomain), "first": FirstOf(claims, FromTrustedHeader("X-Customer-ID", "")),
	}
	f.Fuzz(func(t *testing.T, target, host, header, document string) {
		r := requestFor(t, "GET "+target, host)
		if r == nil {
			r = &http.Request{Method: "GET", URL: &url.URL{Path: target, RawPath: host}, Host: host, Header: http.Header{}}
		}
		r.Header["X-Customer-Id"] = strings.Split(header, ",")
		var m map[string]any
		if json.Unmarshal([]byte(document), &m) == nil {
			r = r.WithContext(context.WithValue(r.Context(), claimsKey{}, m))
		}
		for name, resolve := range all {
			c, err := resolve.Resolve(r)
			var identity *UntrustedIdentityError
			switch {
			case err == nil && (c == gate.Customer{}):
				t.Errorf("%s names nobody and no error", name)
			case err != nil && (c != gate.Customer{}):
				t.Errorf("%s names %v with %v", name, c, err)
			case err != nil && !errors.Is(err, gate.ErrNoCustomer) && !errors.Is(err, gate.ErrCustomerConflict) && !errors.As(err, &identity):
				t.Errorf("%s fails with %T", name, err)
			}
			for _, said := range []string{target, host, header, document} {
				if err != nil && len(said) > 12 && strings.Contains(err.Error(), said) {
					t.Errorf("%s: %q quotes %q", name, err, said)
				}
			}
		}
		if c, err := subdomain.Resolve(r); err == nil && (c.ID != strings.ToLower(c.ID) || strings.Contains(c.ID, ".")) {
			t.Errorf("%q names %q", r.Host, c.ID)
		}
		agreed, err := all["agree"].Resolve(r)
		if verified, _ := claims.Resolve(r); err == nil && agreed.ID != verified.ID {
			t.Errorf("agreed on %q, verified is %q", agreed.ID, verified.ID)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/orgs/{org}/", func(_ http.ResponseWriter, r *http.Request) {
			var identity *UntrustedIdentityError
			if c, err := path.Resolve(r); !errors.As(err, &identity) && (err != nil || c.ID != r.PathValue("org")) {
				t.Errorf("%q: net/http says %q, FromPath %q, %v", r.URL.EscapedPath(), r.PathValue("org"), c.ID, err)
			}
		})
		mux.ServeHTTP(httptest.NewRecorder(), r)
	})
}
