package emulator

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBrowsersMayAskTheAPIFromAnyOrigin(t *testing.T) {
	e := newTest(t)
	call := func(method, path string, header map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(`{"query":"{ __typename }"}`))
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
