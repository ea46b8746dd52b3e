package client

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stiggate/gate"
)

// TestNoProxyIsGivenTheKeyInTheClear: the system's settings exempt "localhost" alone from a proxy, as it
// is written, and not the other names of this machine.
func TestNoProxyIsGivenTheKeyInTheClear(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	to, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := http.DefaultTransport
	defer func() { http.DefaultTransport = before }()
	system := http.DefaultTransport.(*http.Transport).Clone()
	system.Proxy = http.ProxyURL(to)
	http.DefaultTransport = system
	for endpoint, want := range map[string]int32{"http://LOCALHOST:1": 0, "http://stigg.localhost:1": 0, "http://127.0.0.1:1": 0, "https://stigg.invalid": 1} {
		c, err := New(testKey, WithEndpoint(endpoint), WithEdge(endpoint), WithRetry(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		if _, err := c.Entitlements(t.Context(), gate.Customer{ID: "c"}); err == nil {
			t.Errorf("%s: answered", endpoint)
		}
		if n := asked.Load(); min(n, 1) != want {
			t.Errorf("%s: the proxy is asked %d times", endpoint, n)
		}
	}
}
