package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestServesUntilItIsStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var stderr strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-addr", "127.0.0.1:0", "-key", "a-secret-key"}, in, &stderr)
		in.Close()
	}()
	var greeting strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Stop") {
		greeting.WriteString(lines.Text() + "\n")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(greeting.String())
	resp, err := http.Get(url + "/_emulator/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if !strings.Contains(greeting.String(), "curl") || strings.Contains(greeting.String(), "a-secret-key") {
		t.Errorf("greeting:\n%s", &greeting)
	}
	stop()
	if got := <-code; got != 0 || stderr.String() != "" {
		t.Errorf("exit code %d: %s", got, stderr.String())
	}
}

func TestWhatCantBeServedIsOneLineAndAnExitCode(t *testing.T) {
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
		{"an unknown flag", []string{"-port", "1"}, 2, "-port"},
		{"an argument", []string{"serve"}, 2, `unexpected argument "serve"`},
		{"an empty key", []string{"-key", ""}, 1, "the key is empty"},
		{"a busy address", []string{"-addr", busy.Addr().String()}, 1, "address already in use"},
		{"an address that is none", []string{"-addr", "nowhere"}, 1, "nowhere"},
		{"a catalog that isn't there", []string{"-catalog", bad + "x"}, 1, "no such file"},
		{"two catalogs", []string{"-catalog", bad, "-credits"}, 2, "exclude each other"},
		{"a delay below 0", []string{"-counting-delay", "-1s"}, 1, "counting delay"},
		{"a webhook that is none", []string{"-webhook", "nowhere"}, 1, "webhook"},
		{"a secret without a webhook", []string{"-webhook-secret", "s"}, 2, "-webhook"},
		{"events that are none", []string{"-without-events", "a,b"}, 1, "Subscription.a"},
		{"a catalog that is wrong", []string{"-catalog", bad}, 1, "product.id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr strings.Builder
			code := run(t.Context(), c.args, io.Discard, &stderr)
			if code != c.code || !strings.Contains(stderr.String(), c.want) || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("exit code %d: %s", code, stderr.String())
			}
		})
	}
}

func TestFlagsReachTheEmulator(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-addr", "127.0.0.1:0", "-stigg-limits", "-without-events", "usageUpdatedV2",
			"-webhook", "http://127.0.0.1:1/x", "-webhook-secret", "sesame"}, in, io.Discard)
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	url := ""
	for url == "" && lines.Scan() {
		url = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for path, want := range map[string]string{"/_emulator/limits": `"requests": 6000`, "/_emulator/webhooks": "http://127.0.0.1:1/x"} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(body), want) || strings.Contains(string(body), "sesame") {
			t.Errorf("%s %v", body, err)
		}
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

func TestHelpIsNoError(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"-help"}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "-catalog") || stderr.String() != "" {
		t.Errorf("exit code %d: %s%s", code, &stdout, &stderr)
	}
}

func TestTheCatalogWithCreditsIsServed(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-addr", "127.0.0.1:0", "-credits"}, in, io.Discard)
		in.Close()
	}()
	var greeting strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Stop") {
		greeting.WriteString(lines.Text() + "\n")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	read := regexp.MustCompile(`http://\S+customer-tokens\S+`).FindString(greeting.String())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, read, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, &greeting)
	}
	r.Header.Set("X-API-KEY", "stigg-emulator-key")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(body), `"currencyId":"currency-tokens"`) {
		t.Errorf("%s %v", body, err)
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}
