package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stiggate/gate/emulator"
)

// get reads what the emulator answers, with its default key.
func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-KEY", emulator.DefaultKey)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s %v", url, resp.Status, err)
	}
	return string(body)
}

var origin = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func TestEmulateServesUntilItIsStopped(t *testing.T) {
	s := serve(t, "Stop", "-key", "a-secret-key")
	get(t, origin.FindString(s.greeting)+"/_emulator/health")
	if !strings.Contains(s.greeting, "curl") || strings.Contains(s.greeting, "a-secret-key") {
		t.Errorf("greeting:\n%s", s.greeting)
	}
	s.stop(t)
}

func TestEmulateSaysInJSONWhereItListens(t *testing.T) {
	s := serve(t, "{", "-json")
	var where struct{ URL, GraphQL string }
	if err := json.Unmarshal([]byte(s.greeting), &where); err != nil || where.GraphQL != where.URL+"/graphql" {
		t.Errorf("%v in %s", err, s.greeting)
	}
	get(t, where.URL+"/_emulator/health")
	s.stop(t)
}

func TestEmulateTellsInOneLineWhatItCantServe(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"product": {"id": 7}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an argument", []string{"serve"}, exitUsage, `unexpected argument "serve"`},
		{"an empty key", []string{"-key", ""}, exitNo, "the key is empty"},
		{"a busy address", []string{"-addr", busy.Addr().String()}, exitNo, "address already in use"},
		{"an address that is none", []string{"-addr", "nowhere"}, exitNo, "nowhere"},
		{"a catalog that isn't there", []string{"-catalog", bad + "x"}, exitNo, "no such file"},
		{"two catalogs", []string{"-catalog", bad, "-credits"}, exitUsage, "exclude each other"},
		{"a delay below 0", []string{"-counting-delay", "-1s"}, exitNo, "counting delay"},
		{"a webhook that is none", []string{"-webhook", "nowhere"}, exitNo, "webhook"},
		{"a secret without a webhook", []string{"-webhook-secret", "s"}, exitUsage, "-webhook"},
		{"events that are none", []string{"-without-events", "a,b"}, exitNo, "Subscription.a"},
		{"a catalog that is wrong", []string{"-catalog", bad}, exitNo, "product.id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := stigg(t, nil, append([]string{"emulate"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.err, c.want) || strings.Count(got.err, "\n") != 1 || got.out != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestEmulatesFlagsReachTheEmulator(t *testing.T) {
	s := serve(t, "Stop", "-stigg-limits", "-without-events", "usageUpdatedV2", "-webhook", "http://127.0.0.1:1/x", "-webhook-secret", "sesame",
		"-state", filepath.Join(t.TempDir(), "state.json"), "-hosts", "stigg.internal", "-remote-webhooks", "-counting-delay", "1s")
	url := origin.FindString(s.greeting)
	for path, want := range map[string]string{"/_emulator/limits": `"requests": 6000`, "/_emulator/webhooks": "http://127.0.0.1:1/x"} {
		if body := get(t, url+path); !strings.Contains(body, want) || strings.Contains(body, "sesame") {
			t.Errorf("%s: %s", path, body)
		}
	}
	s.stop(t)
}

func TestEmulateServesTheCatalogWithCredits(t *testing.T) {
	s := serve(t, "Stop", "-credits")
	read := regexp.MustCompile(`http://\S+customer-tokens\S+`).FindString(s.greeting)
	if body := get(t, read); !strings.Contains(body, `"currencyId":"currency-tokens"`) {
		t.Error(body)
	}
	s.stop(t)
}
