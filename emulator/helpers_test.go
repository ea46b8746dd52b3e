package emulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testNow is the present of every test that doesn't move it.
var testNow = time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)

func newTest(t testing.TB, opts ...Option) *Emulator {
	t.Helper()
	e, err := New(append([]Option{WithClock(func() time.Time { return testNow })}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a decoded GraphQL answer.
type answer struct {
	Status int
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []string
		Extensions struct {
			Code              Code
			TraceID           string
			IsValidationError bool
		}
	}
}

func (a answer) code() Code {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].Extensions.Code
}

// post sends a body with the default key.
func post(t testing.TB, h http.Handler, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-KEY", DefaultKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func ask(t testing.TB, h http.Handler, query string, vars map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	must(t, err)
	return decoded(t, post(t, h, string(body)))
}

func decoded(t testing.TB, w *httptest.ResponseRecorder) answer {
	t.Helper()
	a := answer{Status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("no JSON: %v: %s", err, w.Body)
	}
	return a
}

// official reads one of the official clients' documents.
func official(t testing.TB, operation string) string {
	t.Helper()
	folder := "operations/"
	if strings.HasPrefix(operation, "On") {
		folder = "subscriptions/"
	}
	if _, err := os.Stat("testdata/credits/" + operation + ".graphql"); err == nil {
		folder = "credits/"
	}
	doc, err := os.ReadFile("testdata/" + folder + operation + ".graphql")
	must(t, err)
	return string(doc)
}

// dig follows keys and list indexes into an answer.
func dig(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no object at %v of %v in %v", p, path, v)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("no element at %v of %v in %v", p, path, v)
			}
			v = l[p]
		}
	}
	return v
}

func ptr[T any](v T) *T { return &v }

func format(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func number64(v any) string {
	n, _ := v.(float64)
	return strconv.FormatFloat(n, 'g', -1, 64)
}
