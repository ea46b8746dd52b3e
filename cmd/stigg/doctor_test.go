package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stiggate/gate/emulator"
)

func policies(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	_, env := emulated(t, emulator.WithStiggLimits())
	file := policies(t, "routes:\n  POST /campaigns: {feature: feature-02-campaigns, uses: 1}\n  GET /cities: {feature: feature-08-cities, values: [NY]}\n  GET /health: {public: true}\n")
	got := stigg(t, env, "doctor", "-policies", file)
	for _, want := range []string{"ok   endpoint ", "ok   key ", "requests are left", "ok   clock ", "ok   realtime ", "ok   policies  3 routes fit the catalog"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in\n%s", want, got.out)
		}
	}
	if got.code != exitOK || got.err != "" || strings.Contains(got.out, emulator.DefaultKey) {
		t.Errorf("%+v", got)
	}
}

func TestDoctorFindsPoliciesThatDontFit(t *testing.T) {
	_, env := emulated(t)
	file := policies(t, "routes:\n  POST /campaigns: {feature: feature-2-campaigns, uses: 1}\n  GET /analytics: {feature: feature-04-analytics, uses: 1}\n  POST /c: {currency: coins, uses: 1}\n")
	got := stigg(t, env, "doctor", "-json", "-realtime=false", "-policies", file)
	var report struct {
		OK       bool
		Findings []finding
	}
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitNo || report.OK {
		t.Fatalf("%v in %+v", err, got)
	}
	var bad []string
	for _, f := range report.Findings {
		if !f.OK {
			bad = append(bad, f.Check+" "+f.Detail)
		}
	}
	all := strings.Join(bad, "\n")
	if len(bad) != 3 || !strings.Contains(all, "POST /campaigns: feature-2-campaigns: there is no such feature in Stigg") ||
		!strings.Contains(all, "GET /analytics: feature-04-analytics: the feature's kind") || !strings.Contains(all, "POST /c: coins: there is no such currency in Stigg") {
		t.Errorf("%s", all)
	}
}

// TestDoctorFindsAClockThatIsOff has a proxy in front of Stigg that says another time.
func TestDoctorFindsAClockThatIsOff(t *testing.T) {
	srv, env := emulated(t)
	target, err := url.Parse(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	for off, want := range map[time.Duration]string{time.Hour: "behind", -time.Hour: "ahead"} {
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ModifyResponse = func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			return nil
		}
		front := httptest.NewServer(proxy)
		got := stigg(t, []string{"STIGG_URL=" + front.URL, env[1]}, "doctor", "-realtime=false")
		front.Close()
		if got.code != exitNo || !strings.Contains(got.out, "BAD  clock ") || !strings.Contains(got.out, want) {
			t.Errorf("%v: %+v", off, got)
		}
	}
}

func TestDoctorFindsThatStiggCantBeAsked(t *testing.T) {
	srv, env := emulated(t)
	got := stigg(t, []string{env[0], "STIGG_API_KEY=server-4711-secret"}, "doctor")
	if got.code != exitNo || !strings.Contains(got.out, "BAD  key ") || strings.Contains(got.out+got.err, "4711") {
		t.Errorf("a key that is refused: %+v", got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "STIGG_URL=http://" + l.Addr().String()
	_ = l.Close()
	if got := stigg(t, []string{closed, env[1]}, "doctor"); got.code != exitUnreachable || !strings.Contains(got.out, "BAD  endpoint ") {
		t.Errorf("nobody listens: %+v", got)
	}
	plain := httputil.NewSingleHostReverseProxy(must(url.Parse(srv.URL())))
	noSockets := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		plain.ServeHTTP(w, r)
	}))
	defer noSockets.Close()
	if got := stigg(t, []string{"STIGG_URL=" + noSockets.URL, env[1]}, "doctor", "-timeout", "2s"); got.code != exitNo || !strings.Contains(got.out, "BAD  realtime ") {
		t.Errorf("no WebSockets: %+v", got)
	}
}

func must(u *url.URL, err error) *url.URL {
	if err != nil {
		panic(err)
	}
	return u
}

func TestDoctorCalledWrongly(t *testing.T) {
	_, env := emulated(t)
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		code int
	}{
		{"no key", env[:1], nil, exitUsage},
		{"a file that isn't there", env, []string{"-policies", "nowhere.yaml"}, exitUsage},
		{"an argument", env, []string{"more"}, exitUsage},
		{"a file that is no policy file", env, []string{"-policies", policies(t, "routes:\n  GET /a: {feature: f, use: 1}\n")}, exitNo},
	} {
		if got := stigg(t, tt.env, append([]string{"doctor"}, tt.args...)...); got.code != tt.code || got.out != "" || got.err == "" {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestDoctorGivesNoProxyTheKeyInTheClear(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	for endpoint, want := range map[string]int32{"http://stigg.localhost:1": 0, "https://stigg.invalid": 1} {
		asked.Store(0)
		env := []string{"HTTP_PROXY=" + proxy.URL, "HTTPS_PROXY=" + proxy.URL, "STIGG_URL=" + endpoint, "STIGG_API_KEY=server-key-1"}
		if got := stigg(t, env, "doctor", "-timeout", "2s"); got.code != exitUnreachable {
			t.Errorf("%s: %+v", endpoint, got)
		}
		if n := asked.Load(); min(n, 1) != want {
			t.Errorf("%s: the proxy is asked %d times", endpoint, n)
		}
	}
}
