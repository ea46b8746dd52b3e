package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

func TestNewRefusesWhatIsNoKey(t *testing.T) {
	for name, key := range map[string]string{
		"an empty key":             "",
		"a key with a space":       "ke y-secret",
		"a key ending in newline":  "key-secret\n",
		"a key with a header":      "key-secret\r\nX-Evil: 1",
		"a key with a tab":         "\tkey-secret",
		"a key with a DEL":         "key-secret\x7f",
		"a key that is not ASCII":  "key-secret-é",
		"a key with a zero byte":   "key-secret\x00",
		"a key that is all spaces": "   ",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(key)
			if err == nil || c != nil {
				t.Fatalf("New gave %v, %v, want an error", c, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

func TestNewRefusesOptionsThatCantBeUsed(t *testing.T) {
	for name, opt := range map[string]Option{
		"no option":                 nil,
		"a relative endpoint":       WithEndpoint("api.stigg.io"),
		"an endpoint without host":  WithEndpoint("https:///graphql"),
		"an endpoint of no port":    WithEndpoint("https://:443"),
		"an opaque endpoint":        WithEndpoint("https:api.stigg.io"),
		"an ftp endpoint":           WithEndpoint("ftp://api.stigg.io"),
		"an endpoint with a user":   WithEndpoint("https://secret:word@api.stigg.io"),
		"an endpoint with a query":  WithEndpoint("https://api.stigg.io?secret=1"),
		"an endpoint with a ?":      WithEndpoint("https://api.stigg.io?"),
		"an endpoint with fragment": WithEndpoint("https://api.stigg.io#secret"),
		"an endpoint with a #":      WithEndpoint("https://api.stigg.io#"),
		"an unparsable endpoint":    WithEndpoint("https://secret%zz"),
		"http to anywhere":          WithEndpoint("http://api.stigg.io"),
		"http to a name like ours":  WithEndpoint("http://localhost.example.com"),
		"http to any address":       WithEndpoint("http://0.0.0.0:4100"),
		"plaintext to nobody":       WithPlaintextTo(),
		"plaintext to a URL":        WithPlaintextTo("http://emulator"),
		"plaintext to a port":       WithPlaintextTo("emulator:4100"),
		"plaintext to a path":       WithPlaintextTo("emulator/graphql"),
		"plaintext to everybody":    WithPlaintextTo("*"),
		"plaintext to an empty one": WithPlaintextTo("emulator", ""),
		"plaintext to Stigg":        WithPlaintextTo("API.stigg.io."),
		"a timeout without a unit":  WithTimeout(30),
		"a wait without a unit":     WithRetry(2, 10),
		"a nil transport":           WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)}),
		"http to the next machine":  WithEndpoint("http://10.0.0.2/graphql"),
		"an edge by http":           WithEdge("http://edge.api.stigg.io"),
		"no key function":           WithKeyFunc(nil),
		"a key and a key function":  WithKeyFunc(func(context.Context) (string, error) { return "k", nil }),
		"no logger":                 WithLogger(nil),
		"no HTTP client":            WithHTTPClient(nil),
		"a timeout of zero":         WithTimeout(0),
		"a negative timeout":        WithTimeout(-time.Second),
		"a timeout of an hour":      WithTimeout(time.Hour),
		"no attempt":                WithRetry(0, 0),
		"too many attempts":         WithRetry(11, 0),
		"a negative wait":           WithRetry(2, -1),
		"a wait of an hour":         WithRetry(2, time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(testKey, opt)
			if err == nil {
				t.Fatal("New gave no error")
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), testKey) {
				t.Errorf("the error quotes its argument: %v", err)
			}
		})
	}
}

