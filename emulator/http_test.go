package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestRequestsThatAreRefusedBeforeTheyAreExecuted(t *testing.T) {
	e := newTest(t, WithKey("a-secret-key"))
	const state = `{"query":"{ entitlementsState(query: {customerId: \"customer-pro\"}) { accessDeniedReason } }"}`
	for _, c := range []struct {
		name, method, key, kind, body string
		status                        int
		code                          Code
	}{
		{"no key", "POST", "", "application/json", state, 401, CodeUnauthenticated},
		{"a wrong key", "POST", "a-secret-kez", "application/json", state, 401, CodeUnauthenticated},
		{"a part of the key", "POST", "a-secret", "application/json", state, 401, CodeUnauthenticated},
		{"another method", "GET", "a-secret-key", "application/json", "", 405, codeBadRequest},
		{"another content type", "POST", "a-secret-key", "text/plain", state, 415, codeBadRequest},
		{"no content type", "POST", "a-secret-key", "", state, 415, codeBadRequest},
		{"no JSON", "POST", "a-secret-key", "application/json", "{", 400, codeBadRequest},
		{"an empty body", "POST", "a-secret-key", "application/json", "", 400, codeBadRequest},
		{"null", "POST", "a-secret-key", "application/json", "null", 400, codeBadRequest},
		{"JSON of another shape", "POST", "a-secret-key", "application/json", `{"query": 7}`, 400, codeBadRequest},
		{"a batch", "POST", "a-secret-key", "application/json", "[" + state + "]", 400, codeBadRequest},
		{"a body that is too large", "POST", "a-secret-key", "application/json", strings.Repeat(" ", maxBody+1), 413, codeBadRequest},
		{"no query", "POST", "a-secret-key", "application/json", `{}`, 400, codeBadRequest},
		{"no GraphQL", "POST", "a-secret-key", "application/json", `{"query":"{ a "}`, 400, codeParseFailed},
		{"too many tokens", "POST", "a-secret-key", "application/json", `{"query":"{` + strings.Repeat(" a", maxTokens) + `}"}`, 400, codeParseFailed},
		{"an unknown field", "POST", "a-secret-key", "application/json", `{"query":"{ nothing }"}`, 400, codeValidationFailed},
		{"an unknown operation", "POST", "a-secret-key", "application/json", `{"query":"query A { __typename }","operationName":"B"}`, 400, codeOperation},
		{"two operations and no name", "POST", "a-secret-key", "application/json", `{"query":"query A { __typename } query B { __typename }"}`, 400, codeOperation},
		{"a subscription", "POST", "a-secret-key", "application/json", `{"query":"subscription { usageUpdatedV2 { customerId } }"}`, 400, codeBadRequest},
		{"a number that is none", "POST", "a-secret-key", "application/json", `{"query":"mutation { reportUsage(input: {customerId: \"a\", featureId: \"b\", value: 1, dimensions: {n: 99999999999999999999}}) { id } }"}`, 400, codeValidationFailed},
		{"a date that is none", "POST", "a-secret-key", "application/json", `{"query":"mutation { reportUsage(input: {customerId: \"a\", featureId: \"b\", value: 1, createdAt: \"today\"}) { id } }"}`, 400, codeUserInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/graphql", strings.NewReader(c.body))
			r.Header.Set("X-API-KEY", c.key)
			r.Header.Set("Content-Type", c.kind)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			a := decoded(t, w)
			if a.Status != c.status || a.code() != c.code || a.Data != nil {
				t.Errorf("status %d, code %s: %s", a.Status, a.code(), w.Body)
			}
			if strings.Contains(w.Body.String(), "a-secret-key") {
				t.Error("the key is in the answer")
			}
			if a.Status == 401 && a.Errors[0].Extensions.IsValidationError {
				t.Error("a wrong key is no validation error")
			}
		})
	}
	if len(e.Requests()) > 0 {
		t.Errorf("counted: %v", e.Requests())
	}
}

func TestVariablesAreCoercedToTheSchema(t *testing.T) {
	e := newTest(t)
	for _, c := range []struct{ name, input, want string }{
		{"nothing", `null`, "must not be null"},
		{"no object", `"x"`, "an object of type ReportUsageInput is needed"},
		{"a field that is missing", `{"customerId": "a", "featureId": "b"}`, `"value" of required type`},
		{"a field that is null", `{"customerId": "a", "featureId": "b", "value": null}`, "input.value must not be null"},
		{"a field that doesn't exist", `{"customerId": "a", "featureId": "b", "value": 1, "x": 1}`, `"x" is not defined`},
		{"a string for a number", `{"customerId": "a", "featureId": "b", "value": "1"}`, `Float can't represent "1"`},
		{"a number for a string", `{"customerId": 1, "featureId": "b", "value": 1}`, "String can't represent 1"},
		{"an enum value that doesn't exist", `{"customerId": "a", "featureId": "b", "value": 1, "updateBehavior": "ADD"}`, "no value of the enum"},
		{"a date that is none", `{"customerId": "a", "featureId": "b", "value": 1, "createdAt": "today"}`, "DateTime can't represent"},
		{"a UUID that is none", `{"customerId": "a", "featureId": "b", "value": 1, "environmentId": "x"}`, "UUID can't represent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, _ := json.Marshal(official(t, "ReportUsage"))
			a := decoded(t, post(t, e, `{"query":`+string(body)+`,"variables":{"input":`+c.input+`}}`))
			if a.Status != 400 || a.code() != codeUserInput || !strings.Contains(a.Errors[0].Message, c.want) {
				t.Errorf("%+v", a)
			}
		})
	}
	a := ask(t, e, official(t, "ReportUsage"), nil)
	if a.Status != 400 || !strings.Contains(a.Errors[0].Message, "was not provided") {
		t.Errorf("no variable: %+v", a)
	}
}

