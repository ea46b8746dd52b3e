package client

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// TestTheKeyGoesInTheClearToNamedHostsOnly, of which the endpoint and the edge's are each one.
func TestTheKeyGoesInTheClearToNamedHostsOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options []Option
		refused string
	}{
		{"a sidecar", []Option{WithEndpoint("http://stigg-sidecar:8080"), WithPlaintextTo("stigg-sidecar")}, ""},
		{"in another case", []Option{WithPlaintextTo("Stigg-Sidecar."), WithEndpoint("http://stigg-SIDECAR:8080")}, ""},
		{"an address", []Option{WithEndpoint("http://10.0.0.5:4100"), WithPlaintextTo("10.0.0.5")}, ""},
		{"an address of IPv6", []Option{WithEndpoint("http://[fd00::5]:4100"), WithPlaintextTo("fd00:0::5")}, ""},
		{"Stigg itself, by https", []Option{WithPlaintextTo("stigg-sidecar")}, ""},
		{"one of several", []Option{WithEndpoint("http://b"), WithPlaintextTo("a", "b")}, ""},
		{"another host", []Option{WithEndpoint("http://stigg-sidecar.example.com"), WithPlaintextTo("stigg-sidecar")}, "WithPlaintextTo"},
		{"nobody", []Option{WithEndpoint("http://stigg-sidecar:8080")}, "WithPlaintextTo"},
		{"the edge", []Option{WithEdge("http://edge:8080"), WithPlaintextTo("stigg-sidecar")}, "edge's endpoint"},
		{"both", []Option{WithEdge("http://edge:8080"), WithEndpoint("http://stigg"), WithPlaintextTo("stigg", "edge")}, ""},
	} {
		_, err := New(testKey, tt.options...)
		if (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.refused)
		}
	}
}

// TestAHostThatIsNamedIsAsked by its name, with the key.
func TestAHostThatIsNamedIsAsked(t *testing.T) {
	var key, host string
	stigg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, host = r.Header.Get("X-API-KEY"), r.Host
		_, _ = w.Write([]byte(`{"data":{"entitlementsState":{"entitlementsV2":[]}}}`))
	}))
	defer stigg.Close()
	dial := &http.Transport{Dial: func(network, _ string) (net.Conn, error) { return net.Dial(network, stigg.Listener.Addr().String()) }} //nolint:staticcheck // a test's name service
	c, err := New(testKey, WithEndpoint("http://stigg-sidecar:8080"), WithPlaintextTo("stigg-sidecar"), WithHTTPClient(&http.Client{Transport: dial}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Entitlements(t.Context(), gate.Customer{ID: "acme"}); err != nil || key != testKey || host != "stigg-sidecar:8080" {
		t.Errorf("%v; %q was asked", err, host)
	}
}

func TestOptionsThatSayOpposites(t *testing.T) {
	for name, options := range map[string][]Option{
		"WithPing":      {WithPing(time.Second, time.Second), WithoutRealtime()},
		"WithReconnect": {WithoutRealtime(), WithReconnect(time.Second)},
	} {
		if _, err := New(testKey, options...); err == nil || !strings.Contains(err.Error(), name+" is of no use with WithoutRealtime") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
