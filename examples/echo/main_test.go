package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stiggate/gate/emulator"
)

const secret = "a secret for tests, of 32 bytes or more"

// TestMain is the program itself in the process that TestStopping starts.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_THE_EXAMPLE") != "" {
		os.Args = []string{os.Args[0], "-addr", "127.0.0.1:0"}
		main()
		return
	}
	os.Exit(m.Run())
}

func startStigg(t *testing.T) *emulator.Server {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	return stigg
}

// start runs the program until stop is called, and returns what it has printed.
func start(t *testing.T) (printed, url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, "127.0.0.1:0", in)
		_ = in.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewReader(out)
	url = apiURL(t, lines)
	for os.Getenv("STIGG_URL") == "" && !strings.Contains(printed, "Ctrl-C stops") {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		printed += line
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return printed, url, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func apiURL(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	line, err := lines.ReadString('\n')
	url, found := strings.CutPrefix(strings.TrimSpace(line), "The API is at ")
	if err != nil || !found {
		t.Fatalf("got %q, %v", line, err)
	}
	return url
}

func send(t *testing.T, method, url, token, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestWhatItPrintsWorks(t *testing.T) {
	t.Setenv("STIGG_URL", "")
	t.Setenv("STIGG_API_KEY", "")
	printed, _, stop := start(t)
	defer stop()
	tokens := regexp.MustCompile(`TOKEN=(\S+) # (\S+)`).FindAllStringSubmatch(printed, -1)
	campaigns := regexp.MustCompile(`-d '(\S+)' (http://\S+/campaigns)`).FindAllStringSubmatch(printed, -1)
	analytics := regexp.MustCompile(`http://\S+/analytics`).FindAllString(printed, -1)
	if len(tokens) != 2 || len(campaigns) != 2 || len(analytics) != 2 {
		t.Fatalf("got\n%s", printed)
	}
	for i, want := range []struct{ campaign, analytics int }{{201, 402}, {201, 200}} {
		if got := send(t, "POST", campaigns[i][2], tokens[i][1], campaigns[i][1]); got != want.campaign {
			t.Errorf("%s: campaign: got %d, want %d", tokens[i][2], got, want.campaign)
		}
		if got := send(t, "GET", analytics[i], tokens[i][1], ""); got != want.analytics {
			t.Errorf("%s: analytics: got %d, want %d", tokens[i][2], got, want.analytics)
		}
	}
}

// inFrontOf makes the program use an emulated Stigg of the test's, and signs as it does.
func inFrontOf(t *testing.T, stigg *emulator.Server) auth {
	t.Helper()
	t.Setenv("STIGG_URL", stigg.URL())
	t.Setenv("STIGG_API_KEY", emulator.DefaultKey)
	t.Setenv("JWT_SECRET", secret)
	return auth{[]byte(secret)}
}

func TestTheTokensCustomerIsThePaths(t *testing.T) {
	stigg := startStigg(t)
	a := inFrontOf(t, stigg)
	_, url, stop := start(t)
	basic := a.token("customer-basic", time.Now().Add(time.Hour))
	for i, want := range []int{201, 201, 400, 201, 201, 402} {
		body := `{"name":"spring"}`
		if want == 400 {
			body = `{}`
		}
		if got := send(t, "POST", url+"/orgs/customer-basic/campaigns", basic, body); got != want {
			t.Errorf("campaign %d: got %d, want %d", i+1, got, want)
		}
	}
	for target, want := range map[string]int{"/orgs/customer-pro/campaigns": 401, "/orgs/customer-basic%2F..%2Fcustomer-pro/campaigns": 401, "/orgs/customer-basic": 404} {
		if got := send(t, "POST", url+target, basic, `{"name":"spring"}`); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
	}
	if got := send(t, "GET", url+"/health", "", ""); got != 200 {
		t.Errorf("health: got %d, want 200", got)
	}
	stop()
	used := stigg.Usage()
	for _, u := range used {
		if u.CustomerID != "customer-basic" {
			t.Errorf("%s is charged", u.CustomerID)
		}
	}
	if len(used) != 4 {
		t.Errorf("Stigg has %d measurements, want 4", len(used))
	}
}

func TestNobodyGetsInWithoutAToken(t *testing.T) {
	stigg := startStigg(t)
	a := inFrontOf(t, stigg)
	_, url, stop := start(t)
	later := time.Now().Add(time.Hour)
	good := a.token("customer-pro", later)
	head, rest, _ := strings.Cut(good, ".")
	claims, _, _ := strings.Cut(rest, ".")
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		token, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, token := range map[string]string{
		"none":              "",
		"nonsense":          "a.b.c",
		"expired":           a.token("customer-pro", time.Now().Add(-time.Hour)),
		"another key":       auth{[]byte("another key")}.token("customer-pro", later),
		"no signature":      head + "." + claims + ".",
		"alg none":          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"org": "customer-pro", "aud": audience, "exp": later.Unix()}),
		"another algorithm": sign(jwt.SigningMethodHS512, a.key, jwt.MapClaims{"org": "customer-pro", "aud": audience, "exp": later.Unix()}),
		"another audience":  sign(jwt.SigningMethodHS256, a.key, jwt.MapClaims{"org": "customer-pro", "aud": "other", "exp": later.Unix()}),
		"no expiry":         sign(jwt.SigningMethodHS256, a.key, jwt.MapClaims{"org": "customer-pro", "aud": audience}),
		"no customer":       sign(jwt.SigningMethodHS256, a.key, jwt.MapClaims{"aud": audience, "exp": later.Unix()}),
		"a number":          sign(jwt.SigningMethodHS256, a.key, jwt.MapClaims{"org": 7, "aud": audience, "exp": later.Unix()}),
	} {
		if got := send(t, "GET", url+"/orgs/customer-pro/analytics", token, ""); got != 401 {
			t.Errorf("%s: got %d, want 401", name, got)
		}
	}
	if n := stigg.Requests()["entitlementsState"]; n != 0 {
		t.Errorf("Stigg was asked %d times", n)
	}
	if got := send(t, "GET", url+"/orgs/customer-pro/analytics", good, ""); got != 200 || stigg.Requests()["entitlementsState"] != 1 {
		t.Errorf("the right token gets %d, and Stigg was asked %v", got, stigg.Requests())
	}
	stop()
}

