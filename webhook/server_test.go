package webhook

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

const testSecret = "whsec-5b1f0c2a"

// heard is a sink that writes down what it is told.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, fmt.Sprintf(format, args...))
}

func (h *heard) Replace(c gate.Customer, set gate.EntitlementSet) {
	var what []string
	for _, f := range set.Features {
		what = append(what, fmt.Sprintf("%s=%v/%v", f.FeatureID, f.Usage, f.Limit))
	}
	if set.Age != 0 {
		what = append(what, set.Age.String()+" old")
	}
	h.add("replace %s|%s %s", c.ID, c.Resource, strings.Join(what, ","))
}

func (h *heard) Patch(c gate.Customer, p gate.Patch) {
	h.add("patch %s|%s %s %v at %s", c.ID, c.Resource, p.FeatureID, p.Usage, p.At.Format(time.RFC3339))
}

func (h *heard) Invalidate(c gate.Customer) { h.add("stale %s|%s", c.ID, c.Resource) }
func (h *heard) InvalidateAll()             { h.add("stale all") }
func (h *heard) SetLive(live bool)          { h.add("live %t", live) }

func (h *heard) expect(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.list, want) {
		t.Errorf("the sink heard\n%s\nwant\n%s", strings.Join(h.list, "\n"), strings.Join(want, "\n"))
	}
}

// noon is now for every handler of the tests.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// endpoint is a handler behind a server, and what it told its sink.
type endpoint struct {
	*Handler
	*heard
	url string
}

func serve(t *testing.T, opts ...Option) *endpoint {
	t.Helper()
	e := &endpoint{heard: &heard{}}
	var err error
	if e.Handler, err = New(e.heard, []string{testSecret}, opts...); err != nil {
		t.Fatal(err)
	}
	e.now = func() time.Time { return noon }
	server := httptest.NewServer(e.Handler)
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// post delivers and returns the answer's status and body.
func (e *endpoint) post(t *testing.T, secret string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, body)
	if err != nil {
		t.Fatal(err)
	}
	if secret != "" {
		r.Header.Set(SecretHeader, secret)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// deliver posts authentic bodies, each of which must be answered with that status.
func (e *endpoint) deliver(t *testing.T, status int, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if got, text := e.post(t, testSecret, strings.NewReader(body)); got != status || text != "" {
			t.Errorf("%.80s: answered with %d %q, want %d", body, got, text, status)
		}
	}
}