func TestDatesAreTakenInEveryFormThatStiggTakes(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"2024-01-15T10:00:00Z", "2024-01-15T10:00:00.000Z"},
		{"2024-01-15T10:00:00.123456Z", "2024-01-15T10:00:00.123Z"},
		{"2024-01-15T10:00:00+02:00", "2024-01-15T08:00:00.000Z"},
		{"2024-01-15T10:00:00.5+0200", "2024-01-15T08:00:00.500Z"},
		{"2024-01-15T10:00Z", "2024-01-15T10:00:00.000Z"},
		{"2024-01-15T10:00+02:00", "2024-01-15T08:00:00.000Z"},
		{"2024-01-15T10:00:00.5", "2024-01-15T10:00:00.500Z"},
		{"2024-01-15T10:00", "2024-01-15T10:00:00.000Z"},
		{"2024-01-15", "2024-01-15T00:00:00.000Z"},
		{1705312800000.0, "2024-01-15T10:00:00.000Z"},
	} {
		got, err := coerceTime(c.value)
		if err != nil || format(got) == "" {
			t.Errorf("%v: %v", c.value, err)
			continue
		}
		w := newWriter()
		must(t, w.leaf(got))
		if w.buf.String() != `"`+c.want+`"` {
			t.Errorf("%v: %s, want %s", c.value, w.buf.String(), c.want)
		}
	}
}