func TestAShortSecretIsRefused(t *testing.T) {
	inFrontOf(t, startStigg(t))
	t.Setenv("JWT_SECRET", "short")
	if err := run(t.Context(), "127.0.0.1:0", io.Discard); err == nil {
		t.Error("it starts")
	}
}

// TestStopping holds the order in which SIGTERM ends the program: no new connections, then
// running requests to their end, then their usage delivered.
func TestStopping(t *testing.T) {
	stigg := startStigg(t)
	token := inFrontOf(t, stigg).token("customer-pro", time.Now().Add(time.Hour))
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), "RUN_THE_EXAMPLE=1")
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	url := apiURL(t, lines)
	addr := strings.TrimPrefix(url, "http://")
	finish, status := slowly(t, url+"/orgs/customer-pro/campaigns", token)

	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "Stopping") {
		t.Errorf("got %q, %v", line, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; { // while a request runs: the gate waits for it, too
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("new connections are taken: the server must stop before the gate")
		}
	}
	finish()
	if got := <-status; got != 201 {
		t.Errorf("the request that was running: got %d, want 201", got)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if n := len(stigg.Usage()); n != 1 {
		t.Errorf("Stigg has %d measurements, want 1", n)
	}
}

// slowly sends a request and returns when its handler runs; its body ends with finish.
func slowly(t *testing.T, url, token string) (finish func(), status <-chan int) {
	t.Helper()
	body, write := io.Pipe()
	running, answered := make(chan struct{}), make(chan int, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(running) }})
	r, err := http.NewRequestWithContext(ctx, "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		res, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(r)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	select {
	case <-running:
	case got := <-answered:
		t.Fatalf("got %d before the body was read", got)
	}
	return func() {
		_, _ = io.WriteString(write, `{"name":"spring"}`)
		_ = write.Close()
	}, answered
}
