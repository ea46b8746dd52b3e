package emulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPagesOfThisMachineMayAskTheAPI(t *testing.T) {
	e := newTest(t)
	call := func(method, path string, header map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1:4100"+path, strings.NewReader(`{"query":"{ __typename }"}`))
		for name, value := range header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w
	}
	preflight := map[string]string{"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
		"Access-Control-Request-Headers": "content-type,source,x-api-key"}
	const state = "/v1/c/customer-pro/entitlements-state.json"
	for _, path := range []string{"/graphql", state, "/v1/config/client-sdk-configuration.json"} {
		w := call(http.MethodOptions, path, preflight)
		h := w.Header()
		if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" ||
			h.Get("Access-Control-Allow-Headers") != "content-type,source,x-api-key" || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
	}
	page := map[string]string{"Origin": "http://localhost:3000", "X-API-KEY": DefaultKey, "Content-Type": "application/json"}
	for path, method := range map[string]string{"/graphql": "POST", state: "GET"} {
		if w := call(method, path, page); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" ||
			w.Header().Get("Access-Control-Expose-Headers") != "*" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if w := call("POST", "/graphql", map[string]string{"Origin": "http://localhost:3000"}); w.Code != 401 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a refusal that no page can read: %d %v", w.Code, w.Header())
	}
	if w := call("OPTIONS", "/graphql", nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("OPTIONS that is no preflight: %d", w.Code)
	}
	for _, path := range []string{"/_emulator/clock", "/elsewhere"} {
		if w := call(http.MethodOptions, path, preflight); w.Code == http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is open to pages: %d %v", path, w.Code, w.Header())
		}
	}
}

// A page may send all of this without asking: fetch in the mode no-cors, a form, or a
// host of its own that it makes resolve to this machine.
func TestWhatAPageOfAStrangerSendsIsRefused(t *testing.T) {
	sent := func(e *Emulator, method, url, body string, header ...string) int {
		r := httptest.NewRequest(method, url, strings.NewReader(body))
		r.Header.Set("Content-Type", "text/plain")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Code
	}
	const at, evil = "http://127.0.0.1:4100", "https://evil.example"
	const query = `{"query":"{ __typename }"}`
	asked := []string{"Content-Type", "application/json", "X-API-KEY", DefaultKey}
	for _, c := range []struct {
		name, method, url, body string
		header                  []string
		want                    int
	}{
		{"the clock, from another origin", "POST", at + "/_emulator/clock", `{"advance":"720h"}`, []string{"Origin", evil}, 403},
		{"a form's origin", "POST", at + "/_emulator/clock", `{"advance":"720h"}`, []string{"Origin", "null"}, 403},
		{"cross-site, without an origin", "POST", at + "/_emulator/faults", `{"drop":"after"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a reading, cross-site", "GET", at + "/_emulator/usage", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a reading, from another origin", "GET", at + "/_emulator/usage", "", []string{"Origin", evil}, 403},
		{"another port of this machine", "POST", at + "/_emulator/clock", `{"advance":"720h"}`, []string{"Origin", "http://127.0.0.1:3000"}, 403},
		{"a host that resolves to here", "GET", "http://evil.example:4100/_emulator/usage", "", nil, 403},
		{"no host", "GET", "http://evil.localhost.example/_emulator/usage", "", nil, 403},
		{"curl", "POST", at + "/_emulator/clock", `{"advance":"1h"}`, nil, 200},
		{"the console", "POST", at + "/_emulator/clock", `{"advance":"1h"}`, []string{"Origin", at, "Sec-Fetch-Site", "same-origin"}, 200},
		{"localhost", "GET", "http://localhost:4100/_emulator/usage", "", nil, 200},
		{"IPv6", "GET", "http://[::1]:4100/_emulator/usage", "", nil, 200},
		{"the API with the key that everybody knows", "POST", at + "/graphql", query, append(asked, "Origin", evil), 403},
		{"its edge", "GET", at + "/v1/c/customer-pro/entitlements.json", "", append(asked, "Origin", evil), 403},
		{"its preflight", "OPTIONS", at + "/graphql", "", []string{"Origin", evil, "Access-Control-Request-Method", "POST"}, 403},
		{"the API at a host that resolves to here", "GET", "http://evil.example/v1/c/customer-pro/entitlements.json", "", append(asked, "Sec-Fetch-Site", "same-origin"), 403},
		{"a page of this machine", "POST", at + "/graphql", query, append(asked, "Origin", "http://localhost:3000"), 200},
		{"a program in a container network", "POST", "http://stigg:4100/graphql", query, asked, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t)
			before := e.Now()
			if got := sent(e, c.method, c.url, c.body, c.header...); got != c.want {
				t.Errorf("answered %d, want %d", got, c.want)
			}
			if c.want == 403 && (!e.Now().Equal(before) || len(e.Faults()) > 0) {
				t.Error("it did something")
			}
		})
	}
	own := newTest(t, WithKey("a key of the page's own"))
	if got := sent(own, "POST", at+"/graphql", query, "Origin", evil, "Content-Type", "application/json", "X-API-KEY", "a key of the page's own"); got != 200 {
		t.Errorf("with a key that only its owner can have: %d", got)
	}
	named := newTest(t, WithOrigins("https://app.example.test"), WithHosts("stigg"))
	if got := sent(named, "POST", at+"/graphql", query, append(asked, "Origin", "https://app.example.test")...); got != 200 {
		t.Errorf("an origin that was named: %d", got)
	}
	if got := sent(named, "GET", "http://stigg:4100/_emulator/usage", ""); got != 200 {
		t.Errorf("a host that was named: %d", got)
	}
	if _, err := New(WithOrigins("app.example.test")); err == nil {
		t.Error("an origin without a scheme was taken")
	}
}

func TestTheWindowSetsWebhooksOfThisMachineOnly(t *testing.T) {
	for _, c := range []struct {
		name, url string
		opts      []Option
		want      int
	}{
		{"an address of the local network", "http://192.168.1.1/x", nil, 400},
		{"a service of a cloud", "http://169.254.169.254/latest", nil, 400},
		{"a name that is no longer local", "http://localhost.example/x", nil, 400},
		{"an address in disguise", "http://[::ffff:10.0.0.1]/x", nil, 400},
		{"loopback", "http://127.0.0.2:9/x", nil, 201},
		{"localhost", "http://localhost:9/x", nil, 201},
		{"another machine, if told", "http://192.168.1.1/x", []Option{WithRemoteWebhooks()}, 201},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newTest(t, c.opts...)
			defer e.Close()
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest("POST", "http://127.0.0.1/_emulator/webhooks", strings.NewReader(`{"url":"`+c.url+`"}`)))
			if w.Code != c.want {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		})
	}
}