func TestTheEdgeAnswersWhatTheOfficialDocumentsAnswer(t *testing.T) {
	e := newTest(t)
	get := func(path, key string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("X-API-KEY", key)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	graph := func(operation, customer, resource string) string {
		body, err := json.Marshal(map[string]any{"query": official(t, operation),
			"variables": map[string]any{"query": map[string]any{"customerId": customer, "resourceId": resource}}})
		must(t, err)
		return strings.TrimSpace(post(t, e, string(body)).Body.String())
	}
	for _, c := range []struct{ name, path, want string }{
		{"a state", "/v1/c/customer-pro/entitlements-state.json", graph("GetEntitlementsState", "customer-pro", "")},
		{"a resource's state", "/v1/c/customer-demo-01/entitlements-state.json?resourceId=site-1", graph("GetEntitlementsState", "customer-demo-01", "site-1")},
		{"entitlements", "/v1/c/customer-demo-01/entitlements.json", graph("GetEntitlements", "customer-demo-01", "")},
		{"the configuration", "/v1/config/server-sdk-configuration.json", graph("GetSdkConfiguration", "", "")},
		{"an unknown customer", "/v1/c/nobody/entitlements-state.json", graph("GetEntitlementsState", "nobody", "")},
		{"an id with a slash is one id", "/v1/c/customer-pro%2Fentitlements.json%3Fx=/entitlements-state.json", graph("GetEntitlementsState", "customer-pro/entitlements.json?x=", "")},
		{"an id with dots is one id", "/v1/c/..%2Fc%2Fcustomer-pro/entitlements-state.json", graph("GetEntitlementsState", "../c/customer-pro", "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, got := get(c.path, DefaultKey); status != 200 || got != c.want {
				t.Errorf("%d: %s\nwant %s", status, got, c.want)
			}
			if status, _ := get(c.path, "wrong"); status != 401 {
				t.Errorf("a wrong key: %d", status)
			}
		})
	}
	if status, body := get("/v1/c/customer-pro/else.json", DefaultKey); status != 404 || !json.Valid([]byte(body)) {
		t.Errorf("%d: %s", status, body)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/c/customer-pro/entitlements.json", nil)
	w := httptest.NewRecorder()
	if e.ServeHTTP(w, r); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
	if got := e.Requests(); got["edge.entitlements-state"] != 5 || got["edge.entitlements"] != 1 || got["edge.sdk-configuration"] != 1 {
		t.Errorf("counted: %v", got)
	}
}

func TestTheOperatorsWindow(t *testing.T) {
	e := newTest(t)
	call := func(method, path, body string) (int, any) {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body)))
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		return w.Code, v
	}
	if _, v := call("GET", "/_emulator/usage", ""); format(v) != "[]" {
		t.Errorf("usage at the start: %v", v)
	}
	in := map[string]any{"customerId": "customer-basic", "featureId": campaigns, "value": 1.5, "createdAt": "2024-01-15T09:00:00Z", "idempotencyKey": "k"}
	reportUsage(t, e, in)
	reportUsage(t, e, in)
	delete(in, "idempotencyKey")
	in["resourceId"], in["updateBehavior"] = "r", "SET"
	reportUsage(t, e, in)
	const common = `"customerId":"customer-basic","duplicate":`
	want := `[{"createdAt":"2024-01-15T09:00:00.000Z",` + common + `false,"featureId":"feature-02-campaigns","idempotencyKey":"k","resourceId":null,"updateBehavior":"DELTA","value":1.5},` +
		`{"createdAt":"2024-01-15T09:00:00.000Z",` + common + `true,"featureId":"feature-02-campaigns","idempotencyKey":"k","resourceId":null,"updateBehavior":"DELTA","value":1.5},` +
		`{"createdAt":"2024-01-15T09:00:00.000Z",` + common + `false,"featureId":"feature-02-campaigns","idempotencyKey":null,"resourceId":"r","updateBehavior":"SET","value":1.5}]`
	if _, v := call("GET", "/_emulator/usage", ""); format(v) != want {
		t.Errorf("usage: %s\nwant %s", format(v), want)
	}
	if _, v := call("GET", "/_emulator/requests", ""); format(v) != `{"reportUsage":3}` {
		t.Errorf("requests: %v", v)
	}
	if _, v := call("GET", "/_emulator/health", ""); dig(t, v, "status") != "ok" {
		t.Errorf("health: %v", v)
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		now                      any
	}{
		{"forward", "POST", "/_emulator/clock", `{"advance":"720h"}`, 200, "2024-02-14T10:00:00.000Z"},
		{"back", "POST", "/_emulator/clock", `{"advance":"-1h"}`, 200, "2024-02-14T09:00:00.000Z"},
		{"to a time", "POST", "/_emulator/clock", `{"set":"2024-02-29T00:00:00Z"}`, 200, "2024-02-29T00:00:00.000Z"},
		{"no duration", "POST", "/_emulator/clock", `{"advance":"a month"}`, 400, nil},
		{"a number", "POST", "/_emulator/clock", `{"advance":720}`, 400, nil},
		{"nothing", "POST", "/_emulator/clock", `{}`, 400, nil},
		{"too far", "POST", "/_emulator/clock", `{"advance":"2000000h"}`, 400, nil},
		{"before all time", "POST", "/_emulator/clock", `{"set":"0001-01-01T00:00:00Z"}`, 400, nil},
		{"junk behind it", "POST", "/_emulator/clock", `{"advance":"1h"} junk`, 400, nil},
		{"both", "POST", "/_emulator/clock", `{"advance":"1h","set":"2024-02-29T00:00:00Z"}`, 400, nil},
		{"no body", "POST", "/_emulator/clock", ``, 400, nil},
		{"read", "GET", "/_emulator/clock", ``, 405, nil},
		{"another path", "GET", "/_emulator/else", ``, 404, nil},
		{"a method that isn't", "DELETE", "/_emulator/usage", ``, 405, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, v := call(c.method, c.path, c.body)
			if status != c.status || dig(t, v, "now") != c.now || status != 200 && dig(t, v, "error") == "" {
				t.Errorf("%d: %v", status, v)
			}
		})
	}
}

func TestServerListensUntilItIsClosed(t *testing.T) {
	srv, err := Start("127.0.0.1:0", WithoutDemo())
	must(t, err)
	resp, err := http.Get(srv.URL() + "/_emulator/health")
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if must(t, err); resp.StatusCode != 200 || !json.Valid(body) {
		t.Errorf("%d: %s", resp.StatusCode, body)
	}
	if _, err := Start(strings.TrimPrefix(srv.URL(), "http://")); err == nil {
		t.Error("two servers at one address")
	}
	must(t, srv.Close())
	must(t, srv.Close())
	if _, err := http.Get(srv.URL() + "/_emulator/health"); err == nil {
		t.Error("it still answers")
	}
}

// FuzzGraphQL sends any body: the answer is always JSON in GraphQL's shape, and
// the emulator is never the one to fail.
func FuzzGraphQL(f *testing.F) {
	e := newTest(f)
	docs, err := os.ReadDir("testdata/operations")
	must(f, err)
	for _, d := range docs {
		body, _ := json.Marshal(map[string]any{"query": official(f, strings.TrimSuffix(d.Name(), ".graphql")),
			"variables": map[string]any{"input": map[string]any{"customerId": "customer-demo-01"}}})
		f.Add(string(body))
	}
	for _, q := range []string{
		`{ __schema { types { name fields { name type { kind ofType { name } } args { name } } } } }`,
		`query($a: Boolean!) { __typename @skip(if: $a) ...F @include(if: $a) } fragment F on Query { ...F }`,
		`{ customers { edges { node { id } } } a: __type(name: \"Plan\") { name } }`,
	} {
		f.Add(`{"query":"` + q + `"}`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := post(t, e, body)
		var a struct {
			Data   *json.RawMessage
			Errors []json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Data == nil && len(a.Errors) == 0 {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if w.Code >= 500 || strings.Contains(w.Body.String(), string(CodeUnexpected)) {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	})
}