func TestEndpointIsTheBaseOfGraphQL(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.stigg.io":      "https://api.stigg.io/graphql",
		"https://api.stigg.io/":     "https://api.stigg.io/graphql",
		"http://127.0.0.1:8080/dev": "http://127.0.0.1:8080/dev/graphql",
		"HTTPS://[::1]:8443":        "https://[::1]:8443/graphql",
		"http://[::1]:8443":         "http://[::1]:8443/graphql",
		"http://LOCALHOST:8443":     "http://LOCALHOST:8443/graphql",
		"http://stigg.localhost":    "http://stigg.localhost/graphql",
		"":                          DefaultEndpoint + "/graphql",
	} {
		c, err := New(testKey, WithEndpoint(base))
		if err != nil {
			t.Fatalf("%s: %v", base, err)
		}
		if c.endpoint != want {
			t.Errorf("%s became %s, want %s", base, c.endpoint, want)
		}
	}
}

func TestRequestCarriesTheHeadersAndTheWholeKey(t *testing.T) {
	c, rec := serve(t, says(200, `{"data":{"entitlementsState":{"entitlementsV2":[]}}}`))
	if _, err := c.Entitlements(context.Background(), gate.Customer{ID: "acme", Resource: "site-1"}); err != nil {
		t.Fatal(err)
	}
	got := rec.last(t)
	for name, want := range map[string]string{
		"X-API-KEY":                    testKey,
		"x-graphql-operation-name":     "GetEntitlementsState",
		"apollographql-client-name":    "stiggate",
		"apollographql-client-version": Version,
		"User-Agent":                   "stiggate/" + Version,
		"Content-Type":                 "application/json",
	} {
		if have := got.header.Get(name); have != want {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}
	if got.path != "/graphql" || got.body.OperationName != "GetEntitlementsState" {
		t.Errorf("the request went to %s as %s", got.path, got.body.OperationName)
	}
	want := `{"customerId":"acme","resourceId":"site-1"}`
	if have := string(got.body.Variables["query"]); have != want {
		t.Errorf("the variable is %s, want %s", have, want)
	}
}

func TestNoRenderingOfAClientShowsTheKey(t *testing.T) {
	c, err := New(testKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range renderings(c) {
		noSecret(t, text)
	}
	for _, text := range append(renderings(*c), fmt.Sprintf("%p", *c)) {
		noSecret(t, text)
	}
	for _, text := range renderings(struct {
		c  *Client
		v  Client
		in any
	}{c, *c, c}) {
		noSecret(t, text)
	}
}

// renderings prints v in every way that a log might.
func renderings(v any) []string {
	var all []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		all = append(all, fmt.Sprintf(verb, v))
	}
	all = append(all, fmt.Sprint(v), fmt.Sprintln(v))
	if b, err := json.Marshal(v); err == nil {
		all = append(all, string(b))
	}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("it", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("it", "v", v)
	return append(all, b.String())
}

// noSecret fails if text has the key, in the clear or in hexadecimal, or a
// customer's data (tests use "victim" for it).
func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{testKey, fmt.Sprintf("%x", testKey), "victim"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			t.Errorf("%q is in %q", secret, text)
		}
	}
}

func TestAUsersHTTPClientIsNotChanged(t *testing.T) {
	h := &http.Client{}
	if _, err := New(testKey, WithHTTPClient(h)); err != nil {
		t.Fatal(err)
	}
	if h.CheckRedirect != nil {
		t.Error("New set CheckRedirect on the client it was given")
	}
}

func TestTheEndpointMayNameGraphQL(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.stigg.io":              "https://api.stigg.io/graphql",
		"https://api.stigg.io/":             "https://api.stigg.io/graphql",
		"https://api.stigg.io/graphql":      "https://api.stigg.io/graphql",
		"http://127.0.0.1:4100/stigg":       "http://127.0.0.1:4100/stigg/graphql",
		"http://127.0.0.1:4100/x/graphql//": "http://127.0.0.1:4100/x/graphql",
	} {
		c, err := New(testKey, WithEndpoint(base))
		if err != nil || c.endpoint != want {
			t.Errorf("%s: got %v, %v, want %s", base, c, err, want)
		}
	}
}
